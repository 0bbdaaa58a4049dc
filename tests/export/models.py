"""Small networks of each family for the tests of exporting, with statistics as if they were trained."""

from typing import Any

import timm
import torch
from torch import nn

from strongreid.models import ReIDModel

SIZE = (64, 32)


def small_vit() -> nn.Module:
    """A ViT of two blocks."""
    return timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, global_pool="", img_size=SIZE, depth=2, embed_dim=48, num_heads=3
    )


def small_swin() -> nn.Module:
    """A Swin of two stages, with shifted windows."""
    return timm.create_model(
        "swin_tiny_patch4_window7_224",
        num_classes=0,
        global_pool="",
        img_size=SIZE,
        window_size=4,
        depths=(2, 2),
        num_heads=(2, 4),
        embed_dim=16,
    )


def lively(backbone: str | nn.Module = "resnet10_small", seed: int = 0, **arguments: Any) -> ReIDModel:
    """A model whose normalisations are not the identity: a neck that is never trained would hide mistakes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        by_name = {"last_stride": 2} if isinstance(backbone, str) else {}
        model = ReIDModel(backbone=backbone, people=5, image_size=SIZE, **{**by_name, **arguments}).eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
                module.weight.data.uniform_(0.5, 1.5)
    return model
