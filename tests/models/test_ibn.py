"""IBN-a: which layers change, what half of the channels becomes, and what the files call it."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from strongreid.models.backbones import create_backbone
from strongreid.models.ibn import IBN_NETS, InstanceBatchNorm


@pytest.mark.parametrize("channels", [8, 7])
def test_the_first_half_is_normalised_by_the_image_and_the_rest_by_the_batch(channels):
    torch.manual_seed(0)
    norm = InstanceBatchNorm(channels)
    for value in norm.parameters():
        value.data.normal_()
    values = torch.randn(3, channels, 4, 5) * 3 + 1
    found = norm(values).detach().numpy()
    weight, bias = (torch.cat((getattr(norm.IN, n), getattr(norm.BN, n))).detach().numpy() for n in ("weight", "bias"))
    exact = values.double().numpy()
    for image, channel in np.ndindex(3, channels):
        seen = exact[image, channel] if channel < channels // 2 else exact[:, channel]
        scaled = (exact[image, channel] - seen.mean()) / np.sqrt(seen.var() + 1e-5)
        np.testing.assert_allclose(
            found[image, channel], scaled * weight[channel] + bias[channel], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("name", IBN_NETS)
def test_only_the_first_norm_of_each_block_of_three_stages_changes(name):
    network = create_backbone(name, image_size=(64, 32), last_stride=2, stem_relu=True, weights=None)
    plain = timm.create_model(name.removesuffix("_ibn_a"), num_classes=0, global_pool="")
    changed = {key for key, module in network.named_modules() if isinstance(module, InstanceBatchNorm)}
    firsts = {key for key, module in plain.named_modules() if key.endswith(".bn1") and not key.startswith("layer4")}
    assert changed == firsts
    ours, theirs = (
        {key: value.shape for key, value in state.items() if ".bn1." not in key or key.startswith("layer4")}
        for state in (network.state_dict(), plain.state_dict())
    )
    assert ours == theirs
    assert all(isinstance(block.bn1, nn.BatchNorm2d) for block in network.layer4)


def test_keys_are_those_of_the_authors_files():
    state = create_backbone(
        "resnet50_ibn_a", image_size=(64, 32), last_stride=1, stem_relu=True, weights=None
    ).state_dict()
    assert len(state) == 346 - 2  # as in the file, but for the classifier's two
    assert [key for key in state if key.startswith("layer2.3.bn1.")] == [
        "layer2.3.bn1.IN.weight", "layer2.3.bn1.IN.bias", "layer2.3.bn1.BN.weight", "layer2.3.bn1.BN.bias",
        "layer2.3.bn1.BN.running_mean", "layer2.3.bn1.BN.running_var", "layer2.3.bn1.BN.num_batches_tracked",
    ]  # fmt: skip
    assert state["layer3.0.bn1.IN.weight"].shape == state["layer3.0.bn1.BN.weight"].shape == (128,)
