"""The picture of a demo: for each query a row, in it what every network ranks first, side by side.

Right and wrong differ in three signs (mark, dashes, colour), so that nobody needs to see red and green. All is drawn on
one pair of axes whose unit is an inch, with its origin at the top left: positions then are what a ruler would say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from strongreid.files import atomic_file
from strongreid.reports.drawing import INK, LINE, RIGHT, SOFT, WRONG, save, shortened

DPI: Final = 140
"""An image of 128 x 64 pixels is then drawn at its own size."""
WIDTH: Final = 0.45
"""Inches of an image."""
STEP: Final = 0.5
"""Inches from one rank to the next."""
QUERY: Final = 0.85
"""Inches of the column of queries."""
LEAST_WIDTH: Final = 6.5
"""Inches that the legend takes."""
MARGIN, BETWEEN_NETWORKS, HEAD, CAPTION, BETWEEN_ROWS = 0.2, 0.3, 1.2, 0.22, 0.16
LEGEND: Final = (
    "✓ and a full frame: the same person      ✗ and a dashed frame: somebody else      AP: average precision"
)


@dataclass(frozen=True)
class Strip:
    """What a network found for a query.

    Attributes:
        found: the gallery images, nearest first, each uint8 [3, H, W].
        right: for each of them, whether it shows the query's person.
        average_precision: over the whole gallery, 0 to 1; NaN where the gallery has no match.
    """

    found: Sequence[npt.NDArray[np.uint8]]
    right: Sequence[bool]
    average_precision: float


@dataclass(frozen=True)
class QueryRow:
    """A query, uint8 [3, H, W], with a strip for each network by its name, and words above it such as "occluded"."""

    query: npt.NDArray[np.uint8]
    strips: Mapping[str, Strip]
    label: str = ""


def draw_strips(rows: Sequence[QueryRow], path: Path, *, title: str) -> None:
    """Write `strips_figure` as a PNG."""
    with atomic_file(path) as partial:
        save(strips_figure(rows, title), partial, "png", dpi=DPI)


def strips_figure(rows: Sequence[QueryRow], title: str) -> Figure:
    """Draw a row for each query (at least one); the networks are those of the first, their names above the columns."""
    networks = list(rows[0].strips)
    ranks = max(1, *(len(strip.found) for row in rows for strip in row.strips.values()))
    height = WIDTH * rows[0].query.shape[1] / rows[0].query.shape[2]
    lefts = [MARGIN + QUERY + index * (ranks * STEP + BETWEEN_NETWORKS) for index in range(len(networks))]
    tops = [HEAD + CAPTION + index * (CAPTION + height + BETWEEN_ROWS) for index in range(len(rows))]
    figure, axes = _inches(max(LEAST_WIDTH, lefts[-1] + ranks * STEP + MARGIN), tops[-1] + height + MARGIN)
    _write(axes, MARGIN, 0.35, title, size=13, weight="bold")
    _write(axes, MARGIN, 0.62, LEGEND, color=SOFT)
    _write(axes, MARGIN, HEAD - 0.06, "query", color=SOFT)
    for left, name in zip(lefts, networks, strict=True):
        _write(axes, left, HEAD - 0.26, shortened(name, max(12, int(10 * ranks * STEP))), size=10, weight="bold")
        for rank in range(ranks):
            _write(axes, left + rank * STEP + WIDTH / 2, HEAD - 0.06, str(rank + 1), color=SOFT, align="center")
    for upper, lower in pairwise(tops):
        middle = (upper + height + lower - CAPTION) / 2
        axes.plot([MARGIN, axes.get_xlim()[1] - MARGIN], [middle, middle], color=LINE, linewidth=0.8)
    for top, row in zip(tops, rows, strict=True):
        _write(axes, MARGIN, top - 0.05, shortened(row.label, 12), weight="bold")
        _image(axes, row.query, MARGIN, top, height)
        axes.add_patch(Rectangle((MARGIN, top), WIDTH, height, fill=False, edgecolor=INK, linewidth=1.5))
        for left, name in zip(lefts, networks, strict=True):
            _strip(axes, row.strips[name], left, top, height)
    return figure


def _inches(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure and its axes: x and y in inches from its top left corner."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return figure, axes


def _strip(axes: Axes, strip: Strip, left: float, top: float, height: float) -> None:
    precision = strip.average_precision
    _write(axes, left, top - 0.05, "no match" if isnan(precision) else f"AP {100 * precision:.0f} %")
    for rank, (image, right) in enumerate(zip(strip.found, strip.right, strict=True)):
        x, color = left + rank * STEP, RIGHT if right else WRONG
        _image(axes, image, x, top, height)
        frame = Rectangle((x, top), WIDTH, height, fill=False, edgecolor=color, linewidth=2)
        frame.set_linestyle("-" if right else (0, (2.5, 1.5)))
        axes.add_patch(frame)
        mark = axes.text(x + WIDTH - 0.07, top + height - 0.07, "✓" if right else "✗", fontsize=7, color="white")
        mark.set(weight="bold", ha="center", va="center")
        mark.set_bbox({"boxstyle": "circle,pad=0.15", "facecolor": color, "edgecolor": "white", "linewidth": 0.8})


def _image(axes: Axes, image: npt.NDArray[np.uint8], left: float, top: float, height: float) -> None:
    box = (left, left + WIDTH, top + height, top)
    axes.imshow(image.transpose(1, 2, 0), interpolation="bilinear", aspect="auto", extent=box)


def _write(
    axes: Axes,
    x: float,
    y: float,
    words: str,
    *,
    size: float = 8,
    color: str = INK,
    weight: str = "normal",
    align: str = "left",
) -> None:
    """Write a line at its foot; names come from the user, so nothing is read as mathematics."""
    axes.text(x, y, words, fontsize=size, color=color, weight=weight, ha=align, va="baseline", parse_math=False)
