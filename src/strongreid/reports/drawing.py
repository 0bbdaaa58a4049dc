"""The style of all figures: size, colours, text.

Figures are about as wide as a phone and carry text of 10 points, so that on a phone 8 points are left. Colours are
Okabe and Ito's, which most colour-blind people can tell apart, and never the only sign. Names come from the user, so
no text is read as mathematics.
"""

from collections.abc import Sequence
from typing import Final

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter

COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES: Final = ("-", "--", "-.", ":")
INK, SOFT, LINE = "#222222", "#66625c", "#e3dfd8"
WIDTH, HEIGHT = 4.3, 3.0
"""Inches of a figure."""


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


def color_of(place: int) -> str:
    """Return the colour of the line at `place`, from 0."""
    return COLORS[place % len(COLORS)]


def dashes_of(place: int) -> str:
    """Return its dashes: full until the colours are used up."""
    return DASHES[place // len(COLORS) % len(DASHES)]


def plain_logarithmic(axes: Axes) -> None:
    """Make the upright axis logarithmic, with plain numbers at 1, 2, 5, 10, ..."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def add_legend(axes: Axes, lines: Sequence[Artist], names: Sequence[str]) -> None:
    """Add a legend. The names are put in afterwards: matplotlib hides labels that begin with an underscore."""
    if not lines:
        return
    legend = axes.legend(lines, [str(place) for place in range(len(lines))], frameon=False, fontsize=10)
    texts: list[Text] = legend.get_texts()
    for text, name in zip(texts, names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
