"""The figures of a page. Each function takes plain values and returns a matplotlib Figure; nothing is written here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from strongreid.evaluation import METRICS, Verification
from strongreid.losses.objective import NOT_LOSSES, TOTAL
from strongreid.reports.drawing import (
    COLORS,
    DASHES,
    INK,
    WIDTH,
    add_legend,
    color_of,
    dashes_of,
    new_figure,
    plain_logarithmic,
    shortened,
)

PERCENT: Final = FuncFormatter(lambda value, tick: f"{100 * value:.4g} %")
"""Writes fractions as percent."""
EQUAL: Final = 1e-9
"""Average precisions that differ by no more are equal: they differ by rounding."""
BINS: Final = 10
"""Bars on either side of a histogram."""
BIN_POINTS: Final = (1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Widths of a bar, in points of average precision; ten of the last make 100."""
LONGEST_NAME_BESIDE_BARS: Final = 22
"""Characters of a row's name up to which bars have room beside it in a figure as wide as a phone."""
LONGEST_NAME: Final = 34
"""Characters of a row's name that are shown beside bars."""


def curves_figure(
    curves: Mapping[str, Sequence[Mapping[str, float]]],
    quantities: Sequence[str] = ("total",),
    *,
    label: str = "loss",
    percent: bool = False,
    logarithmic: bool = False,
) -> Figure:
    """Draw quantities of one or several runs over epochs; a point is the mean of an epoch's log lines.

    Args:
        curves: for each run its log, as `read_log` returns it: lines with `epoch` and named values.
        quantities: names of values, such as "identity"; a run that has none of them is left out.
        label: what the upright axis says.
        percent: the values are fractions, to be shown in percent.
        logarithmic: whether the upright axis is logarithmic, where all values are above 0.
    """
    figure, axes = new_figure()
    lines, names = [], []
    many_runs = len(curves) > 1
    for run, (name, log) in enumerate(curves.items()):
        for number, quantity in enumerate(quantities):
            epochs, means = by_epoch(log, quantity)
            if not len(epochs):
                continue
            look = run if many_runs else number
            lines += axes.plot(
                epochs,
                means,
                color=COLORS[look % len(COLORS)],
                linestyle=DASHES[(look // len(COLORS) + (number if many_runs else 0)) % len(DASHES)],
                marker="o" if len(epochs) <= 15 else None,
                markersize=4,
            )
            words = METRICS[quantity].label if quantity in METRICS else quantity.replace("_", " ")
            names.append(words if not many_runs else name if len(quantities) == 1 else f"{name}: {words}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    if logarithmic and axes.dataLim.ymin > 0:
        plain_logarithmic(axes)
    if percent:
        _in_percent(axes)
    if many_runs or len(quantities) > 1:
        add_legend(axes, lines, names)
    return figure


def loss_names(log: Iterable[Mapping[str, float]]) -> list[str]:
    """Return the names of the losses in a training's log, the total first: those of its objective."""
    lines = (line for line in log if TOTAL in line)
    return list(dict.fromkeys(name for line in lines for name in line if name not in NOT_LOSSES))


def by_epoch(
    log: Iterable[Mapping[str, float]], quantity: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the epochs that have the quantity in a log, and its mean in each: int64 [n], float64 [n]."""
    values: dict[int, list[float]] = {}
    for line in log:
        if quantity in line:
            values.setdefault(int(line["epoch"]), []).append(line[quantity])
    epochs = sorted(values)
    return np.array(epochs, dtype=np.int64), np.array([np.mean(values[epoch]) for epoch in epochs], dtype=np.float64)


def gains_figure(
    names: Sequence[str],
    values: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    paper: Sequence[float | None] | None = None,
) -> Figure:
    """Draw differences as horizontal bars with their intervals, the first at the top.

    Args:
        names: one a row, such as "+ BNNeck".
        values: the differences, in points.
        low: lower ends of their intervals, in points.
        high: upper ends.
        paper: the paper's differences, drawn as hollow diamonds; None where it has none.
    """
    rows = np.arange(len(names))
    width = WIDTH if max(map(len, names)) <= LONGEST_NAME_BESIDE_BARS else 5.6
    figure, axes = new_figure(width, 0.9 + 0.42 * len(names) + (0.35 if paper else 0))
    axes.barh(rows, values, height=0.55, color=[COLORS[0] if v >= 0 else COLORS[1] for v in values])
    reach = np.abs([np.subtract(values, low), np.subtract(high, values)])
    axes.errorbar(values, rows, xerr=reach, fmt="none", ecolor=INK, elinewidth=1.3, capsize=3.5)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(rows, labels=[shortened(name, LONGEST_NAME) for name in names], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("difference in mAP, points")
    axes.grid(visible=False, axis="y")
    if paper is not None:
        known = [(value, row) for row, value in enumerate(paper) if value is not None]
        marks = axes.plot(
            [value for value, _ in known],
            [row for _, row in known],
            linestyle="none",
            marker="D",
            markersize=7,
            markerfacecolor="white",
            markeredgecolor=INK,
            markeredgewidth=1.4,
        )
        handles: list[Artist] = [Patch(color=COLORS[0]), *marks]
        figure.legend(
            handles, ["measured, with its interval", "the paper's"], loc="outside upper left", ncols=2, frameon=False
        )
    return figure


def better_worse_figure(difference: npt.NDArray[np.float64]) -> Figure:
    """Draw how many queries got better and how many worse, by how much; the title counts them, and the equal ones.

    `difference` is each query's average precision minus that of before, -1 to 1: float64 [Q]. Equal ones have no bar:
    they are often so many that the others could not be seen beside them.
    """
    better, equal, worse = better_equal_worse(difference)
    points = 100 * difference
    reach = np.abs(points).max(initial=0)
    step = next((size for size in BIN_POINTS if BINS * size >= reach), BIN_POINTS[-1])
    edges = step * np.arange(BINS + 1)
    figure, axes = new_figure()
    for sign, color, hatch in ((1, COLORS[0], ""), (-1, COLORS[1], "////")):
        counts, _ = np.histogram(sign * points[sign * difference > EQUAL], edges)
        middles = sign * (edges[:-1] + step / 2)
        axes.bar(middles, counts, width=0.9 * step, color=color, hatch=hatch, edgecolor="white")
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_title(f"{better:,} better, {equal:,} equal, {worse:,} worse", fontsize=10, color=INK)
    axes.set_xlabel("difference in average precision, points")
    axes.set_ylabel("queries")
    axes.set_xlim(-1.02 * edges[-1], 1.02 * edges[-1])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def better_equal_worse(difference: npt.NDArray[np.float64]) -> tuple[int, int, int]:
    """Count queries whose average precision rose, stayed and fell; `difference` is float64 [Q], after minus before."""
    better, worse = int((difference > EQUAL).sum()), int((difference < -EQUAL).sum())
    return better, len(difference) - better - worse, worse


def cmc_figure(curves: Mapping[str, npt.NDArray[np.float64]], ranks: int = 20) -> Figure:
    """Draw cumulative matching characteristics: for each name float64 [50], as `RetrievalResult.cmc`."""
    figure, axes = new_figure()
    lines = []
    for line, cmc in enumerate(curves.values()):
        shown = cmc[:ranks]
        lines += axes.plot(
            np.arange(1, len(shown) + 1),
            shown,
            color=color_of(line),
            linestyle=dashes_of(line),
            marker="o",
            markersize=3.5,
        )
    axes.set_xlabel("rank k")
    axes.set_ylabel("queries with a match")
    axes.set_xticks([k for k in (1, 5, 10, 15, 20, 30, 40, 50) if k <= ranks])
    _in_percent(axes, up_to_all=True)
    if len(curves) > 1:
        add_legend(axes, lines, list(curves))
    return figure


def _in_percent(axes: Axes, *, up_to_all: bool = False) -> None:
    """Write the upright axis in percent, with no mark above 100 %, and with that mark if it goes `up_to_all`."""
    axes.yaxis.set_major_formatter(PERCENT)
    low, high = axes.get_ylim()
    above_all = 1 + 0.03 * (1 - low)
    axes.set_ylim(low, above_all if up_to_all else min(high, above_all))


def roc_figure(curves: Mapping[str, Verification]) -> Figure:
    """Draw the true-match rate over the false-match rate (logarithmic), with the usual working points."""
    figure, axes = new_figure()
    lines = []
    for line, found in enumerate(curves.values()):
        least = min(max(1e-5, 1 / found.different_pairs), 0.1)
        rates = np.geomspace(least, 1, 300)
        reached = [found.true_match_rate_at(rate) for rate in rates]
        lines += axes.plot(rates, reached, color=color_of(line), linestyle=dashes_of(line))
        points = [rate for rate in (1e-3, 1e-2) if rate >= least]
        axes.plot(points, [found.true_match_rate_at(r) for r in points], "o", color=color_of(line))
        error = found.equal_error_rate
        axes.plot([error], [1 - error], "D", color="white", markeredgecolor=color_of(line), markersize=7)
    axes.set_xlabel("false-positive rate (FPR)")
    axes.set_ylabel("true-positive rate (TPR)")
    rate_over_rate(axes)
    if len(curves) > 1:
        add_legend(axes, lines, list(curves))
    return figure


def rate_over_rate(axes: Axes) -> None:
    """Write both axes in percent: all of the upright one, the level one logarithmic."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(PERCENT)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylim(-0.02, 1.02)
