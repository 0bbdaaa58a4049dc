"""From the content of a checkpoint file to what it is: unwrapped, recognised by its names, renamed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.models.foreign.clip_reid import CLIP_REID
from strongreid.models.foreign.efficientnet_lite import EFFICIENTNET_LITE
from strongreid.models.foreign.fast_reid import FAST_REID
from strongreid.models.foreign.imagenet import IMAGENET
from strongreid.models.foreign.keys import rename, shapes_of
from strongreid.models.foreign.layout import Foreign, Layout, Options
from strongreid.models.foreign.layumi import LAYUMI
from strongreid.models.foreign.light_mbn import LIGHT_MBN
from strongreid.models.foreign.solider import SOLIDER
from strongreid.models.foreign.strong_baseline import STRONG_BASELINE
from strongreid.models.foreign.torchreid import TORCHREID
from strongreid.models.foreign.transreid import TRANSREID
from strongreid.models.weights import listed

LAYOUTS: tuple[Layout, ...] = (
    FAST_REID,
    STRONG_BASELINE,
    TORCHREID,
    LAYUMI,
    TRANSREID,
    CLIP_REID,
    SOLIDER,
    LIGHT_MBN,
    EFFICIENTNET_LITE,
    IMAGENET,
)
"""All that are known; each recognises its own files alone."""
_WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "network", "weights")
"""Names under which trainers put the state dict, beside epochs and optimisers."""
_PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel, averaging and torch.compile put before every name."""


class Recognised(NamedTuple):
    """A state dict whose codebase is known, under our names."""

    foreign: Foreign
    weights: dict[str, Tensor]
    """By the names of a `ReIDModel`."""
    dropped: list[str]
    """Names of the file that a feature does not need, as class weights."""
    source: dict[str, str]
    """What each of `weights` is called in the file."""


def state_dict_in(content: object) -> dict[str, Tensor] | None:
    """Find the state dict in what a file holds, and take from its names what wrappers put before them.

    None where there is none, and for values in it that are no tensors.
    """
    for _ in _WRAPPERS:
        inside = [content[name] for name in _WRAPPERS if name in content] if isinstance(content, Mapping) else []
        if not inside or not isinstance(inside[0], Mapping):
            break
        content = inside[0]
    if not isinstance(content, Mapping) or not content:
        return None
    state = {name: _as_tensor(value) for name, value in content.items() if name != "n_averaged"}
    if not all(isinstance(name, str) and value is not None for name, value in state.items()):
        return None
    while prefix := next((one for one in _PREFIXES if all(name.startswith(one) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return {name: value for name, value in state.items() if value is not None}


def _as_tensor(value: object) -> Tensor | None:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
        return torch.from_numpy(np.array(value))
    return value if isinstance(value, Tensor) else None


def find_layout(state: Mapping[str, Tensor]) -> Layout | None:
    """Tell by its names which codebase a state dict is of; None for one that none knows."""
    shapes = shapes_of(state)
    return next((layout for layout in LAYOUTS if layout.recognises(shapes)), None)


def recognise(state: Mapping[str, Tensor], layout: Layout, options: Options) -> Recognised:
    """Read a state dict of a codebase and rename it.

    Raises `InputError` for a codebase's network that cannot be converted, for names that its files do not have, and for
    options that say nothing about it.
    """
    shapes = shapes_of(state)
    try:
        foreign = layout.read(shapes, options)
    except (KeyError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"The weights look like {layout.codebase}'s, but are incomplete ({type(error).__name__}: {error})."
        ) from error
    if useless := options.given.keys() - foreign.takes - {"image_size"}:
        raise InputError(f"`{min(useless)}` says nothing about {foreign.name}. Leave it out.")
    renamed, dropped, unknown = rename(state, foreign.rules)
    if unknown:
        raise InputError(
            f"The weights are of {foreign.name}, but {len(unknown)} names are not known there: {listed(unknown)}."
        )
    weights = {ours: state[theirs] for theirs, ours in renamed.items()}
    weights |= {ours: torch.tensor([value]) for ours, value in foreign.constants.items()}
    source = {ours: theirs for theirs, ours in renamed.items()}
    return Recognised(_with_colours(foreign, state), weights, dropped, source)


def _with_colours(foreign: Foreign, state: Mapping[str, Tensor]) -> Foreign:
    """Take mean and deviation from the file where it has them."""
    if foreign.colours is None:
        return foreign
    mean, std = (tuple((state[name].double().flatten() / 255).tolist()) for name in foreign.colours)
    return replace(foreign, arguments={**foreign.arguments, "mean": mean, "std": std})
