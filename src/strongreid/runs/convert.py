"""Converting a checkpoint: what it was recognised as, what was left out, what the model wants of images."""

from pathlib import Path

from strongreid.models import convert
from strongreid.models.foreign.layout import Options
from strongreid.reports.console import Console

_NAMES_SHOWN = 4


def convert_file(file: Path, output: Path, options: Options, console: Console) -> None:
    """Convert the checkpoint `file` to the model file `output`, and say what was found.

    Raises `InputError` as `models.convert` does, before anything is written.
    """
    converted = convert(file, options)
    model, foreign, dropped = converted.model, converted.foreign, converted.dropped
    height, width = model.image_size
    camera = "; it takes each image's camera" if model.takes_camera else ""
    length = ", of length one" if model.unit_length else ""
    shown = ", ".join(dropped[:_NAMES_SHOWN]) + (" ..." if len(dropped) > _NAMES_SHOWN else "")
    console.say(
        f"Recognised: {foreign.name}",
        f"Left out: {len(dropped)} tensors that features do not need ({shown})" if dropped else "Left out: nothing",
        f"Images: {height} x {width} pixels, {model.interpolation}{camera}",
        f"Features: {model.width} values, {model.feature}{length}, compared by {model.metric} distance",
        *(f"Note: {note}" for note in foreign.notes),
    )
    model.save(output, {"converted_from": foreign.name, "converted_file": file.name})
    console.say(f"Written: {output} ({output.stat().st_size / 1e6:.1f} MB); ReIDModel.load({str(output)!r}) reads it.")
