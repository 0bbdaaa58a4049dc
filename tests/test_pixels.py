import pytest
import torch

from strongreid.pixels import CACHED_IMAGES, IMAGENET_MEAN, IMAGENET_STD, normalise

EVERY_VALUE = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2 * CACHED_IMAGES + 1, 3, 16, 16)


def by_the_reference(images: torch.Tensor) -> torch.Tensor:
    """Dividing, subtracting and dividing, in float32, as the paper's code does."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (images.float() / 255 - mean) / std


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_value_is_normalised_as_by_the_reference(layout: torch.memory_format) -> None:
    images = EVERY_VALUE.contiguous(memory_format=layout)
    result = normalise(images)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=layout)
    torch.testing.assert_close(result, by_the_reference(images), rtol=0, atol=1e-6)
    exact = images.double() / 255 - torch.tensor(IMAGENET_MEAN, dtype=torch.float64).view(3, 1, 1)
    exact /= torch.tensor(IMAGENET_STD, dtype=torch.float64).view(3, 1, 1)
    torch.testing.assert_close(result.double(), exact, rtol=0, atol=5e-7)


def test_mixed_precision_does_not_touch_it() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = normalise(EVERY_VALUE)
    assert torch.equal(result, normalise(EVERY_VALUE))


@pytest.mark.parametrize("count", [0, 1, CACHED_IMAGES, CACHED_IMAGES + 1])
def test_any_number_of_images_is_normalised_into_memory_that_is_there(count: int) -> None:
    out = torch.full((count, 3, 16, 16), torch.nan)
    assert normalise(EVERY_VALUE[:count], out) is out
    torch.testing.assert_close(out, by_the_reference(EVERY_VALUE[:count]), rtol=0, atol=1e-6)
