"""The last stride, taken out of every family that has a rule: the map doubles, the weights stay."""

import pytest
import torch
from timm.layers import CondConv2d
from torch import nn

from strongreid.errors import InputError
from strongreid.models.backbones import create_backbone

STRIDING = {
    "resnet10_small": {"layer4.0.conv1", "layer4.0.downsample.0"},
    "resnet18": {"layer4.0.conv1", "layer4.0.downsample.0"},
    "resnet50": {"layer4.0.conv2", "layer4.0.downsample.0"},
    "resnet10t": {"layer4.0.conv1"},  # the "t" and "d" variants' downsample strides in an average pool
    "resnet26d": {"layer4.0.conv2"},
    "resnetaa34d": set(),  # anti-aliased: pools stride, convolutions never do
    "seresnet50": {"layer4.0.conv2", "layer4.0.downsample.0"},
    "legacy_seresnet18": {"layer4.0.conv1", "layer4.0.downsample.0"},
    "legacy_seresnet50": {"layer4.0.conv1", "layer4.0.downsample.0"},
    "legacy_seresnext26_32x4d": {"layer4.0.conv2", "layer4.0.downsample.0"},
    "tf_efficientnet_lite0": {"blocks.5.0.conv_dw"},
    "efficientnet_b0": {"blocks.5.0.conv_dw"},
    "tf_efficientnetv2_b0": {"blocks.5.0.conv_dw"},
    "tf_efficientnet_cc_b0_4e": {"blocks.5.0.conv_dw"},  # its convolutions are timm's conditional ones
    "mobilenetv2_100": {"blocks.5.0.conv_dw"},
    "mobilenetv3_large_100": {"blocks.5.0.conv_dw"},
    "mobilenetv3_small_100": {"blocks.4.0.conv_dw"},
    "tf_mobilenetv3_small_minimal_100": {"blocks.4.0.conv_dw"},
    "mobilenetv4_conv_small": {"blocks.3.0.dw_mid.conv"},
    "mobilenetv4_conv_aa_large": set(),  # the pool after dw_mid
    "convnext_atto": {"stages.3.downsample.1"},
    "convnextv2_atto": {"stages.3.downsample.1"},
}
"""The convolutions whose stride is the last one, by backbone."""


def build(name, last_stride):
    torch.manual_seed(0)
    return create_backbone(name, image_size=(256, 128), last_stride=last_stride, stem_relu=True, weights=None)


@torch.no_grad()
def map_size(network):
    return tuple(network.eval()(torch.zeros(1, 3, 256, 128)).shape)


def convolutions(network):
    return {key: child for key, child in network.named_modules() if isinstance(child, nn.Conv2d | CondConv2d)}


@pytest.mark.parametrize("name", STRIDING)
def test_last_stride_1_gives_a_map_of_16_by_8_with_the_same_weights_and_no_dilation(name):
    wide, narrow = build(name, last_stride=1), build(name, last_stride=2)
    assert wide.training
    channels = map_size(narrow)[1]
    assert map_size(wide) == (1, channels, 16, 8)
    assert map_size(narrow) == (1, channels, 8, 4)
    expected = narrow.state_dict()
    assert list(wide.state_dict()) == list(expected)
    assert all(torch.equal(value, expected[key]) for key, value in wide.state_dict().items())
    ours, plain = convolutions(wide), convolutions(narrow)
    assert {key for key in ours if ours[key].stride != plain[key].stride} == STRIDING[name]
    assert all(ours[key].stride == (1, 1) for key in STRIDING[name])
    assert all(child.dilation == (1, 1) for child in ours.values() if isinstance(child, nn.Conv2d))


@pytest.mark.parametrize(
    ("name", "layer", "first"),
    [
        ("resnet18", "layer4.0.conv1", 0),
        ("mobilenetv2_100", "blocks.5.0.conv_dw", 0),
        ("mobilenetv3_large_100", "blocks.5.0.conv_dw", 0),
        ("tf_efficientnet_lite0", "blocks.5.0.conv_dw", 1),  # TensorFlow pads an even side more at its end
        ("convnext_atto", "stages.3.downsample.1", 0),
    ],
)
def test_the_old_map_of_the_layer_is_every_second_row_and_column_of_its_new_one(name, layer, first):
    images = torch.randn(2, 3, 128, 64, generator=torch.Generator().manual_seed(1))
    seen = []
    for last_stride in (1, 2):
        network = build(name, last_stride).eval()
        network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: seen.append(output))
        with torch.no_grad():
            network(images)
    wide, narrow = seen
    assert wide.shape[2:] == (8, 4)
    torch.testing.assert_close(wide[:, :, first::2, first::2], narrow, rtol=1e-4, atol=1e-5)


def test_convnexts_padding_is_zeros_at_the_bottom_and_at_the_right():
    network = build("convnext_atto", 1).eval()
    downsample = network.stages[-1].downsample[1]
    values = torch.randn(1, downsample.in_channels, 3, 4, generator=torch.Generator().manual_seed(1))
    padded = torch.zeros(1, downsample.in_channels, 4, 5)
    padded[:, :, :3, :4] = values
    expected = torch.empty(1, downsample.out_channels, 3, 4)
    with torch.no_grad():
        for row in range(3):
            for column in range(4):
                window = padded[0, :, row : row + 2, column : column + 2]
                expected[0, :, row, column] = (downsample.weight * window).sum((1, 2, 3)) + downsample.bias
        torch.testing.assert_close(downsample(values), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnetv2_50", "skresnet18", "regnetx_002", "ghostnet_100"])
def test_a_backbone_without_a_rule_refuses_last_stride_1_by_name(name):
    with pytest.raises(InputError, match=f"{name}.*`last_stride` 2"):
        build(name, last_stride=1)
    assert map_size(build(name, last_stride=2))[2:] == (8, 4)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0"])
def test_a_rule_that_does_not_double_the_map_is_noticed(monkeypatch, name):
    monkeypatch.setattr("strongreid.models.strides._remove_strides", lambda block: None)
    with pytest.raises(InputError, match=f"does not double the map of the backbone {name}"):
        build(name, last_stride=1)
