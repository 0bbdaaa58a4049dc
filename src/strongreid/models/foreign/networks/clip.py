"""CLIP's image encoders as CLIP-ReID uses them: the feature before CLIP's projection beside the one after it."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strongreid.models.foreign.keys import Shapes, children
from strongreid.models.foreign.networks.residual import stages_of
from strongreid.models.transformers import camera_rows

_HEAD = 64
"""Values of one attention head, in the transformer as in the attention pooling."""


class QuickGELU(nn.Module):
    """CLIP's approximation of GELU, with which it was trained."""

    def forward(self, values: Tensor) -> Tensor:
        """Apply it to each value."""
        return values * torch.sigmoid(1.702 * values)


class CLIPAttention(nn.Module):
    """Self-attention with one layer for queries, keys and values, by PyTorch's names for it: [B, T, D] to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Let all tokens attend to all."""
        projected = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        batch, count, width = tokens.shape
        query, key, value = projected.view(batch, count, 3, width // _HEAD, _HEAD).permute(2, 0, 3, 1, 4)
        found: Tensor = self.out_proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))
        return found


class CLIPBlock(nn.Module):
    """One block of CLIP's transformer, [B, T, D] to the same."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.attn = CLIPAttention(width)
        self.ln_1 = nn.LayerNorm(width)
        layers = {"c_fc": nn.Linear(width, hidden), "gelu": QuickGELU(), "c_proj": nn.Linear(hidden, width)}
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend, then think."""
        tokens = tokens + self.attn(self.ln_1(tokens))
        result: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return result


class CLIPTransformer(nn.Module):
    """CLIP's vision transformer: images [B, 3, H, W] to [B, D + projected]."""

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        hidden: int,
        projected: int,
        tokens: int,
        side: int,
        stride: int,
        cameras: int,
        camera_coefficient: float,
    ) -> None:
        super().__init__()
        self.takes_camera, self.cameras = cameras > 0, cameras
        self.camera_coefficient = camera_coefficient
        self.cv_embed = nn.Parameter(torch.zeros(cameras, width)) if cameras else None
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(tokens, width))
        self.proj = nn.Parameter(torch.zeros(width, projected))
        self.conv1 = nn.Conv2d(3, width, side, stride, bias=False)
        self.ln_pre = nn.LayerNorm(width)
        blocks = nn.Sequential(*(CLIPBlock(width, hidden) for _ in range(depth)))
        self.transformer = nn.ModuleDict({"resblocks": blocks})
        self.ln_post = nn.LayerNorm(width)

    def forward(self, images: Tensor, camera: Tensor | None = None) -> Tensor:
        """Map images and, for SIE, their cameras int64 [B], -1 where unknown, to features."""
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(patches.shape[0], 1, -1)
        if self.cv_embed is not None:
            first = first + self.camera_coefficient * camera_rows(self.cv_embed, camera)[:, None]
        tokens = self.ln_pre(torch.cat((first, patches), dim=1) + self.positional_embedding)
        found = self.ln_post(self.transformer["resblocks"](tokens)[:, 0])
        return torch.cat((found, found @ self.proj), dim=1)


def clip_transformer(shapes: Shapes, *, stride: int, camera_coefficient: float) -> CLIPTransformer:
    """Build the transformer whose weights have these shapes."""
    width, _, side, _ = shapes["conv1.weight"]
    return CLIPTransformer(
        width=width,
        depth=children(shapes, "transformer.resblocks."),
        hidden=shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        projected=shapes["proj"][1],
        tokens=shapes["positional_embedding"][0],
        side=side,
        stride=stride,
        cameras=shapes.get("cv_embed", (0,))[0],
        camera_coefficient=camera_coefficient,
    )


class CLIPBottleneck(nn.Module):
    """A block of CLIP's ResNet: what strides is average pooling, before the last convolution and in the shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, projected: bool) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        layers = {"0": nn.Conv2d(inputs, outputs, 1, bias=False), "1": nn.BatchNorm2d(outputs)}
        self.downsample = nn.Sequential(OrderedDict(layers)) if projected else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, 4 * width, h / stride, w / stride]."""
        shortcut = self.downsample(self.pool(x)) if isinstance(self.downsample, nn.Sequential) else x
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(self.pool(x))) + shortcut)


class AttentionPool(nn.Module):
    """Attention of the mean over all positions: [B, C, h, w] to [B, projected]."""

    def __init__(self, width: int, projected: int, tokens: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.zeros(tokens, width))
        self.k_proj, self.q_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.c_proj = nn.Linear(width, projected)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Pool a map of the size for which the positions were learnt."""
        places = feature_map.flatten(2).transpose(1, 2)
        tokens = torch.cat((places.mean(dim=1, keepdim=True), places), dim=1) + self.positional_embedding
        query, key, value = (
            layer(some).unflatten(2, (-1, _HEAD)).transpose(1, 2)
            for layer, some in ((self.q_proj, tokens[:, :1]), (self.k_proj, tokens), (self.v_proj, tokens))
        )
        found: Tensor = self.c_proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(1))
        return found


class CLIPResidual(nn.Module):
    """CLIP's ResNet: images [B, 3, H, W] to the average of its last map beside the attention pooling, [B, D + P]."""

    def __init__(self, layers: tuple[int, ...], *, width: int, projected: int, tokens: int, last_stride: int) -> None:
        super().__init__()
        half = width // 2
        self.conv1 = nn.Conv2d(3, half, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        inputs = width
        for number, (blocks, stride) in enumerate(zip(layers, (1, 2, 2, last_stride), strict=True), start=1):
            inner = width * 2 ** (number - 1)
            stage = [
                CLIPBottleneck(inputs if index == 0 else 4 * inner, inner, stride if index == 0 else 1, index == 0)
                for index in range(blocks)
            ]
            self.add_module(f"layer{number}", nn.Sequential(*stage))
            inputs = 4 * inner
        self.attnpool = AttentionPool(inputs, projected, tokens)

    def forward(self, images: Tensor) -> Tensor:
        """Map images to features."""
        x = images
        for number in (1, 2, 3):
            x = F.relu(getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x)))
        x = F.avg_pool2d(x, 2)
        for number in (1, 2, 3, 4):
            x = getattr(self, f"layer{number}")(x)
        return torch.cat((x.mean(dim=(2, 3)), self.attnpool(x)), dim=1)


def clip_residual(shapes: Shapes, *, last_stride: int) -> CLIPResidual:
    """Build the ResNet whose weights have these shapes."""
    return CLIPResidual(
        stages_of(shapes),
        width=shapes["conv3.weight"][0],
        projected=shapes["attnpool.c_proj.weight"][0],
        tokens=shapes["attnpool.positional_embedding"][0],
        last_stride=last_stride,
    )
