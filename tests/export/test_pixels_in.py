"""How pixels reach a network: by a plain loop, and there and back through a file's metadata."""

import json
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.export.pixels_in import PixelInput

numbers = st.floats(-300, 300, allow_nan=False)
above_0 = st.floats(0.01, 300)
inputs = st.builds(
    PixelInput,
    st.sampled_from([1, 255]),
    st.sampled_from(["rgb", "bgr"]),
    st.tuples(numbers, numbers, numbers),
    st.tuples(above_0, above_0, above_0),
)


@given(pixels_in=inputs, seed=st.integers(0, 99))
def test_every_value_is_scaled_shifted_and_in_its_place(pixels_in: PixelInput, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 3, 2, 3), dtype=np.uint8)
    fed = pixels_in.feed(pixels)
    assert fed.dtype == np.float32
    for image, colour, y, x in np.ndindex(*pixels.shape):
        value = int(pixels[image, colour, y, x]) / 255 * pixels_in.top
        expected = (value - pixels_in.mean[colour]) / pixels_in.std[colour]
        place = colour if pixels_in.order == "rgb" else 2 - colour
        assert fed[image, place, y, x] == pytest.approx(expected, rel=1e-5, abs=1e-5)


@given(pixels_in=inputs)
def test_metadata_says_exactly_what_it_was(pixels_in: PixelInput) -> None:
    assert PixelInput.parse(pixels_in.text()) == pixels_in


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        *(
            json.dumps({"top": 1, "order": "rgb", "mean": [0, 0, 0], "std": [1, 1, 1], **wrong})
            for wrong in (
                {"top": 2},
                {"order": "gbr"},
                {"mean": [0, 0]},
                {"std": [1, 0, 1]},
                {"std": [1, -1, 1]},
                {"mean": ["a", 0, 0]},
                {"mean": None},
            )
        ),
        '{"top": 1, "order": "rgb", "mean": [NaN, 0, 0], "std": [1, 1, 1]}',
    ],
)
def test_damaged_metadata_is_refused(damaged: str) -> None:
    with pytest.raises(InputError):
        PixelInput.parse(damaged)


@pytest.mark.parametrize("top", [1, 255])
def test_it_says_itself_in_words(top: Literal[1, 255]) -> None:
    assert PixelInput(top).words() == f"RGB, values 0 to {top}"
    assert "minus [0.5, 0.5, 0.5]" in PixelInput(top, mean=(0.5, 0.5, 0.5)).words()
