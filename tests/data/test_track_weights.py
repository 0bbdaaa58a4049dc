import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from strongreid.data import ImageTable, PackedImages, packed_weights
from strongreid.data.track_weights import LEAST, sharpness, track_weights


def laplacian_variance(image: np.ndarray) -> float:  # type: ignore[type-arg]
    """By loops in float64."""
    _, height, width = image.shape
    red, green, blue = image.astype(np.float64)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    values = [
        grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1] - 4 * grey[y, x]
        for y in range(1, height - 1)
        for x in range(1, width - 1)
    ]
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(3, 9), width=st.integers(3, 7), count=st.integers(1, 4))
def test_sharpness_is_the_variance_of_the_laplacian(seed: int, height: int, width: int, count: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (count, 3, height, width)).astype(np.uint8)
    np.testing.assert_allclose(sharpness(images), [laplacian_variance(image) for image in images], rtol=1e-4)


def test_blur_lowers_sharpness_and_tiny_or_flat_images_have_none() -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (64, 32, 3)).astype(np.uint8))
    blurred = [picture.filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 1, 2, 4)]
    found = sharpness(np.stack([np.asarray(one).transpose(2, 0, 1) for one in blurred]))
    assert (np.diff(found) < 0).all()
    assert sharpness(np.full((2, 3, 8, 8), 200, dtype=np.uint8)).tolist() == [0, 0]
    assert sharpness(np.zeros((2, 3, 2, 8), dtype=np.uint8)).tolist() == [0, 0]
    assert sharpness(np.zeros((0, 3, 8, 8), dtype=np.uint8)).tolist() == []


def test_weights_are_size_times_sharpness_times_confidence() -> None:
    nobody = np.zeros(4, dtype=np.int64)
    table = ImageTable(
        ("a", "b", "c", "d"),
        nobody,
        nobody,
        box=np.array([[0, 0, 16, 32], [0, 0, 8, 16], [0, 0, 64, 99], [0, 0, 1, 1]]),
        track=nobody,
        confidence=np.array([0.5, 1.0, 3.0, 0.0]),
    )
    found = track_weights(table, np.array([100.0, 300.0, 1e9, 5.0]), (32, 16))
    assert found.tolist() == pytest.approx([0.5 * 0.5, 0.75 * 0.5, 1, LEAST])
    plain = ImageTable(("a",), nobody[:1], nobody[:1], track=nobody[:1])
    assert track_weights(plain, np.array([100.0]), (32, 16)).tolist() == [0.5]


def test_packed_images_are_weighed_batch_by_batch() -> None:
    import torch

    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (150, 3, 8, 4)).astype(np.uint8))
    nobody = np.zeros(150, dtype=np.int64)
    names = tuple(map(str, range(150)))
    assert packed_weights(ImageTable(names, nobody, nobody), PackedImages(pixels)) is None
    table = ImageTable(names, nobody, nobody, track=nobody)
    expected = track_weights(table, sharpness(pixels.numpy()), (8, 4))
    assert np.array_equal(packed_weights(table, PackedImages(pixels)), expected)  # type: ignore[arg-type]
