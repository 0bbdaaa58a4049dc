"""Colour jitter: what torchvision does to float images, written again by plain loops, and draws that are functions."""

import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as theirs

from strongreid.data.augment import Augmentation
from strongreid.data.colour import NEUTRAL, change_colours, draw_colours, jittered
from strongreid.errors import InputError

JITTER = (0.4, 0.3, 0.5, 0.2)


def pictures(count: int, seed: int) -> torch.Tensor:
    """Random pictures [count, 3, 4, 3] in float64; some pixels are grey, black or white."""
    rng = np.random.default_rng(seed)
    images = rng.random((count, 3, 4, 3))
    images[:, :, 0, 0] = 0
    images[:, :, 0, 1] = 1
    images[:, :, 1] = images[:, :1, 1]
    return torch.from_numpy(images)


def by_plain_loops(image: np.ndarray, brightness: float, contrast: float, saturation: float, hue: float) -> np.ndarray:
    """One image [3, H, W], pixel by pixel."""
    _, height, width = image.shape
    places = [(y, x) for y in range(height) for x in range(width)]
    pixels = {place: [min(max(value * brightness, 0.0), 1.0) for value in image[:, *place]] for place in places}

    def grey(pixel: list[float]) -> float:
        return 0.2989 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]

    mean = sum(grey(pixel) for pixel in pixels.values()) / len(pixels)
    found = np.empty_like(image)
    for place, first in pixels.items():
        pixel = [min(max(contrast * value + (1 - contrast) * mean, 0.0), 1.0) for value in first]
        own = grey(pixel)
        pixel = [min(max(saturation * value + (1 - saturation) * own, 0.0), 1.0) for value in pixel]
        h, s, v = colorsys.rgb_to_hsv(*pixel)
        found[:, *place] = colorsys.hsv_to_rgb((h + hue) % 1, s, v)
    return found


@given(st.integers(1, 4), st.integers(0, 10**6), st.tuples(*[st.floats(0, 1)] * 3, st.floats(0, 0.5)))
@settings(max_examples=60, deadline=None)
def test_colours_change_as_plain_loops_say(count: int, seed: int, jitter: tuple[float, float, float, float]) -> None:
    images, colours = pictures(count, seed), draw_colours(jitter, count, seed=seed, epoch=1, step=2)
    found = change_colours(images, colours).numpy()
    for image, changed, factors in zip(images.numpy(), found, colours.double().tolist(), strict=True):
        np.testing.assert_allclose(changed, by_plain_loops(image, *factors), rtol=0, atol=1e-9)


def test_colours_change_as_torchvision_s() -> None:
    images = pictures(5, 3)
    colours = draw_colours(JITTER, 5, seed=1, epoch=0, step=0)
    for image, changed, factors in zip(images, change_colours(images, colours), colours.tolist(), strict=True):
        brightness, contrast, saturation, hue = factors
        expected = theirs.adjust_contrast(theirs.adjust_brightness(image, brightness), contrast)
        expected = theirs.adjust_hue(theirs.adjust_saturation(expected, saturation), hue)
        torch.testing.assert_close(changed, expected, rtol=0, atol=1e-6)


def test_each_change_alone_leaves_the_others_out_and_images_as_they_were() -> None:
    images = pictures(3, 5)
    before = images.clone()
    for column in range(4):
        colours = torch.tensor([[1.0, 1, 1, 0]] * 3)
        colours[:, column] = torch.tensor([0.3, 0.7, 0.1])
        found = change_colours(images, colours).numpy()
        for image, changed, factors in zip(images.numpy(), found, colours.double().tolist(), strict=True):
            np.testing.assert_allclose(changed, by_plain_loops(image, *factors), rtol=0, atol=1e-7)
    assert torch.equal(images, before)


def test_what_comes_out_is_rounded_to_whole_values() -> None:
    images = torch.randint(0, 256, (4, 3, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    colours = draw_colours(JITTER, 4, seed=0, epoch=0, step=0)
    exact = change_colours(images.double() / 255, colours) * 255
    found = jittered(images, colours)
    assert found.dtype == torch.uint8
    assert (found.double() - exact).abs().max() < 0.501
    unchanged = torch.tensor([[1.0, 1, 1, 0]] * 4)
    assert torch.equal(jittered(images, unchanged), images)


def test_draws_are_functions_of_seed_epoch_and_step_within_their_bounds() -> None:
    keys = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2**63, 0, 0), (0, 2**63, 0)]

    def drawn(seed: int, epoch: int, step: int) -> torch.Tensor:
        return draw_colours(JITTER, 500, seed=seed, epoch=epoch, step=step)

    found = [drawn(*key) for key in keys]
    assert all(torch.equal(drawn(*key), one) for key, one in zip(keys, found, strict=True))
    assert len({one.numpy().tobytes() for one in found}) == len(keys)
    off = (torch.cat(found) - torch.tensor([1.0, 1, 1, 0])).abs()
    assert (off <= torch.tensor(JITTER)).all()
    assert (off.mean(dim=0) / torch.tensor(JITTER) - 0.5).abs().max() < 0.05  # uniform: half of the most, on average


def test_jitter_changes_no_other_draw_and_goes_with_its_share() -> None:
    plain, coloured = Augmentation(), Augmentation(colour_jitter=JITTER)
    first, second = (how.draw(6, (32, 16), seed=4, epoch=2, step=1) for how in (plain, coloured))
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("flip", "top", "left", "erase"))
    assert first.colours is not None
    assert second.colours is not None
    assert torch.equal(first.colours, torch.tensor([NEUTRAL] * 6))
    images = torch.randint(0, 256, (6, 3, 32, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    before = images.clone()
    whole = coloured.apply(images, second)
    assert torch.equal(whole, plain.apply(jittered(images, second.colours), first))
    assert torch.equal(coloured.apply(images[2:5], second[2:5]), whole[2:5])
    assert torch.equal(images, before)


@pytest.mark.parametrize("jitter", [(1.1, 0, 0, 0), (0, -0.1, 0, 0), (0, 0, float("nan"), 0), (0, 0, 0, 0.6)])
def test_impossible_jitter_is_refused(jitter: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="colour_jitter"):
        Augmentation(colour_jitter=jitter)
