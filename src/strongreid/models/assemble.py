"""A model from its arguments and all of its weights: what fits is known before anything of that size is made."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from strongreid.errors import InputError
from strongreid.models.foreign.keys import shapes_of, under
from strongreid.models.foreign.networks import allocated, build_network
from strongreid.models.weights import load_exactly, refuse_misfits

Model = TypeVar("Model", bound=nn.Module)


def assemble(
    make: Callable[..., Model],
    arguments: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    *,
    source: str,
    names: Mapping[str, str] | None = None,
    new_classifier: bool = False,
) -> Model:
    """Make a `ReIDModel` from its arguments, with weights that `source` holds under `names` of its own.

    A `network` among the arguments is built as the backbone. `new_classifier`: the classifier is not among the weights;
    it becomes 0. Raises `InputError` for weights that do not fit.
    """
    arguments, network = dict(arguments), arguments.get("network")
    if not new_classifier:
        _refuse_other_people(arguments, weights, source)
    if network is not None:
        with torch.device("meta"):  # shapes without values
            arguments["backbone"] = build_network(network, under(shapes_of(weights), "backbone."))
            try:
                model = make(**arguments)
            except (ArithmeticError, AttributeError, LookupError, TypeError) as error:  # when one image is sent through
                reason = f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0]
                raise InputError(
                    f"The network that {source} describes cannot be run ({reason}). Copy it again."
                ) from error
    else:
        with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten: leave no trace
            model = make(**arguments)
    wanted = model.state_dict()
    if new_classifier:
        blank = {name: torch.zeros(value.shape) for name, value in wanted.items() if name.startswith("classifier.")}
        weights = {**weights, **blank}
    refuse_misfits(wanted, weights, source=source, names=names)
    if network is not None:
        for name, part in list(model.named_children()):
            if name == "backbone":
                model.backbone = allocated(part, network, under(shapes_of(weights), "backbone."))
            else:
                part.to_empty(device="cpu")
    load_exactly(model, weights, source=source)
    return model


def _refuse_other_people(arguments: Mapping[str, Any], weights: Mapping[str, Tensor], source: str) -> None:
    """Refuse a number of people that is not the classifier's: it is a number in a file, and memory is made by it."""
    classifier = weights.get("classifier.weight")
    if classifier is not None and len(classifier) != arguments["people"]:
        raise InputError(
            f"The weights of {source} are of another architecture: the classifier is for {len(classifier)} people, not "
            f"for {arguments['people']}. Copy it again."
        )
