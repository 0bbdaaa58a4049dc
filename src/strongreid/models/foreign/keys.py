"""Names and shapes of a state dict, and what can be read off them."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from torch import Tensor

from strongreid.errors import InputError

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor by its name."""


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a state dict."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


Value = TypeVar("Value")


def under(named: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """Return what lies under a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def children(shapes: Iterable[str], prefix: str) -> int:
    """Count the numbered modules under a prefix, as the blocks `layer1.0.` to `layer1.2.` under `layer1.`.

    Raises `InputError` for a gap in the numbers: nothing is built by the size of a number in a file.
    """
    numbered = re.compile(re.escape(prefix) + r"(\d{1,4})\.")
    found = {int(match[1]) for name in shapes if (match := numbered.match(name))}
    if missing := set(range(max(found, default=-1) + 1)) - found:
        raise InputError(
            f"The weights lack {prefix}{min(missing)}, but have {prefix}{max(found)}. Copy the file again."
        )
    return len(found)


Rules = Mapping[str, str | None]
"""What becomes of names by how they begin, the longest beginning first: another beginning; None leaves them out."""


def rename(names: Iterable[str], rules: Rules) -> tuple[dict[str, str], list[str], list[str]]:
    """Apply rules to names: what each becomes, those left out, and those that no rule knows."""
    beginnings = sorted(rules, key=len, reverse=True)
    renamed, dropped, unknown = {}, [], []
    for name in names:
        beginning = next((one for one in beginnings if name.startswith(one)), None)
        if beginning is None:
            unknown.append(name)
        elif (other := rules[beginning]) is None:
            dropped.append(name)
        else:
            renamed[name] = other + name.removeprefix(beginning)
    return renamed, dropped, unknown
