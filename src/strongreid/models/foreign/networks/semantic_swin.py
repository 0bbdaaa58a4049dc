"""SOLIDER's Swin transformer (Chen et al. 2023): after each stage a semantic weight scales and shifts the tokens.

Names of modules are those of the files. Unlike timm's, maps of any size are padded to whole windows, the shift stays
where a map is smaller than a window, and merged patches lie channel by channel.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strongreid.models.foreign.keys import Shapes, children

_MASKED = -100.0
"""What is added to the attention between positions that only the rolling brought side by side."""


class WindowAttention(nn.Module):
    """Attention within windows of `side` x `side`, with a bias for each relative position."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads, self.side = heads, side
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        self.register_buffer("relative_position_index", torch.zeros(side**2, side**2, dtype=torch.int64))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Map windows [B, n, side * side, C]; `mask` [n, side * side, side * side] is added to the attention."""
        batch, count, places, width = windows.shape
        split = self.qkv(windows).view(batch, count, places, 3, self.heads, width // self.heads)
        query, key, value = split.permute(3, 0, 1, 4, 2, 5)
        index: Tensor = self.relative_position_index  # type: ignore[assignment]
        bias = self.relative_position_bias_table[index.flatten()].view(*index.shape, -1).permute(2, 0, 1)
        if mask is not None:
            bias = bias + mask.unsqueeze(1)
        attention = (query @ key.transpose(3, 4) / query.shape[4] ** 0.5 + bias).softmax(dim=4)
        found: Tensor = attention @ value  # by hand: graphs know the fused operation for four axes only
        return self.proj(found.transpose(2, 3).flatten(3))  # type: ignore[no-any-return]


class Feed(nn.Module):
    """The two layers after the attention."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Sequential(nn.Linear(width, hidden), nn.GELU()), nn.Linear(hidden, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [B, T, C] to the same."""
        found: Tensor = self.layers(tokens)
        return found


class SwinBlock(nn.Module):
    """One block: attention in windows, shifted by half of one where `shift` is above 0, on maps [B, h, w, C]."""

    def __init__(self, width: int, heads: int, side: int, hidden: int, shift: int) -> None:
        super().__init__()
        self.side, self.shift = side, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = nn.ModuleDict({"w_msa": WindowAttention(width, heads, side)})
        self.norm2 = nn.LayerNorm(width)
        self.ffn = Feed(width, hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [B, h, w, C] to the same."""
        tokens = tokens + self._attended(self.norm1(tokens))
        result: Tensor = tokens + self.ffn(self.norm2(tokens))
        return result

    def _attended(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        x = F.pad(x, (0, 0, 0, -width % self.side, 0, -height % self.side))
        mask = None
        if self.shift:
            mask = _mask(x.shape[1], x.shape[2], self.side, self.shift, x)
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        rows, columns = x.shape[1] // self.side, x.shape[2] // self.side
        x = self.attn["w_msa"](_windows(x, self.side), mask)
        x = x.view(x.shape[0], rows, columns, self.side, self.side, x.shape[-1]).transpose(2, 3)
        x = x.reshape(x.shape[0], rows * self.side, columns * self.side, -1)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x[:, :height, :width]


def _windows(x: Tensor, side: int) -> Tensor:
    """Cut [B, h, w, C] into windows [B, n, side * side, C], row by row."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // side, side, width // side, side, channels).transpose(2, 3)
    return x.reshape(batch, height // side * (width // side), side * side, channels)


def _mask(height: int, width: int, side: int, shift: int, like: Tensor) -> Tensor:
    """What keeps apart, in windows of a rolled map, positions that were no neighbours: [n, side², side²]."""

    def regions(length: int) -> Tensor:
        place = torch.arange(length, device=like.device)
        return (place >= length - side).to(like.dtype) + (place >= length - shift).to(like.dtype)

    region = 3 * regions(height)[:, None] + regions(width)[None, :]
    apart = _windows(region[None, :, :, None], side)[0, :, :, 0]
    return (apart[:, :, None] != apart[:, None, :]).to(like.dtype) * _MASKED


class PatchMerging(nn.Module):
    """Four neighbours become one, channel by channel: [B, h, w, C] to [B, h / 2, w / 2, 2 * C]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Merge; an odd last row or column gets zeros beside it."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        batch, height, width, channels = x.shape
        x = x.view(batch, height // 2, 2, width // 2, 2, channels).permute(0, 1, 3, 5, 2, 4)
        merged: Tensor = self.reduction(self.norm(x.reshape(batch, height // 2, width // 2, 4 * channels)))
        return merged


class SemanticSwin(nn.Module):
    """From images [B, 3, H, W] to the last stage's map [B, C, h, w], normalised."""

    def __init__(
        self, *, width: int, depths: tuple[int, ...], heads: tuple[int, ...], side: int, semantic_weight: float
    ) -> None:
        """Build it; `side`: of a window, `semantic_weight`: 0 for appearance to 1 for semantics."""
        super().__init__()
        self.semantic_weight = semantic_weight
        projection = {"projection": nn.Conv2d(3, width, 4, 4), "norm": nn.LayerNorm(width)}
        self.patch_embed = nn.ModuleDict(OrderedDict(projection))
        self.stages = nn.ModuleList()
        scales, shifts = [], []
        for number, (depth, count) in enumerate(zip(depths, heads, strict=True)):
            here = width * 2**number
            blocks = [SwinBlock(here, count, side, 4 * here, side // 2 * (index % 2)) for index in range(depth)]
            stage = nn.Module()
            stage.blocks = nn.Sequential(*blocks)
            if number + 1 < len(depths):
                stage.downsample = PatchMerging(here)
                scales.append(nn.Linear(2, 2 * here))
                shifts.append(nn.Linear(2, 2 * here))
            self.stages.append(stage)
        self.norm3 = nn.LayerNorm(width * 2 ** (len(depths) - 1))
        self.semantic_embed_w, self.semantic_embed_b = nn.ModuleList(scales), nn.ModuleList(shifts)

    def forward(self, images: Tensor) -> Tensor:
        """Give the normalised map of the last stage."""
        x = self.patch_embed["norm"](self.patch_embed["projection"](images).permute(0, 2, 3, 1))
        weights = x.new_tensor((self.semantic_weight, 1 - self.semantic_weight))
        for stage, scale, shift in zip(self.stages, self.semantic_embed_w, self.semantic_embed_b, strict=False):
            x = stage.downsample(stage.blocks(x))  # type: ignore[operator]
            x = x * F.softplus(scale(weights)) + shift(weights)
        last: Tensor = self.norm3(self.stages[-1].blocks(x))  # type: ignore[operator]
        return last.permute(0, 3, 1, 2)


def semantic_swin(shapes: Shapes, *, semantic_weight: float) -> SemanticSwin:
    """Build the transformer whose weights have these shapes."""
    tables = [
        shapes[f"stages.{number}.blocks.0.attn.w_msa.relative_position_bias_table"]
        for number in range(children(shapes, "stages."))
    ]
    return SemanticSwin(
        width=shapes["patch_embed.projection.weight"][0],
        depths=tuple(children(shapes, f"stages.{number}.blocks.") for number in range(len(tables))),
        heads=tuple(heads for _, heads in tables),
        side=(round(tables[0][0] ** 0.5) + 1) // 2,
        semantic_weight=semantic_weight,
    )
