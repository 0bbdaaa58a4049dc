"""The graph undoes exactly what its consumer has done to the pixels: no export, only arithmetic."""

import numpy as np
import pytest
import torch

from strongreid.export.graph import ExportGraph, GraphSettings
from strongreid.export.pixels_in import NONE, UNIT, PixelInput
from strongreid.export.proof import drawn_pictures
from strongreid.models import ReIDModel
from tests.export.models import SIZE, lively

OWN = {"mean": (0.5, 0.4, 0.3), "std": (0.5, 0.25, 0.2)}
INPUTS = {
    "inside": PixelInput(),
    "255": PixelInput(255),
    "bgr": PixelInput(1, "bgr"),
    "bgr 255": PixelInput(255, "bgr"),
    "another's": PixelInput(1, "rgb", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": PixelInput(255, "bgr", (123.0, 117.0, 104.0), UNIT),
    "own": PixelInput(1, "rgb", OWN["mean"], OWN["std"]),
}


@pytest.fixture(scope="module")
def model() -> ReIDModel:
    return lively(**OWN)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("l2", [False, True])
@pytest.mark.parametrize("feature", ["pooled", "necked"])
def test_any_way_of_feeding_gives_the_model_s_features(model: ReIDModel, name: str, l2: bool, feature: str) -> None:
    pictures = drawn_pictures(SIZE, 3)
    model.feature = feature  # type: ignore[assignment]
    expected = model.embed(torch.from_numpy(pictures)).double()
    if l2:
        expected /= expected.norm(dim=1, keepdim=True)
    graph = ExportGraph(model, GraphSettings(INPUTS[name], None, l2))
    with torch.no_grad():
        found = graph(torch.from_numpy(INPUTS[name].feed(pictures))).double()
    assert (found - expected).abs().max() <= 1e-5 * expected.square().mean().sqrt()
    assert graph.plain == (name == "own")


def test_wrong_feeding_is_far_off(model: ReIDModel) -> None:
    pictures = drawn_pictures(SIZE, 3)
    expected = model.embed(torch.from_numpy(pictures))
    for made, fed in (("bgr", "inside"), ("255", "inside"), ("another's", "own"), ("inside", "own")):
        with torch.no_grad():
            found = ExportGraph(model, GraphSettings(INPUTS[made], None, False))(
                torch.from_numpy(INPUTS[fed].feed(pictures))
            )
        assert (found - expected).abs().max() > 1e-2 * expected.square().mean().sqrt()


def test_float16_is_the_backbone_s_alone_and_the_model_stays_as_it_is(model: ReIDModel) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    graph = ExportGraph(model, GraphSettings(PixelInput(), None, False, "float16"))
    kinds = {value.dtype for value in graph.model.backbone.parameters()}
    assert kinds == {torch.float16}
    assert {value.dtype for value in graph.model.neck.parameters()} == {torch.float32}
    found = graph(torch.from_numpy(PixelInput().feed(drawn_pictures(SIZE, 2))))
    assert found.dtype == torch.float32
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_nothing_about_the_people_trained_on_is_exported(model: ReIDModel) -> None:
    graph = ExportGraph(model, GraphSettings(PixelInput(), None, False))
    assert model.classifier.weight.shape[0] == 5
    assert not any(value.shape == model.classifier.weight.shape for value in graph.parameters())


def test_what_changes_nothing_is_the_neutral_input() -> None:
    assert not PixelInput(1, "rgb", NONE, UNIT).normalised
    assert np.array_equal(PixelInput(255).feed(np.full((1, 3, 1, 1), 7, np.uint8)), np.full((1, 3, 1, 1), 7.0))
