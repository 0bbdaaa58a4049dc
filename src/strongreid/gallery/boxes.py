"""Boxes of larger pictures in a path, as the W3C's media fragments write them: frame.jpg#xywh=10,20,64,128."""

import re
from collections.abc import Sequence

_BOX = re.compile(r"(.*)#xywh=(-?\d{1,9}),(-?\d{1,9}),(\d{1,9}),(\d{1,9})", re.DOTALL)


def with_box(path: str, box: Sequence[int] | None) -> str:
    """Return a path with its box (x, y, width, height in pixels), if it has one."""
    return path if box is None else f"{path}#xywh={','.join(map(str, box))}"


def split_box(text: str) -> tuple[str, tuple[int, int, int, int] | None]:
    """Return the path and the box of `with_box`."""
    found = _BOX.fullmatch(text)
    if found is None:
        return text, None
    x, y, width, height = map(int, found.groups()[1:])
    return found[1], (x, y, width, height)
