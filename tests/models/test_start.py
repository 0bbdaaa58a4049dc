"""What a backbone starts from, and the normalisation that comes with it."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from strongreid.errors import InputError
from strongreid.models import ReIDModel, read_header
from strongreid.models.backbones import create_backbone
from strongreid.pixels import IMAGENET, IMAGENET_MEAN, IMAGENET_STD

HALF = (0.5, 0.5, 0.5)


def model(backbone, **changes):
    torch.manual_seed(0)
    return ReIDModel(**{"backbone": backbone, "people": 3, "image_size": (64, 32), **changes})


def pictures(count):
    return torch.randint(0, 256, (count, 3, 64, 32), dtype=torch.uint8, generator=torch.manual_seed(1))


@pytest.fixture
def lite0(tmp_path, monkeypatch):
    """EfficientNet-Lite0's file, as it lies in the cache: its weights were trained with 0.5."""
    file = tmp_path / "lite0.safetensors"
    save_file(timm.create_model("tf_efficientnet_lite0").state_dict(), file)
    monkeypatch.setattr("strongreid.models.backbones.fetch", lambda name, **kwargs: file)
    return file


def test_random_weights_have_imagenets_whatever_timm_says_of_the_name():
    for name in ("tf_efficientnet_lite0", "resnet10_small"):
        assert model(name).normalisation == IMAGENET


def test_given_weights_bring_the_one_they_were_trained_with(lite0):
    for weights in ("imagenet", lite0):
        normalisation = model("tf_efficientnet_lite0", weights=weights).normalisation
        assert (normalisation.mean, normalisation.std) == (HALF, HALF)
    own = model("tf_efficientnet_lite0", weights=lite0, mean=(0.1, 0.2, 0.3)).normalisation
    assert (own.mean, own.std) == ((0.1, 0.2, 0.3), HALF)


@pytest.mark.parametrize("name", ["resnet50", "resnet18", "legacy_seresnet50", "legacy_seresnext101_32x4d"])
def test_the_papers_networks_have_imagenets(monkeypatch, tmp_path, name):
    state = create_backbone(name, image_size=(64, 32), last_stride=2, stem_relu=True, weights=None).state_dict()
    save_file(state, tmp_path / "weights.safetensors")
    monkeypatch.setattr("strongreid.models.backbones.fetch", lambda name, **kwargs: tmp_path / "weights.safetensors")
    assert model(name, weights="imagenet").normalisation == IMAGENET


def test_embedding_normalises_with_it_and_a_models_file_keeps_it(tmp_path):
    torch.manual_seed(0)
    ours = model("resnet10_small", mean=(0.1, 0.5, 0.9), std=(0.3, 1, 0.25)).eval()
    images = pictures(3)
    scaled = images.double().numpy() / 255
    expected = (scaled - np.array([0.1, 0.5, 0.9]).reshape(3, 1, 1)) / np.array([0.3, 1, 0.25]).reshape(3, 1, 1)
    with torch.no_grad():
        necked = ours(torch.from_numpy(expected).float()).necked
    torch.testing.assert_close(ours.embed(images), necked, rtol=1e-4, atol=1e-5)
    ours.save(tmp_path / "model.safetensors")
    loaded = ReIDModel.load(tmp_path)
    assert loaded.normalisation == ours.normalisation
    assert torch.equal(loaded.embed(images), ours.embed(images))


def test_a_model_of_ours_brings_its_own_and_older_files_imagenets(tmp_path, lite0):
    file = tmp_path / "model.safetensors"
    first = model("tf_efficientnet_lite0", weights=lite0)
    first.save(file)
    second = model("tf_efficientnet_lite0", weights=file, people=7)
    assert second.normalisation == first.normalisation
    assert all(torch.equal(v, first.backbone.state_dict()[k]) for k, v in second.backbone.state_dict().items())
    assert model("tf_efficientnet_lite0", weights=file, std=IMAGENET_STD).normalisation.std == IMAGENET_STD
    mean, std = (f', "{name}": [0.5, 0.5, 0.5]' for name in ("mean", "std"))
    header = read_header(file)["strongreid"]
    older = header.replace(mean, "").replace(std, "")
    assert len(older) == len(header) - len(mean) - len(std)
    save_file(first.state_dict(), file, metadata={"strongreid": older})
    assert model("tf_efficientnet_lite0", weights=file).normalisation == IMAGENET
    assert ReIDModel.load(file).normalisation == IMAGENET


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"std": (0.2, 0, 0.2)}, "`std` is .*above 0"),
        ({"std": (0.2, 0.2, float("nan"))}, "`std` is .*three numbers"),
        ({"mean": (0.2, 0.2)}, "`mean` is .*three numbers"),
        ({"mean": (0.2, float("inf"), 0)}, "`mean` is .*three numbers"),
    ],
)
def test_what_is_no_normalisation_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        model("resnet10_small", **changes)


def test_black_is_a_mean_that_may_be_asked_for():
    assert model("resnet10_small", mean=(0, 0, 0)).normalisation.mean == (0, 0, 0)
    assert model("resnet10_small").normalisation.mean == IMAGENET_MEAN
