"""Detections in a frame: crops by plain loops, both names, BGR, hostile boxes; and Norfair's distance."""

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strongreid.detections import crop_boxes, norfair_distance
from strongreid.errors import InputError
from strongreid.models import ReIDModel

FRAME = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
side = st.floats(-1e3, 1e3) | st.sampled_from([0.0, 30.0, 40.0, 0.5, -0.5, 1e30, -1e30])


@pytest.fixture(scope="module")
def model() -> ReIDModel:
    return ReIDModel(backbone="resnet10_small", people=3, image_size=(32, 16)).eval()


@given(box=st.tuples(side, side, side, side))
def test_a_crop_is_the_pixels_inside_the_box_red_first(box: tuple[float, float, float, float]) -> None:
    (crop,) = crop_boxes([box], FRAME)
    left, top, right, bottom = (np.round(value) for value in box)
    rows = [y for y in range(40) if top <= y < bottom]
    columns = [x for x in range(30) if left <= x < right]
    if not rows or not columns:
        assert crop is None
        return
    assert crop is not None
    assert crop.shape == (len(rows), len(columns), 3)
    for j, y in enumerate(rows):
        for i, x in enumerate(columns):
            blue, green, red = FRAME[y, x].tolist()
            assert crop[j, i].tolist() == [red, green, blue]


def test_features_are_those_of_the_crops_in_their_order(model: ReIDModel) -> None:
    boxes = np.array([[0, 0, 16, 32], [5, 3, 21, 35], [-9, -9, 16, 40.4], [29.6, 0, 50, 40]], dtype=np.float32)
    crops = [(0, 32, 0, 16), (3, 35, 5, 21), (0, 40, 0, 16)]
    with pytest.warns(UserWarning, match="1 of 4 boxes have nothing of the frame in them, the first is number 3"):
        found = model.extract_embeddings(SimpleNamespace(xyxy=boxes), FRAME)
    assert found.dtype == np.float32
    assert not found[3].any()
    for row, (top, bottom, left, right) in enumerate(crops):
        rgb = torch.from_numpy(FRAME[top:bottom, left:right, ::-1].transpose(2, 0, 1).copy())[None]
        assert np.abs(found[row] - model.embed(rgb).numpy()[0]).max() < 1e-5
    again = model.extract_features(torch.from_numpy(boxes[:3]), FRAME)
    assert np.abs(found[:3] - again).max() < 1e-5


@pytest.mark.parametrize("empty", [[], np.empty((0, 4)), SimpleNamespace(xyxy=np.empty((0, 4), dtype=np.float32))])
def test_no_detections_are_no_rows_and_no_warning(model: ReIDModel, empty: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.extract_embeddings(empty, FRAME).shape == (0, model.width)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_border_that_is_no_number_is_a_row_of_zeros(model: ReIDModel, broken: float) -> None:
    with pytest.warns(UserWarning, match="1 of 2 boxes"):
        found = model.extract_embeddings([[0, 0, broken, 9], [0, 0, 9, 9]], FRAME)
    assert not found[0].any()
    assert found[1].any()


@pytest.mark.parametrize("boxes", [[[1, 2, 3]], [1, 2, 3, 4], [[["a"] * 4]], "boxes", [["a", 1, 2, 3]], None, 5])
def test_other_boxes_are_refused(model: ReIDModel, boxes: Any) -> None:
    with pytest.raises(InputError, match=r"\[N, 4\]"):
        model.extract_embeddings(boxes, FRAME)


@pytest.mark.parametrize(
    "frame", [FRAME.astype(np.float32), FRAME[0], np.zeros((4, 4, 4), np.uint8), "frame.jpg", torch.zeros(3, 4, 4)]
)
def test_other_frames_are_refused(model: ReIDModel, frame: Any) -> None:
    with pytest.raises(InputError, match="blue, green, red"):
        model.extract_embeddings([[0, 0, 4, 4]], frame)


def seen(embedding: Any) -> Any:
    return SimpleNamespace(last_detection=SimpleNamespace(embedding=embedding))


def test_norfair_s_distance_is_the_cosine_distance() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        one, other = rng.normal(size=(2, 7)).astype(np.float32)
        dot = sum(float(a) * float(b) for a, b in zip(one, other, strict=True))
        lengths = sum(float(a) ** 2 for a in one) ** 0.5 * sum(float(b) ** 2 for b in other) ** 0.5
        assert norfair_distance(seen(one), seen(other)) == pytest.approx(1 - dot / lengths)
    assert norfair_distance(seen(None), seen(one)) == norfair_distance(seen(one), seen(np.zeros(7))) == 2
