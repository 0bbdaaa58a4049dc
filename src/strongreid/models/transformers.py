"""Vision transformers at the input's size: overlapping patches, positions of weights, cameras.

A ViT has a position embedding for each patch, so weights of another image size or stride fit after these are resized
like a picture, as in timm. Swin knows positions within a window only: where the map is smaller than the window, the
middle of its table is all that is needed, and it stays as it is.
"""

import math
from collections.abc import Mapping

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models.swin_transformer import SwinTransformer, WindowAttention
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from strongreid.errors import InputError

CAMERA_FACTOR = 3.0
"""By how much the camera embedding is multiplied before it is added (He et al. 2021, section 4.3)."""


def patch_grid(image_size: tuple[int, int], patch: int, stride: int) -> tuple[int, int]:
    """Return rows and columns of patches of `patch` x `patch` pixels, one every `stride` pixels."""
    height, width = image_size
    return (height - patch) // stride + 1, (width - patch) // stride + 1


def set_patch_stride(network: nn.Module, name: str, image_size: tuple[int, int], stride: int) -> None:
    """Let the patches of a ViT for images of `image_size` start every `stride` pixels, in place (He et al. 2021).

    Raises `InputError`, with `name`, for a network that is no ViT, and for a stride that leaves pixels out.
    """
    if not isinstance(network, VisionTransformer) or not isinstance(network.patch_embed, PatchEmbed):
        raise InputError(f"The backbone {name} has no patches of a ViT that could overlap. Leave `patch_stride` out.")
    patch = network.patch_embed.patch_size[0]
    if not 1 <= stride <= patch:
        raise InputError(f"`patch_stride` is {stride}; it must lie in 1 to {patch}, the side of a patch of {name}.")
    rows, columns = patch_grid(image_size, patch, stride)
    network.set_input_size((rows * patch, columns * patch))  # as many patches side by side
    network.patch_embed.img_size = image_size
    network.patch_embed.proj.stride = (stride, stride)
    if network.pos_embed is not None:
        nn.init.trunc_normal_(network.pos_embed, std=0.02)  # as timm's first ones


def fit_positions(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Resize the position embeddings of a ViT's weights to the grid of `network`, as a new state dict.

    As many as the published weights of that name have lie on their square grid; as many as `network` has fit already;
    others lie on a square if they can. What is on none of these is left as it is.
    """
    if not isinstance(network, VisionTransformer) or network.pos_embed is None or "pos_embed" not in state:
        return dict(state)
    positions = state["pos_embed"]
    patches = positions.shape[1] - (0 if network.no_embed_class else network.num_prefix_tokens)
    config = getattr(network, "pretrained_cfg", None) or {}
    published = config.get("input_size", (3, 0, 0))[1] // network.patch_embed.patch_size[0]
    side = math.isqrt(max(patches, 0))
    fits = positions.shape == network.pos_embed.shape and patches != published**2
    if fits or not patches or side**2 != patches:
        return dict(state)
    return {**state, "pos_embed": resize_positions(positions, (side, side), network.patch_embed.grid_size)}


def resize_positions(positions: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Resize the embeddings of a grid of patches [1, T, D] from `old` to `new` rows and columns; others come first."""
    if old == new:
        return positions
    others = positions.shape[1] - old[0] * old[1]
    resized: Tensor = resample_abs_pos_embed(positions, list(new), list(old), num_prefix_tokens=others)
    return resized


def fit_windows(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Crop the position tables of a Swin's weights to the windows of `network`, as a new state dict."""
    fitted = dict(state)
    for key, module in network.named_modules() if isinstance(network, SwinTransformer) else ():
        if isinstance(module, WindowAttention) and (table := f"{key}.relative_position_bias_table") in state:
            fitted[table] = _cropped(state[table], module.window_size)
    return fitted


def _cropped(table: Tensor, window: tuple[int, int]) -> Tensor:
    """Take from the table of a square window [(2w-1)^2, heads] the offsets that occur in a smaller one."""
    side = math.isqrt(len(table))
    rows, columns = (2 * length - 1 for length in window)
    if side * side != len(table) or max(rows, columns) > side:
        return table
    top, left = (side - rows) // 2, (side - columns) // 2
    square = table.view(side, side, -1)
    return square[top : top + rows, left : left + columns].reshape(rows * columns, -1)


class CameraTransformer(nn.Module):
    """A ViT that is told the camera: an embedding of it is added to all tokens (TransReID's SIE, He et al. 2021).

    For images of unknown cameras the average of all cameras' embeddings is added.

    Args:
        network: the ViT.
        cameras: how many cameras there are.
    """

    takes_camera = True

    def __init__(self, network: VisionTransformer, cameras: int) -> None:
        super().__init__()
        self.network = network
        self.camera_embedding = nn.Parameter(torch.empty(cameras, network.embed_dim))
        nn.init.trunc_normal_(self.camera_embedding, std=0.02)

    @property
    def cls_token(self) -> Tensor | None:
        """The network's: whether the first token is the feature."""
        return self.network.cls_token

    @property
    def num_prefix_tokens(self) -> int:
        """The network's: how many tokens are no patches."""
        return self.network.num_prefix_tokens

    def forward(self, images: Tensor, camera: Tensor | None) -> Tensor:
        """Map images [B, 3, H, W], and their cameras int64 [B], -1 where unknown, None for all, to tokens [B, T, D]."""
        added = camera_rows(self.camera_embedding, camera)[:, None]
        network = self.network
        tokens = network._pos_embed(network.patch_embed(images)) + CAMERA_FACTOR * added
        tokens = network.blocks(network.norm_pre(network.patch_drop(tokens)))
        result: Tensor = network.forward_head(network.norm(tokens))
        return result


def camera_rows(table: Tensor, camera: Tensor | None) -> Tensor:
    """Return the embedding of each camera, -1 where it is unknown, from a table [cameras, D]: [B, D].

    Of unknown ones it is the average of all; `camera` None gives that alone, [1, D].
    """
    average = table.mean(0, keepdim=True)
    return average if camera is None else torch.where(camera[:, None] < 0, average, table[camera.clamp(min=0)])


def tell_camera(network: nn.Module, name: str, cameras: int) -> CameraTransformer:
    """Give a ViT an embedding for each of some cameras. Raises `InputError`, with `name`, for another network."""
    if not isinstance(network, VisionTransformer):
        raise InputError(
            f"The backbone {name} is no ViT, so it has no tokens to which a camera could be added. Leave the `cameras` "
            "out (`camera_embedding` false)."
        )
    return CameraTransformer(network, cameras)
