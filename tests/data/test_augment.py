import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional as reference

from strongreid.data.augment import Augmentation, AugmentationDraws, apply_on_cpu, apply_on_gpu
from strongreid.errors import InputError
from strongreid.pixels import IMAGENET, Normalisation

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def random_images(count: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3, *size), dtype=np.uint8)
    return torch.from_numpy(pixels)


def augmented_by_reference(pixels: torch.Tensor, draws: AugmentationDraws, row: int, how: Augmentation) -> torch.Tensor:
    """One image through the reference's own chain of Pillow and torchvision, with the draws given."""
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    height, width = pixels.shape[1:]
    if draws.flip[row]:
        image = reference.hflip(image)
    image = transforms.Pad(how.padding)(image)
    image = reference.crop(image, int(draws.top[row]), int(draws.left[row]), height, width)
    result = reference.normalize(reference.to_tensor(image), MEAN, STD)
    top, left, box_height, box_width = draws.erase[row].tolist()
    if box_height:
        for channel, value in enumerate(MEAN if how.erase_fill == "reference" else (0.0, 0.0, 0.0)):
            result[channel, top : top + box_height, left : left + box_width] = value
    return result


@given(
    st.integers(1, 5),
    st.tuples(st.integers(1, 40), st.integers(1, 24)),
    st.integers(0, 12),
    st.sampled_from(["reference", "mean"]),
    st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_with_the_draws_fixed_it_equals_the_reference(
    count: int, size: tuple[int, int], padding: int, fill: str, seed: int
) -> None:
    how = Augmentation(padding=padding, erase_fill=fill)
    images = random_images(count, size, seed)
    draws = how.draw(count, size, seed=seed, epoch=1, step=2)
    result = how.apply(images, draws)
    assert result.dtype == torch.float32
    assert result.shape == images.shape
    for row in range(count):
        torch.testing.assert_close(result[row], augmented_by_reference(images[row], draws, row, how), rtol=0, atol=1e-6)


def test_every_flip_and_crop_offset_gives_the_reference_s_bytes() -> None:
    size, padding = (6, 4), 2
    cases = list(itertools.product((False, True), range(2 * padding + 1), range(2 * padding + 1)))
    images = random_images(len(cases), size)
    flip, top, left = (torch.tensor(column) for column in zip(*cases, strict=True))
    draws = AugmentationDraws(flip, top, left, torch.zeros(len(cases), 4, dtype=torch.int64))
    how = Augmentation(padding=padding)
    result = (how.apply(images, draws) * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)) * 255
    assert (result - result.round()).abs().max() < 1e-3
    for row in range(len(cases)):
        image = Image.fromarray(images[row].permute(1, 2, 0).numpy())
        image = reference.hflip(image) if draws.flip[row] else image
        image = reference.crop(transforms.Pad(padding)(image), int(draws.top[row]), int(draws.left[row]), *size)
        expected = np.asarray(image).transpose(2, 0, 1)
        assert np.array_equal(result[row].round().to(torch.uint8).numpy(), expected)


@given(st.integers(0, 5), st.tuples(st.integers(1, 30), st.integers(1, 20)), st.integers(0, 25), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_the_way_of_a_gpu_gives_the_same_bits(count: int, size: tuple[int, int], padding: int, seed: int) -> None:
    how = Augmentation(padding=padding)
    images = random_images(count, size, seed)
    draws = how.draw(count, size, seed=seed, epoch=0, step=0)
    fill = torch.tensor(MEAN).view(3, 1, 1)
    for normalisation in (IMAGENET, Normalisation((0.5, 0.4, 0.3), (1.0, 0.5, 0.25))):
        on_gpu = apply_on_gpu(images, draws, padding, fill, None, normalisation)
        assert torch.equal(on_gpu, apply_on_cpu(images, draws, padding, fill, None, normalisation))


def test_another_normalisation_changes_what_pixels_become_and_nothing_else() -> None:
    how, images = Augmentation(), random_images(6, (32, 16))
    draws = how.draw(6, (32, 16), seed=3, epoch=0, step=0)
    mean, std = (0.5, 0.4, 0.3), (1.0, 0.5, 0.25)
    usual, other = how.apply(images, draws), how.apply(images, draws, normalisation=Normalisation(mean, std))
    columns = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD, mean, std))
    old_mean, old_std, new_mean, new_std = columns
    erased = (usual == torch.tensor(MEAN).view(3, 1, 1)).all(1, keepdim=True)
    assert 0 < erased.float().mean() < 1
    expected = torch.where(erased, usual, (usual * old_std + old_mean - new_mean) / new_std)
    torch.testing.assert_close(other, expected, rtol=0, atol=2e-6)


def test_a_batch_s_memory_can_be_used_again() -> None:
    how = Augmentation()
    out = torch.full((4, 3, 32, 16), torch.nan)
    for step in range(3):
        images = random_images(4, (32, 16), step)
        draws = how.draw(4, (32, 16), seed=0, epoch=0, step=step)
        assert how.apply(images, draws, out).data_ptr() == out.data_ptr()
        assert torch.equal(out, how.apply(images, draws))


