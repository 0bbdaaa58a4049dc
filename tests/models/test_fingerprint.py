"""A model's fingerprint: the same as long as its features are, and another as soon as they may differ."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from strongreid.models import Calibrated, ReIDModel, write_calibrated
from strongreid.models.fingerprint import model_fingerprint


def made(people: int = 2, **more: object) -> ReIDModel:
    torch.manual_seed(5)
    return ReIDModel(backbone="resnet10_small", people=people, image_size=(64, 32), **more)  # type: ignore[arg-type]


def test_it_survives_what_changes_no_feature(tmp_path: Path) -> None:
    model = made()
    before = model_fingerprint(model)
    with torch.no_grad():
        model.classifier.weight.fill_(7)
    model.metric = "euclidean"
    model.save(tmp_path / "model.safetensors", {"note": "anything"})
    write_calibrated(tmp_path / "model.safetensors", Calibrated(0.5, 0.01, 0.9, "drawn"))
    assert model_fingerprint(ReIDModel.load(tmp_path / "model.safetensors")) == before
    assert model_fingerprint(made(people=9)) == before
    assert model_fingerprint(made(metric="euclidean")) == before


def change_one_bit(model: ReIDModel) -> ReIDModel:
    weight = next(model.backbone.parameters()).data.view(torch.int32)
    weight.view(-1)[3] ^= 1
    return model


def change_statistics(model: ReIDModel) -> ReIDModel:
    model.neck.running_mean[0] += 1e-3  # type: ignore[index, operator]
    return model


def use_pooled(model: ReIDModel) -> ReIDModel:
    model.feature = "pooled"
    return model


OTHERS: dict[str, Callable[[], ReIDModel]] = {
    "a bit": lambda: change_one_bit(made()),
    "statistics": lambda: change_statistics(made()),
    "feature": lambda: use_pooled(made()),
    "mean": lambda: made(mean=(0.5, 0.5, 0.5)),
    "stride": lambda: made(last_stride=2),
    "interpolation": lambda: made(interpolation="bicubic"),
    "unit length": lambda: made(unit_length=True),
    "pooling": lambda: made(pooling="max_average"),
    "neck": lambda: made(neck="none"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_it_changes_with_whatever_may_change_a_feature(other: Callable[[], ReIDModel]) -> None:
    assert model_fingerprint(other()) != model_fingerprint(made())
