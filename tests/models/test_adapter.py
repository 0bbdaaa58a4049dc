"""Whatever a backbone gives becomes a map, and one that wants the camera gets it."""

import pytest
import torch
from torch import nn

from strongreid.errors import InputError
from strongreid.models import ReIDModel
from strongreid.models.adapter import feature_map, probe


class Gives(nn.Module):
    """A backbone that gives a fixed output, with attributes as networks have them."""

    def __init__(self, output, **attributes):
        super().__init__()
        self.output = output
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, images):
        return self.output


IMAGES = torch.zeros(2, 3, 8, 8)


def test_maps_stay_and_are_turned_where_channels_come_last():
    values = torch.randn(2, 5, 4, 3)
    assert feature_map(Gives(values), IMAGES) is values
    turned = feature_map(Gives(values, output_fmt="NHWC"), IMAGES)
    assert turned.shape == (2, 3, 5, 4)
    assert all(
        turned[b, c, y, x] == values[b, y, x, c] for b in range(2) for c in range(3) for y in (0, 4) for x in (1,)
    )


def test_of_tokens_the_class_token_counts_and_without_one_all_do():
    values = torch.randn(2, 7, 5)
    first = feature_map(Gives(values, cls_token=nn.Parameter(torch.zeros(1))), IMAGES)
    assert first.shape == (2, 5, 1, 1)
    assert first[:, :, 0, 0].equal(values[:, 0])
    everything = feature_map(Gives(values, cls_token=None), IMAGES)
    assert everything.shape == (2, 5, 7, 1)
    torch.testing.assert_close(everything.mean((2, 3)), values.mean(1))
    registers = feature_map(Gives(values, num_prefix_tokens=2), IMAGES)
    torch.testing.assert_close(registers.mean((2, 3)), values[:, 2:].mean(1))


def test_a_feature_an_image_is_a_map_of_one_place():
    values = torch.randn(2, 5)
    assert feature_map(Gives(values), IMAGES)[:, :, 0, 0].equal(values)


@pytest.mark.parametrize("output", [torch.zeros(2), torch.zeros(2, 1, 1, 1, 1), [torch.zeros(2, 5)], None])
def test_what_is_none_of_these_is_refused_with_what_is_allowed(output):
    with pytest.raises(InputError, match=r"Gives gives a .*tokens \[B, T, D\]"):
        feature_map(Gives(output), IMAGES)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("test_vit", (1, 1)),  # class token
        ("test_vit_relpos", (32, 1)),  # tokens alone
        ("hieradet_small", (4, 2)),  # NHWC
        ("levit_128s", (2, 1)),
    ],
)
def test_networks_of_timm_of_every_kind_are_backbones_by_name(name, places):
    size = (128, 64)
    model = ReIDModel(backbone=name, people=3, image_size=size, last_stride=2).eval()
    images = torch.randn(2, 3, *size, generator=torch.manual_seed(0))
    with torch.no_grad():
        mapped, features = model.feature_map(images), model(images)
    assert mapped.shape == (2, model.width, *places)
    torch.testing.assert_close(features.pooled, mapped.mean((2, 3)))
    assert features.logits.shape == (2, 3)


def test_probing_changes_nothing_in_a_network():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    model[1].eval()  # a user's own choice
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    assert probe(model, (8, 8), "mine").shape == (1, 4, 6, 6)
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(InputError, match=r"mine does not take images of 2 x 2.*`image_size`"):
        probe(model, (2, 2), "mine")


@pytest.mark.parametrize("name", ["coat_lite_tiny", "nest_tiny", "mvitv2_tiny"])
def test_networks_that_cannot_be_built_for_the_size_say_so(name):
    with pytest.raises(InputError, match=f"{name}.*128 x 64"):
        ReIDModel(backbone=name, people=3, image_size=(128, 64), last_stride=2)