def test_padding_is_black_before_normalising_not_zero_after() -> None:
    draws = AugmentationDraws(
        torch.tensor([False]), torch.tensor([0]), torch.tensor([0]), torch.zeros(1, 4, dtype=torch.int64)
    )
    result = Augmentation(padding=3).apply(random_images(1, (8, 8)), draws)
    black = -torch.tensor(MEAN) / torch.tensor(STD)
    torch.testing.assert_close(result[0, :, 0, 0], black)


def test_images_are_left_as_they_were() -> None:
    images = random_images(4, (16, 8))
    before = images.clone()
    how = Augmentation()
    how.apply(images, how.draw(4, (16, 8), seed=0, epoch=0, step=0))
    assert torch.equal(images, before)


def test_draws_are_a_pure_function_of_seed_epoch_and_step() -> None:
    how = Augmentation()

    def drawn(seed: int, epoch: int, step: int) -> bytes:
        draws = how.draw(8, (256, 128), seed=seed, epoch=epoch, step=step)
        return b"".join(part.numpy().tobytes() for part in (draws.flip, draws.top, draws.left, draws.erase))

    # Neighbouring steps and epochs as well as large numbers must not share draws.
    keys = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (2**63, 0, 0), (0, 0, 2**63), (0, 2**63, 0)]
    assert len({drawn(*key) for key in keys}) == len(keys)
    assert all(drawn(*key) == drawn(*key) for key in keys)


@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_a_process_applies_its_share_of_the_global_draws(count: int, start: int, stop: int) -> None:
    how = Augmentation(padding=4)
    images = random_images(count, (24, 12))
    draws = how.draw(count, (24, 12), seed=1, epoch=2, step=3)
    share = slice(start % count, start % count + 1 + stop)
    assert len(draws[share]) == len(images[share])
    assert torch.equal(how.apply(images[share], draws[share]), how.apply(images, draws)[share])


@pytest.fixture(scope="module")
def many() -> AugmentationDraws:
    """40,000 draws for 256 x 128: 200 steps of 200 images."""
    steps = [Augmentation().draw(200, (256, 128), seed=5, epoch=1, step=step) for step in range(200)]
    return AugmentationDraws(
        *(torch.cat([getattr(step, part.name) for step in steps]) for part in dataclasses.fields(AugmentationDraws))
    )


def within(observed: float, probability: float, count: int) -> bool:
    """Whether a share observed in `count` trials lies within 5 standard deviations of its probability."""
    return abs(observed - probability) < 5 * (probability * (1 - probability) / count) ** 0.5


def test_half_of_the_images_are_flipped_and_half_erased_independently(many: AugmentationDraws) -> None:
    flip, erase = many.flip.numpy(), many.erase[:, 2].numpy() > 0
    assert within(flip.mean(), 0.5, len(flip))
    assert within(erase.mean(), 0.5, len(erase))
    assert within((flip & erase).mean(), 0.25, len(erase))


def test_crop_offsets_are_uniform_and_both_ends_occur(many: AugmentationDraws) -> None:
    for offset in (many.top.numpy(), many.left.numpy()):
        counts = np.bincount(offset, minlength=21)
        assert len(counts) == 21
        assert all(within(count / len(offset), 1 / 21, len(offset)) for count in counts)
    assert abs(np.corrcoef(many.top.numpy(), many.left.numpy())[0, 1]) < 0.03


def erased_by_the_reference(count: int, height: int, width: int) -> np.ndarray:
    """Boxes of the reference's loop, written plainly: one image after another, up to 100 tries each."""
    rng = np.random.default_rng(11)
    boxes = []
    for _ in range(count):
        for _ in range(100):
            area = rng.uniform(0.02, 0.4) * height * width
            aspect = rng.uniform(0.3, 1 / 0.3)
            box_height, box_width = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if box_width < width and box_height < height:
                top = rng.integers(0, height - box_height, endpoint=True)
                left = rng.integers(0, width - box_width, endpoint=True)
                boxes.append((top, left, box_height, box_width))
                break
    return np.array(boxes)


def test_erased_boxes_have_the_reference_s_distribution(many: AugmentationDraws) -> None:
    boxes = many.erase.numpy()
    boxes = boxes[boxes[:, 2] > 0]
    expected = erased_by_the_reference(20_000, 256, 128)

    def features(of: np.ndarray) -> dict[str, np.ndarray]:
        top, left, height, width = of.T.astype(float)
        return {
            "area": height * width / (256 * 128),
            "log aspect": np.log(height / width),
            "top": top,
            "left": left,
            "room above": top / (256 - height),
            "room left": left / (128 - width),
        }

    for name, column in features(boxes).items():
        other = np.sort(features(expected)[name])
        grid = np.sort(np.concatenate((column, other)))
        ours = np.searchsorted(np.sort(column), grid, side="right") / len(column)
        theirs = np.searchsorted(other, grid, side="right") / len(other)
        # Kolmogorov-Smirnov: 0.02 is beyond the 0.1 % level for 20,000 against 20,000.
        assert np.abs(ours - theirs).max() < 0.02, name


