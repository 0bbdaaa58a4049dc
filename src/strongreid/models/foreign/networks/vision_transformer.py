"""Vision transformers of TransReID and fast-reid: overlapping patches, camera embedding, jigsaw patches (JPM).

Names of modules are timm's, which are those of the files. Position embeddings are as long as the file has them, so the
input's size is the one of its training.
"""

from functools import partial

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from strongreid.models.foreign.keys import Shapes, children, under
from strongreid.models.transformers import camera_rows

_HEAD = 64
"""Values of one attention head in all of these networks."""
_SHIFT, _GROUPS, _PARTS = 5, 2, 4
"""JPM's SHIFT_NUM, SHUFFLE_GROUP and DEVIDE_LENGTH (He et al. 2021), the same in all of its configurations."""


class PatchEmbedding(nn.Module):
    """Patches of images [B, 3, H, W], which overlap where the stride is below their side: [B, T, D]."""

    def __init__(self, width: int, side: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, side, stride)

    def forward(self, images: Tensor) -> Tensor:
        """Give one token a patch, row by row."""
        tokens: Tensor = self.proj(images)
        return tokens.flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """From images [B, 3, H, W] to the class token after the last normalisation [B, D]; with JPM [B, 5 * D]."""

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        tokens: int,
        side: int,
        stride: int,
        hidden: int,
        cameras: int,
        camera_coefficient: float,
        jigsaw: bool,
    ) -> None:
        """Build it; `tokens` with the class token, `hidden`: width of the MLPs, `cameras`: 0 without embedding."""
        super().__init__()
        norm = partial(nn.LayerNorm, eps=1e-6)
        block = partial(Block, width, width // _HEAD, mlp_ratio=hidden / width, qkv_bias=True, norm_layer=norm)  # type: ignore[arg-type]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width))
        self.sie_embed = nn.Parameter(torch.zeros(cameras, 1, width)) if cameras else None
        self.takes_camera, self.cameras = cameras > 0, cameras
        self.camera_coefficient = camera_coefficient
        self.patch_embed = PatchEmbedding(width, side, stride)
        self.blocks = nn.Sequential(*(block() for _ in range(depth)))
        self.jigsaw = jigsaw
        if jigsaw:
            self.b1 = nn.Sequential(block(), norm(width))
            self.b2 = nn.Sequential(block(), norm(width))
        else:
            self.norm = norm(width)

    def forward(self, images: Tensor, camera: Tensor | None = None) -> Tensor:
        """Map images and, for SIE, their cameras int64 [B], -1 where unknown, to features."""
        tokens = self.patch_embed(images)
        tokens = torch.cat((self.cls_token.expand(tokens.shape[0], -1, -1), tokens), dim=1) + self.pos_embed
        if self.sie_embed is not None:
            tokens = tokens + self.camera_coefficient * camera_rows(self.sie_embed.squeeze(1), camera)[:, None]
        tokens = self.blocks(tokens)
        if not self.jigsaw:
            normed: Tensor = self.norm(tokens)
            return normed[:, 0]
        features = [self.b1(tokens)[:, 0]]
        patches, length = shuffled(tokens), (tokens.shape[1] - 1) // _PARTS
        for part in range(_PARTS):
            some = patches[:, part * length : (part + 1) * length]
            features.append(self.b2(torch.cat((tokens[:, :1], some), dim=1))[:, 0] / _PARTS)
        return torch.cat(features, dim=1)


def shuffled(tokens: Tensor) -> Tensor:
    """Rotate the patch tokens of [B, 1 + T, D] and deal them out in groups, as JPM does: [B, T, D], T made even."""
    moved = torch.cat((tokens[:, _SHIFT:], tokens[:, 1:_SHIFT]), dim=1)
    if moved.shape[1] % _GROUPS:
        moved = torch.cat((moved, moved[:, -2:-1]), dim=1)
    batch, count, width = moved.shape
    return moved.view(batch, _GROUPS, count // _GROUPS, width).transpose(1, 2).reshape(batch, count, width)


def vision_transformer(shapes: Shapes, *, stride: int, camera_coefficient: float) -> VisionTransformer:
    """Build the transformer whose weights have these shapes."""
    width, _, side, _ = shapes["patch_embed.proj.weight"]
    return VisionTransformer(
        width=width,
        depth=children(shapes, "blocks."),
        tokens=shapes["pos_embed"][1],
        side=side,
        stride=stride,
        hidden=shapes["blocks.0.mlp.fc1.weight"][0],
        cameras=shapes.get("sie_embed", (0,))[0],
        camera_coefficient=camera_coefficient,
        jigsaw=bool(under(shapes, "b2.")),
    )
