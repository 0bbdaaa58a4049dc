"""Networks of other codebases, small ones, in a graph: no size of a batch is fixed by how they are written."""

import pytest
import torch
from torch import nn

from strongreid.models.foreign.networks.clip import CLIPResidual, CLIPTransformer
from strongreid.models.foreign.networks.feature import FeatureNetwork, Stripes
from strongreid.models.foreign.networks.light_mbn import LightMultiBranch
from strongreid.models.foreign.networks.multi_level import GatedBlock, MultiLevel
from strongreid.models.foreign.networks.multiple_granularity import MultipleGranularity
from strongreid.models.foreign.networks.residual import ResidualNetwork
from strongreid.models.foreign.networks.semantic_swin import SemanticSwin
from strongreid.models.foreign.networks.vision_transformer import VisionTransformer


def residual():
    return ResidualNetwork(
        (1, 2, 1, 1),
        bottleneck=False,
        ibn=(True, False, False, False),
        non_local={2: (1, 1)},
        last_stride=1,
        stem_relu=True,
        pool="ceil",
    )


def transformer(jigsaw):
    return VisionTransformer(
        width=64,
        depth=1,
        tokens=1 + 5 * 2,
        side=16,
        stride=12,
        hidden=64,
        cameras=3,
        camera_coefficient=3.0,
        jigsaw=jigsaw,
    )


def clip():
    return CLIPTransformer(
        width=64, depth=1, hidden=64, projected=8, tokens=9, side=16, stride=16, cameras=0, camera_coefficient=1.0
    )


NETWORKS = {
    "residual": residual,
    "feature": lambda: FeatureNetwork(residual(), nn.Sequential(nn.BatchNorm1d(512)), mirror=True),
    "stripes": lambda: Stripes(residual(), 2, mirror=True),
    "vision transformer": lambda: transformer(jigsaw=False),
    "jigsaw": lambda: transformer(jigsaw=True),
    "clip transformer": clip,
    "clip residual": lambda: CLIPResidual((1, 1, 1, 1), width=8, projected=8, tokens=9, last_stride=1),
    "semantic swin": lambda: SemanticSwin(width=8, depths=(2, 2), heads=(1, 2), side=7, semantic_weight=0.2),
    "light": lambda: LightMultiBranch((16, 64, 64, 64), 8, mirror=True),
    "multi level": lambda: MultiLevel([GatedBlock(64, 32, (8, 8), 1, False)], 8),
    "multiple granularity": lambda: MultipleGranularity(
        (1, 1, 2, 1), ibn=True, width=8, old_heads=True, last_stride=1, pool="padded"
    ),
}


SIZES = {"multiple granularity": (96, 32)}


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_traced_with_two_images_takes_any_number_of_them(kind):
    torch.manual_seed(0)
    network = NETWORKS[kind]().eval()
    size = SIZES.get(kind, (64, 32))
    batch = torch.export.Dim("batch", min=1)
    images = {"images": torch.randn(2, 3, *size)}
    shapes = {"images": {0: batch}}
    traced = torch.export.export(network, (), images, dynamic_shapes=shapes)
    for count in (1, 3):
        some = torch.randn(count, 3, *size)
        with torch.no_grad():
            expected = network(some)
        assert torch.allclose(traced.module()(images=some), expected, rtol=1e-4, atol=1e-4)
        assert expected.isfinite().all()
        assert expected.shape[0] == count