def test_erased_boxes_lie_inside_and_reach_both_ends(many: AugmentationDraws) -> None:
    boxes = many.erase.numpy()
    top, left, height, width = boxes[boxes[:, 2] > 0].T
    assert (height < 256).all()
    assert (width < 128).all()
    assert (width > 0).all()
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height).max() == 256
    assert (left + width).max() == 128
    assert top.min() == left.min() == 0
    share = height * width / (256 * 128)
    assert share.min() > 0.0185  # sides are rounded
    assert share.max() < 0.406


def by_the_reference_s_chain(pixels: torch.Tensor, count: int, padding: int) -> torch.Tensor:
    """`count` augmented copies of one image [3, H, W]: torchvision's random transforms, then the reference's box."""
    height, width = pixels.shape[1:]
    chain = transforms.Compose(
        [
            transforms.RandomHorizontalFlip(0.5),
            transforms.Pad(padding),
            transforms.RandomCrop((height, width)),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    boxes = erased_by_the_reference(count, height, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        copies = torch.stack([chain(image) for _ in range(count)])
        erased = torch.rand(count) < 0.5
    for row, (top, left, box_height, box_width) in zip(erased.nonzero()[:, 0].tolist(), boxes, strict=False):
        copies[row, :, top : top + box_height, left : left + box_width] = torch.tensor(MEAN).view(3, 1, 1)
    return copies


def test_whole_batches_have_the_distribution_of_the_reference_s_chain() -> None:
    size, count, padding = (24, 12), 4000, 3  # little padding, so that where a pixel comes from still shows
    pixels = random_images(1, size)[0]
    pixels[:, :, : size[1] // 2] //= 4  # dark on the left, so that a flip shows
    how = Augmentation(padding=padding)
    steps = [how.draw(100, size, seed=3, epoch=1, step=step) for step in range(count // 100)]
    ours = torch.cat([how.apply(pixels.expand(100, -1, -1, -1).contiguous(), draws) for draws in steps]).double()
    theirs = by_the_reference_s_chain(pixels, count, padding).double()
    fill = torch.tensor(MEAN).view(3, 1, 1)
    statistics = {
        "mean": lambda batch: batch,
        "square": lambda batch: batch**2,
        "with the pixel beside": lambda batch: batch[..., 1:] * batch[..., :-1],
        "with the pixel below": lambda batch: batch[:, :, 1:] * batch[:, :, :-1],
        "filled": lambda batch: (batch.float() == fill).all(1).double(),
        "black": lambda batch: (batch < -1.7).all(1).double(),
    }
    for name, statistic in statistics.items():
        one, other = statistic(ours), statistic(theirs)
        deviation = ((one.var(0) + other.var(0)) / count).sqrt()
        # Among these few thousand means the largest difference by chance is about 4 standard deviations.
        assert ((one.mean(0) - other.mean(0)).abs() <= 5.5 * deviation).all(), name


def test_probability_zero_and_one_mean_never_and_always() -> None:
    never = Augmentation(flip_probability=0, erase_probability=0, padding=0)
    draws = never.draw(500, (64, 32), seed=0, epoch=0, step=0)
    assert not draws.flip.any()
    assert not draws.erase.any()
    assert not draws.top.any()
    always = Augmentation(flip_probability=1, erase_probability=1)
    draws = always.draw(500, (64, 32), seed=0, epoch=0, step=0)
    assert draws.flip.all()
    assert (draws.erase[:, 2] > 0).all()


def test_an_image_that_no_box_fits_stays_whole() -> None:
    draws = Augmentation(erase_probability=1).draw(50, (1, 1), seed=0, epoch=0, step=0)
    assert not draws.erase[:, 2:].any()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flip_probability", 1.1),
        ("flip_probability", float("nan")),
        ("erase_probability", -0.1),
        ("padding", -1),
        ("erase_fill", "black"),
        ("erase_area", (0.0, 0.4)),
        ("erase_area", (0.5, 0.4)),
        ("erase_area", (0.5, 1.4)),
        ("erase_aspect", (0.0, 2.0)),
    ],
)
def test_impossible_settings_name_the_field(field: str, value: object) -> None:
    with pytest.raises(InputError, match=f"`{field}`"):
        Augmentation(**{field: value})


def test_images_of_another_type_or_number_are_refused() -> None:
    how = Augmentation()
    draws = how.draw(2, (8, 8), seed=0, epoch=0, step=0)
    with pytest.raises(InputError, match="uint8"):
        how.apply(torch.zeros(2, 3, 8, 8), draws)
    with pytest.raises(InputError, match="2 draws"):
        how.apply(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), draws)
