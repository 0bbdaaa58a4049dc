"""Going on from a model: all of it but the classifier, and nothing but what the settings say."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from strongreid.errors import InputError
from strongreid.models import Calibrated, ReIDModel, load_foreign
from strongreid.models.going_on import go_on_from, made_with

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
import check  # noqa: E402

sys.path.remove(str(GOLDEN))


def saved(folder: Path, **arguments: Any) -> tuple[ReIDModel, Path]:
    torch.manual_seed(1)
    model = ReIDModel(**{"backbone": "resnet10_small", "people": 7, "image_size": (64, 32), **arguments})
    model.calibrated = Calibrated(0.3, 0.01, 0.9, "own")
    model.save(folder / "model.safetensors")
    return model, folder


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"neck": "none", "feature": "pooled", "metric": "euclidean"},
        {"neck": "none", "feature": "necked"},
        {"pooling": "gem", "last_stride": 2, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.4, 0.3)},
    ],
)
def test_all_but_the_classifier_is_taken(tmp_path: Path, arguments: dict[str, Any]) -> None:
    model, source = saved(tmp_path, **arguments)
    for place in (source, source / "model.safetensors"):
        found = go_on_from(place, 4, 2, made_with(source))
        own, new = model.state_dict(), found.state_dict()
        assert [name for name in own if not name.startswith("classifier.") and not own[name].equal(new[name])] == []
        assert found.classifier.weight.shape == (4, model.width)
        assert found.classifier.weight.std() > 0
        feature = "pooled" if model.arguments.get("neck") == "none" else "necked"
        assert found.arguments == {**model.arguments, "people": 4, "feature": feature}
        images = torch.randint(0, 256, (3, 3, 64, 32), dtype=torch.uint8, generator=torch.manual_seed(2))
        assert torch.equal(found.eval().embed(images), model.eval().embed(images))
        found.train()
        assert found.calibrated is None, "the old threshold is not the new model's"
        assert found.normalisation == model.normalisation


def test_a_camera_embedding_starts_as_what_unknown_cameras_had(tmp_path: Path) -> None:
    arguments = {"backbone": "vit_tiny_patch16_224", "cameras": 3, "image_size": (32, 32), "last_stride": 2}
    model, source = saved(tmp_path, **arguments)
    found = go_on_from(source, 2, 5, made_with(source))
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.manual_seed(0))
    expected = model.eval().embed(images)
    for camera in ([0, 1, 2, 4], [-1, -1, 3, 3]):
        torch.testing.assert_close(found.eval().embed(images, camera=camera), expected, rtol=1e-4, atol=1e-4)
    assert found.arguments["cameras"] == 5


def test_a_converted_model_is_gone_on_from(tmp_path: Path) -> None:
    converted = load_foreign(check.state_dict(check.read_layout(GOLDEN / "torchreid_osnet_x0_25")))
    converted.save(tmp_path / "osnet.safetensors")
    found = go_on_from(tmp_path / "osnet.safetensors", 3, 1, made_with(tmp_path / "osnet.safetensors"))
    images = torch.randint(0, 256, (2, 3, 64, 32), dtype=torch.uint8, generator=torch.manual_seed(0))
    assert torch.equal(found.eval().embed(images), converted.eval().embed(images))
    assert all(parameter.requires_grad for parameter in found.backbone.parameters())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", (128, 64)),
        ("backbone", "resnet50"),
        ("neck", "none"),
        ("metric", "euclidean"),
        ("mean", (0, 0, 0)),
    ],
)
def test_other_settings_than_the_models_are_refused_by_name(tmp_path: Path, name: str, value: Any) -> None:
    _, source = saved(tmp_path)
    with pytest.raises(InputError, match=f"`{name}` is .*has .*finetune"):
        go_on_from(source, 2, 1, {**made_with(source), name: value})
    go_on_from(source, 2, 1, {**made_with(source), "mean": None, "std": None})
