"""OSNet's parameters by name and number, and its block by plain loops."""

import numpy as np
import pytest
import torch
from torch import nn

from strongreid.models.osnet import OSNETS, create_osnet

PUBLISHED_MILLIONS = {"x1_0": 2.2, "x0_75": 1.3, "x0_5": 0.6, "x0_25": 0.2}
"""Parameters without the classifier (Zhou et al. 2019, table 3)."""


@pytest.mark.parametrize("width", PUBLISHED_MILLIONS)
def test_it_has_as_many_parameters_as_published(width):
    for name in (f"osnet_{width}_fc512", f"osnet_ibn_{width}_fc512", f"osnet_ain_{width}_fc512"):
        count = sum(value.numel() for value in create_osnet(name).parameters())
        assert round(count / 1e6, 1) == PUBLISHED_MILLIONS[width]


def test_every_name_gives_a_map_or_512_values():
    widths = {"x1_0": 512, "x0_75": 384, "x0_5": 256, "x0_25": 128}
    for name in OSNETS:
        channels = widths["x" + name.removesuffix("_fc512").split("_x")[1]]
        with torch.no_grad():
            found = create_osnet(name).eval()(torch.zeros(1, 3, 64, 32))
        assert found.shape == ((1, 512) if name.endswith("_fc512") else (1, channels, 4, 2))


def test_keys_are_those_of_torchreids_files():
    plain, ibn, ain = (create_osnet(f"osnet{kind}_x1_0_fc512").state_dict() for kind in ("", "_ibn", "_ain"))
    assert (len(plain), len(ibn), len(ain)) == (565, 566, 550)  # as in the files, but for the classifier's two
    assert set(ibn) - set(plain) == {f"conv2.{block}.IN.{kind}" for block in (0, 1) for kind in ("weight", "bias")}
    assert set(plain) - set(ibn) == {
        f"conv1.bn.{kind}" for kind in ("running_mean", "running_var", "num_batches_tracked")
    }
    some = "conv1.conv.weight conv2.0.conv2a.conv1.weight conv3.1.conv2d.3.bn.running_var conv2.2.0.bn.bias"
    more = "conv4.0.gate.fc2.bias conv4.0.downsample.bn.weight conv5.conv.weight fc.1.running_mean"
    assert {*some.split(), *more.split()} <= set(plain)
    with_norm = {key.removesuffix(".IN.weight") for key in ain if key.endswith(".IN.weight")}
    assert with_norm == {"conv2.0", "conv2.1", "conv3.1", "conv4.0"}
    assert not [key for key in ain if key.removesuffix(".weight").removesuffix(".conv3.bn") in with_norm]
    assert "conv3.0.conv2.3.layers.3.bn.weight" in ain
    assert "pool3.0.conv.weight" in ain


def random_statistics(network):
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_()
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 1.5)
        elif isinstance(module, nn.Conv2d):
            module.weight.data.normal_(std=0.3)
    return network.double().eval()


def convolved(values, conv):
    """3 x 3, padded, each channel by itself; or 1 x 1."""
    weight = conv.weight.detach().numpy()
    bias = np.zeros(len(weight)) if conv.bias is None else conv.bias.detach().numpy()
    if weight.shape[2:] == (1, 1):
        return np.tensordot(weight[:, :, 0, 0], values, 1) + bias[:, None, None]
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    result = np.zeros_like(values)
    for channel, row, column in np.ndindex(values.shape):
        result[channel, row, column] = (padded[channel, row : row + 3, column : column + 3] * weight[channel, 0]).sum()
    return result


def normalised(values, norm):
    if isinstance(norm, nn.InstanceNorm2d):
        mean, variance = values.mean((1, 2)), values.var((1, 2))
    else:
        mean, variance = norm.running_mean.numpy(), norm.running_var.numpy()
    weight, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    scaled = (values - mean[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None]
    return scaled * weight[:, None, None] + bias[:, None, None]


@pytest.mark.parametrize(
    ("name", "order"), [("osnet_x0_25", None), ("osnet_ibn_x0_25", "after"), ("osnet_ain_x0_25", "before")]
)
def test_a_block_adds_up_four_gated_streams(name, order):
    block = random_statistics(create_osnet(name)).conv2[0]
    values = torch.randn(16, 5, 4, dtype=torch.float64, generator=torch.manual_seed(2)).numpy()
    relu = lambda array: np.maximum(array, 0)  # noqa: E731
    narrow = relu(normalised(convolved(values, block.conv1.conv), block.conv1.bn))
    total = 0
    for depth in (1, 2, 3, 4):
        if order == "before":
            layers = block.conv2[depth - 1].layers
        else:
            layers = [block.conv2a] if depth == 1 else getattr(block, f"conv2{'abcd'[depth - 1]}")
        assert len(layers) == depth
        stream = narrow
        for layer in layers:
            stream = relu(normalised(convolved(convolved(stream, layer.conv1), layer.conv2), layer.bn))
        average = stream.mean((1, 2))[:, None, None]
        gate = 1 / (1 + np.exp(-convolved(relu(convolved(average, block.gate.fc1)), block.gate.fc2)))
        total = total + gate * stream
    branch = convolved(total, block.conv3.conv)
    if order != "before":
        branch = normalised(branch, block.conv3.bn)
    shortcut = normalised(convolved(values, block.downsample.conv), block.downsample.bn)
    if order == "before":
        expected = normalised(branch, block.IN) + shortcut
    elif order == "after":
        expected = normalised(branch + shortcut, block.IN)
    else:
        expected = branch + shortcut
    with torch.no_grad():
        np.testing.assert_allclose(block(torch.from_numpy(values)[None])[0], relu(expected), rtol=1e-9, atol=1e-9)
