"""Checkpoints of other codebases become models like any other: recognised, renamed, loaded whole or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from strongreid.errors import InputError
from strongreid.models.assemble import assemble
from strongreid.models.checkpoint import read_checkpoint
from strongreid.models.foreign.layout import Foreign, Options
from strongreid.models.foreign.recognise import LAYOUTS, find_layout, recognise, state_dict_in
from strongreid.models.model import ReIDModel
from strongreid.models.start import own_model
from strongreid.models.weights import described


@dataclass(frozen=True)
class Converted:
    """A checkpoint as a model, and what became of its content."""

    model: ReIDModel
    foreign: Foreign
    """What it was recognised as."""
    dropped: list[str]
    """Names in the file that features do not need, such as class weights."""


def load_foreign(
    source: str | Path | Mapping[str, object],
    *,
    image_size: tuple[int, int] | None = None,
    last_stride: int | None = None,
    semantic_weight: float | None = None,
    camera_coefficient: float | None = None,
) -> ReIDModel:
    """Load a checkpoint of another codebase as a model, in eval mode.

    `load_foreign("market_bot_R50.pth").embed(images)`: `embed` does all that the codebase's own test does with an
    image (size and interpolation, colours, mirror image, which feature, unit length). `source`: a file, or what
    `torch.load` gives for one. The other arguments say what files do not hold, where the codebase's default is not
    meant: see `models.foreign.layout.Options`.

    Raises `InputError` for a file that cannot be read or is of no known codebase, and for weights that are missing, of
    another shape, or more than the codebase's.
    """
    return convert(source, Options(image_size, last_stride, semantic_weight, camera_coefficient)).model


def convert(source: str | Path | Mapping[str, object], options: Options) -> Converted:
    """Do the same as `load_foreign`, and say what was found."""
    content: object = source
    name = "the checkpoint"
    if isinstance(source, str | Path):
        name = str(source)
        if own_model(Path(source)) is not None:
            raise InputError(f"{name} is a model of strongreid already: ReIDModel.load reads it.")
        content = read_checkpoint(Path(source))
    try:
        state = state_dict_in(content)
        if state is None:
            raise InputError(
                f"There is no state dict: it holds {described(content)}, not all of it tensors. Save the network's "
                "state_dict()."
            )
        layout = find_layout(state)
        if layout is None:
            known = ", ".join(one.codebase for one in LAYOUTS)
            raise InputError(f"Its names ({', '.join(list(state)[:4])}, ...) are of no known codebase: {known}.")
        if layout.beside is not None and isinstance(source, str | Path):
            options = replace(layout.beside(Path(source).parent), **options.given)
        found = recognise(state, layout, options)
        weights = {key: value.float() if value.is_floating_point() else value for key, value in found.weights.items()}
        arguments = {"backbone": "", **found.foreign.arguments, "people": 1, "network": found.foreign.network}
        model = assemble(
            ReIDModel, arguments, weights, source=found.foreign.name, names=found.source, new_classifier=True
        )
    except InputError as error:
        raise InputError(f"{name} cannot be converted. {error}") from error
    return Converted(model.eval(), found.foreign, found.dropped)
