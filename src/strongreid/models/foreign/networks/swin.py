"""timm's Swin transformer, its sizes read off the weights."""

from collections.abc import Sequence

from timm.models.swin_transformer import SwinTransformer

from strongreid.models.foreign.keys import Shapes, children


def swin(shapes: Shapes, *, image_size: Sequence[int]) -> SwinTransformer:
    """Build the transformer whose weights have these shapes, for images of one size."""
    height, length = image_size
    tables = [
        shapes[f"layers.{number}.blocks.0.attn.relative_position_bias_table"]
        for number in range(children(shapes, "layers."))
    ]
    width, _, side, _ = shapes["patch_embed.proj.weight"]
    return SwinTransformer(
        img_size=(height, length),
        patch_size=side,
        embed_dim=width,
        depths=tuple(children(shapes, f"layers.{number}.blocks.") for number in range(len(tables))),
        num_heads=tuple(heads for _, heads in tables),
        window_size=(round(tables[0][0] ** 0.5) + 1) // 2,
        num_classes=0,
        global_pool="",
    )
