"""Strips of ranked images: a query, then the gallery images that a model found nearest, framed green or red."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from strongreid.files import atomic_file

GREEN, RED, DARK, GREY = "#1a9850", "#d73027", "#222222", "#777777"
SHORT_EDGE_INCHES = 0.62
"""Width of one image in the picture."""


@dataclass(frozen=True)
class Strip:
    """One query and what was found for it.

    Attributes:
        label: What stands to the left of the strip, such as the model's name.
        query: The query image, uint8 [3, H, W].
        found: The gallery images, nearest first, each uint8 [3, H, W].
        correct: For each of them, whether it shows the query's person.
    """

    label: str
    query: npt.NDArray[np.uint8]
    found: Sequence[npt.NDArray[np.uint8]]
    correct: Sequence[bool]


def draw_strips(groups: Sequence[Sequence[Strip]], path: Path, *, title: str) -> None:
    """Write a PNG with a row for each strip; the strips of a group (the same query) stand close together."""
    rows = sum(len(group) for group in groups)
    columns = max(len(strip.found) for group in groups for strip in group)
    _, height, width = groups[0][0].query.shape
    tall = SHORT_EDGE_INCHES * height / width
    label_inches, gap, between = 1.35, 0.1, 0.28
    total_width = label_inches + (columns + 1) * (SHORT_EDGE_INCHES + gap) + 0.35
    total_height = 0.75 + rows * (tall + gap) + len(groups) * between
    figure = Figure(figsize=(total_width, total_height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.15 / total_width, 1 - 0.3 / total_height, title, fontsize=11, color=DARK, weight="bold", va="center")

    def place(image: npt.NDArray[np.uint8], left: float, top: float, color: str, width_points: float) -> None:
        box = (
            left / total_width,
            1 - (top + tall) / total_height,
            SHORT_EDGE_INCHES / total_width,
            tall / total_height,
        )
        axes = figure.add_axes(box)
        axes.imshow(image.transpose(1, 2, 0), interpolation="bilinear", aspect="auto")
        axes.set_axis_off()
        axes.add_patch(
            Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=color, linewidth=width_points)
        )

    top = 0.75
    first_left = label_inches + SHORT_EDGE_INCHES + gap + 0.2
    for column in range(columns):
        center = first_left + column * (SHORT_EDGE_INCHES + gap) + SHORT_EDGE_INCHES / 2
        figure.text(center / total_width, 1 - 0.62 / total_height, str(column + 1), fontsize=8, color=GREY, ha="center")
    figure.text(
        (label_inches + SHORT_EDGE_INCHES / 2) / total_width,
        1 - 0.62 / total_height,
        "query",
        fontsize=8,
        color=GREY,
        ha="center",
    )
    for group in groups:
        for strip in group:
            middle = 1 - (top + tall / 2) / total_height
            figure.text(0.15 / total_width, middle, strip.label, fontsize=8, color=DARK, va="center")
            place(strip.query, label_inches, top, DARK, 1.5)
            for column, (image, correct) in enumerate(zip(strip.found, strip.correct, strict=True)):
                left = first_left + column * (SHORT_EDGE_INCHES + gap)
                place(image, left, top, GREEN if correct else RED, 4)
            top += tall + gap
        top += between
    with atomic_file(path) as partial:
        figure.savefig(partial, format="png")
