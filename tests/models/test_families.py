"""What every family of backbones must do, from random weights: map, gradients, file, memory order."""

import pytest
import torch
from torch import nn

from strongreid.errors import InputError
from strongreid.models import ReIDModel
from strongreid.models.backbones import create_backbone

FAMILIES = {
    "resnet10_small": 32,
    "resnet18": 32,
    "legacy_seresnet18": 32,
    "resnet18_ibn_a": 32,
    "resnet50_ibn_a": 32,
    "osnet_x0_25": 16,
    "osnet_ibn_x0_25": 16,
    "osnet_ain_x0_25": 16,
    "osnet_x0_25_fc512": None,
    "mobilenetv2_050": 32,
    "mobilenetv3_small_050": 32,
    "mobilenetv4_conv_small_050": 32,
    "tf_efficientnet_lite0": 32,
    "tf_efficientnetv2_b0": 32,
    "convnext_atto": 32,
    "vit_tiny_patch16_224": None,
    "deit_tiny_patch16_224": None,
    "vit_small_patch14_reg4_dinov2": None,
    "swin_tiny_patch4_window7_224": 32,
}
"""Pixels a cell of the map at last stride 2, by a small network of each family; None: features or a token, no map."""
NO_RULE = (
    "vit_tiny_patch16_224",
    "deit_tiny_patch16_224",
    "vit_small_patch14_reg4_dinov2",
    "swin_tiny_patch4_window7_224",
)
"""Those whose last stride cannot be 1."""


def model_of(name, *, size=(64, 32), **changes):
    torch.manual_seed(0)
    return ReIDModel(**{"backbone": name, "people": 4, "image_size": size, "last_stride": 2, **changes})


def pictures(count, size=(64, 32)):
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=torch.manual_seed(1))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_map_has_the_size_that_the_stride_says_and_last_stride_1_doubles_it(name):
    stride = FAMILIES[name]
    for height, width in ((64, 32), (128, 96)):
        model = model_of(name, size=(height, width)).eval()
        with torch.no_grad():
            found = model.feature_map(torch.randn(2, 3, height, width))
        assert found.shape[:2] == (2, model.width)
        assert found.isfinite().all()
        assert found.shape[2:] == ((height // stride, width // stride) if stride else (1, 1))
    if stride is None or name in NO_RULE:
        with pytest.raises(InputError, match="is not known" if name in NO_RULE else "does not double the map"):
            model_of(name, last_stride=1)
        return
    double = model_of(name, last_stride=1).eval()
    assert double.feature_map(torch.randn(1, 3, 128, 96)).shape[2:] == (2 * 128 // stride, 2 * 96 // stride)
    assert list(double.state_dict()) == list(model.state_dict())


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_reach_every_parameter(name):
    model = model_of(name).train()
    features = model(torch.randn(8, 3, 64, 32, generator=torch.manual_seed(2)))
    loss = nn.functional.cross_entropy(features.logits * 100, torch.arange(8) % 4) + features.pooled.square().mean()
    loss.backward()
    dead = [key for key, value in model.named_parameters() if value.requires_grad and not value.grad.any()]
    assert not dead
    assert all(value.grad.isfinite().all() for value in model.parameters() if value.requires_grad)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_comes_back_from_its_file_and_from_its_backbones_weights(name, tmp_path):
    model = model_of(name).train()
    model(torch.randn(8, 3, 64, 32))  # BatchNorm has seen something
    file = tmp_path / "model.safetensors"
    model.save(file)
    images = pictures(5)
    expected = model.embed(images)
    assert (ReIDModel.load(file).embed(images) - expected).abs().max() <= 1e-6 * expected.square().mean().sqrt()
    other = model_of(name, weights=file, people=9)
    assert all(
        torch.equal(value, model.backbone.state_dict()[key]) for key, value in other.backbone.state_dict().items()
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_channels_last_gives_the_same_features(name):
    model = model_of(name).eval()
    images = torch.randn(3, 3, 64, 32, generator=torch.manual_seed(3))
    with torch.no_grad():
        plain = model(images).pooled
        turned = model.to(memory_format=torch.channels_last)(
            images.contiguous(memory_format=torch.channels_last)
        ).pooled
    rms = plain.square().mean().sqrt()
    assert (turned - plain).abs().max() <= 1e-4 * rms


def test_names_of_ours_are_offered_where_one_is_misspelt():
    for wrong, meant in (("osnet_x1.0", "osnet_x1_0"), ("osnet_ain_x2_0", "osnet_ain_x1_0")):
        with pytest.raises(InputError, match=f"Did you mean .*{meant}"):
            create_backbone(wrong, image_size=(64, 32), last_stride=2, stem_relu=True, weights=None)
