"""The style of all figures: size, colours, text.

Figures are about as wide as a phone and carry text of 10 points, so that on a phone 8 points are left. Colours are
Okabe and Ito's, which most colour-blind people can tell apart, and never the only sign. Names come from the user, so
no text is read as mathematics.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, Literal

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES: Final = ("-", "--", "-.", ":")
INK, SOFT, LINE = "#222222", "#66625c", "#e3dfd8"
RIGHT, WRONG = "#117a3d", "#c4281d"
"""Frames and marks of the same person and of somebody else; white on them, and they on white, are text (4.5 : 1)."""
WIDTH, HEIGHT = 4.3, 3.0
"""Inches of a figure."""
MOST_NAMES_INSIDE: Final = 2
LONGEST_NAME_BESIDE_ANOTHER: Final = 20
"""Characters of a name, so that two columns of a legend are no wider than a figure."""
LONGEST_NAME_IN_LEGEND: Final = 40
LINE_INCHES: Final = 0.21
"""Height of a line of a legend."""
LINES_WITHIN: Final = 2
"""Lines of a legend below, for which a figure does not grow: then figures beside each other are equally high."""
MANY_DECADES: Final = 1e3
"""Ratio of the ends of a logarithmic axis from which on it has room for whole decades only."""


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Return an empty figure of that many inches and its axes, in the style of all."""
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SOFT)
    axes.tick_params(color=SOFT, labelcolor=INK, labelsize=10)
    axes.xaxis.label.set_fontsize(10)
    axes.yaxis.label.set_fontsize(10)
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def color_of(line: int) -> str:
    """Return the colour of a figure's line, counted from 0."""
    return COLORS[line % len(COLORS)]


def dashes_of(line: int) -> str:
    """Return its dashes: full until the colours are used up."""
    return DASHES[line // len(COLORS) % len(DASHES)]


def plain_logarithmic(axes: Axes) -> None:
    """Make the upright axis logarithmic, with plain numbers at 1, 2, 5, 10, ..., over many decades at 1, 10, ..."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < MANY_DECADES else (1,)))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, tick: np.format_float_positional(float(f"{value:.6g}"), trim="-"))
    )
    axes.yaxis.set_minor_formatter(NullFormatter())


def shortened(name: str, most: int) -> str:
    """Return a name of at most so many characters, on one line, its end left out and what no font can draw as �.

    Names come from the user: they have any length, and those of files may not even be Unicode.
    """
    drawable = "".join(letter if letter.isprintable() else "�" for letter in name)
    return drawable if len(drawable) <= most else f"{drawable[: most - 1]}…"


def save(figure: Figure, to: Path | IO[bytes], kind: Literal["svg", "png"], dpi: float = 170) -> None:
    """Write a figure on white, the same bytes each time; letters that the font lacks become boxes without a warning."""
    named = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "strongreid", "svg.fonttype": "path"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(to, format=kind, dpi=dpi, facecolor="white", metadata=named)


def add_legend(axes: Axes, lines: Sequence[Artist], names: Sequence[str]) -> None:
    """Add a legend; one of more than two names lies below the axes, where it hides nothing."""
    if not lines:
        return
    numbers = [str(line) for line in range(len(lines))]
    if len(lines) <= MOST_NAMES_INSIDE:
        legend = axes.legend(lines, numbers, frameon=False, fontsize=10)
    else:
        columns = 1 if max(map(len, names)) > LONGEST_NAME_BESIDE_ANOTHER else 2
        figure = axes.get_figure(root=True)
        assert figure is not None
        needed = -(-len(lines) // columns)
        figure.set_figheight(figure.get_figheight() + (LINE_INCHES * needed if needed > LINES_WITHIN else 0))
        legend = figure.legend(lines, numbers, loc="outside lower center", ncols=columns, frameon=False, fontsize=10)
    # The names are put in afterwards: matplotlib hides labels that begin with an underscore.
    texts: list[Text] = legend.get_texts()
    for text, name in zip(texts, names, strict=True):
        text.set_parse_math(False)
        text.set_text(shortened(name, LONGEST_NAME_IN_LEGEND))
