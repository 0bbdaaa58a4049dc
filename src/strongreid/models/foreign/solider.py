"""SOLIDER-REID: Swin transformers with semantic embeddings under `base.`. The feature is the one before the neck."""

from strongreid.models.foreign.keys import Shapes
from strongreid.models.foreign.layout import HALF_COLOURS, Foreign, Layout, Options

_SEMANTIC_WEIGHT = 0.2
"""As in the codebase's test command."""


def _recognises(shapes: Shapes) -> bool:
    return "base.semantic_embed_w.0.weight" in shapes


def _read(shapes: Shapes, options: Options) -> Foreign:
    weight = _SEMANTIC_WEIGHT if options.semantic_weight is None else options.semantic_weight
    unused: dict[str, str | None] = {f"base.norm{number}.": None for number in (0, 1, 2)}
    unused |= {f"base.semantic_embed_{kind}.3.": None for kind in "wb"}
    return Foreign(
        name=f"SOLIDER-REID, Swin of width {shapes['base.patch_embed.projection.weight'][0]}",
        rules={"base.": "backbone.", **unused, "bottleneck.": "neck.", "classifier.": None},
        arguments={
            "image_size": options.image_size or (384, 128),
            "neck": "bnneck",
            "feature": "pooled",
            "unit_length": True,
            **HALF_COLOURS,
        },
        network={"family": "semantic_swin", "semantic_weight": weight},
        takes=frozenset({"semantic_weight"}),
        notes=(f"The semantic weight, which is not in the file, is {weight}, as in the codebase's test command.",)
        if options.semantic_weight is None
        else (),
    )


SOLIDER = Layout("SOLIDER-REID", _recognises, _read)
