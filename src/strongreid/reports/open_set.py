"""Open-set identification on a page: misses over false answers, and with how many enrolled people they grow."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from strongreid.evaluation import Identification, Interval
from strongreid.reports.console import in_percent
from strongreid.reports.drawing import add_legend, color_of, dashes_of, new_figure
from strongreid.reports.images import figure_picture
from strongreid.reports.page import Block, Headline, Headlines, Pictures, Section, Text
from strongreid.reports.plots import rate_over_rate

TITLE: Final = "Strangers"
"""Title of the section."""
LEAST_RATE: Final = 1e-4
"""Where the level axis begins at the latest: with more strangers than that it would be mostly empty."""


def open_set_section(
    sizes: Mapping[int, Identification],
    rates: Sequence[float],
    intervals: Sequence[Interval | None],
    remarks: Sequence[str] = (),
) -> Section:
    """Return the rates of open-set identification with their intervals, and the curve.

    Args:
        sizes: results by the number of enrolled people; the largest is the one that figures are of.
        rates: false-positive identification rates, and
        intervals: of FNIR at each of them.
        remarks: sentences beside the figures, such as what they cannot say.
    """
    people = max(sizes)
    found = sizes[people]
    figures = [
        Headline(
            f"FNIR at FPIR {in_percent(rate)}",
            in_percent(found.fnir(rate)),
            "" if one is None else f"95 %: {in_percent(one.low)} to {in_percent(one.high)}",
            None if one is None else (one.low, one.value, one.high),
        )
        for rate, one in zip(rates, intervals, strict=True)
    ]
    blocks: list[Block] = [Headlines(figures), *map(Text, remarks)]
    if found.enrolled_searches and found.unknown_searches:
        said = ", ".join(f"{in_percent(found.fnir(rate))} at {in_percent(rate)}" for rate in rates)
        caption = "A point: one threshold. Left is strict, right is lenient; more people enrolled are harder."
        blocks.append(Pictures([figure_picture(open_set_figure(sizes), f"FNIR over FPIR: {said}", caption)]))
    lead = (
        f"{people:,} people are enrolled, the others are strangers ({found.protocol}). FPIR is the share of "
        f"{found.unknown_searches:,} searches for strangers that get an answer, FNIR that of "
        f"{found.enrolled_searches:,} searches for enrolled people that do not get theirs; the detection rate is "
        "1 - FNIR. Intervals are over people."
    )
    return Section(TITLE, blocks, lead)


def open_set_figure(sizes: Mapping[int, Identification]) -> Figure:
    """Draw FNIR over FPIR (logarithmic), a line for each number of enrolled people, the most first.

    At an FPIR of 0, which such an axis does not have, the line begins at the left edge.
    """
    figure, axes = new_figure()
    lines, names = [], []
    for line, (people, found) in enumerate(sorted(sizes.items(), reverse=True)):
        if not (found.enrolled_searches and found.unknown_searches):
            continue
        points = found.curve()
        least = max(0.5 / found.unknown_searches, LEAST_RATE)
        lines += axes.plot(
            np.maximum(points.fpir, least),
            points.fnir,
            color=color_of(line),
            linestyle=dashes_of(line),
            drawstyle="steps-post",
        )
        names.append(f"{people:,} enrolled")
    axes.set_xlabel("strangers with an answer (FPIR)")
    axes.set_ylabel("missed (FNIR)")
    rate_over_rate(axes)
    if len(lines) > 1:
        add_legend(axes, lines, names)
    return figure
