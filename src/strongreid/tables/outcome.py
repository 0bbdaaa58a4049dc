"""What was measured for each row: means over seeds, differences from the row above, and whether these are chance.

A row's difference is tested over the queries (paired, averaged over seeds first). That knows nothing of the spread
between trainings: the standard deviation over seeds stands beside each figure, and with one seed there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation import HEADLINE, METRICS, PairedTest, RetrievalResult, bootstrap_interval, paired_test
from strongreid.runs.folder import Run
from strongreid.tables.plan import Direction, Measurement, Sweep
from strongreid.tables.spec import PaperFigure, Row

COST = ("training_seconds", "images_per_second", "peak_memory_mb")


@dataclass(frozen=True)
class VersusPaper:
    """A measured figure beside the published one, in points."""

    difference: float
    """Measured minus published."""
    low: float
    """Lower end of the measured figure's 95 % bootstrap interval over queries, the mean over seeds."""
    high: float
    """Its upper end."""
    published: float

    @property
    def within(self) -> bool:
        """Whether the difference may be chance: the published figure lies in the interval."""
        return self.low <= self.published <= self.high


@dataclass(frozen=True)
class RowOutcome:
    """One row in one direction: what was measured, and how it differs from the row above."""

    row: Row
    direction: Direction
    values: dict[str, tuple[float, ...]]
    """For each of `METRICS` one value a seed; empty while nothing is measured."""
    cmc: npt.NDArray[np.float64] | None
    """Cumulative matching characteristic, float64 [50], the mean over seeds; None while nothing is measured."""
    above: str | None
    """Name of the row it is compared with."""
    gains: dict[str, PairedTest]
    """This row minus the one above, for each of `HEADLINE`; empty where nothing is compared."""
    paper: PaperFigure | None
    paper_gain: float | None
    """The paper's mAP minus that of the paper's row above, in points."""
    versus_paper: dict[str, VersusPaper] | None
    """Figures of `HEADLINE` beside the paper's, where data set and settings are the paper's own."""
    cost: dict[str, float | None]
    """For each of `COST` the mean over seeds; None where it is not known. Rows may share a training."""


def outcomes(sweep: Sweep) -> list[RowOutcome]:
    """Sum up what is measured so far; a row's seeds count once all of them are there."""
    found = []
    for direction in sweep.directions:
        before: tuple[Row, list[RetrievalResult]] | None = None
        for row in sweep.rows:
            items = [item for item in sweep.measurements if item.row == row and item.direction == direction]
            ready = items and all(item.done for item in items)
            results = [_measured(item) for item in items] if ready else []
            found.append(_outcome(row, direction, items, results, before))
            if results:
                before = (row, results)
    return found


def _measured(item: Measurement) -> RetrievalResult:
    try:
        return RetrievalResult.load(item.file)
    except InputError as error:
        raise InputError(f"{error} Remove the file: the same command then measures {item.row.name} again.") from error


def _outcome(
    row: Row,
    direction: Direction,
    items: Sequence[Measurement],
    results: list[RetrievalResult],
    before: tuple[Row, list[RetrievalResult]] | None,
) -> RowOutcome:
    paper = row.paper.get(direction.paper)
    above = before[0].paper.get(direction.paper) if before else None
    compared = before if results else None
    return RowOutcome(
        row=row,
        direction=direction,
        values={name: tuple(metric(result) for result in results) for name, metric in METRICS.items()},
        cmc=np.mean([result.cmc for result in results], axis=0) if results else None,
        above=compared[0].name if compared else None,
        gains={name: paired_test(compared[1], results, name) for name in HEADLINE} if compared else {},
        paper=paper,
        paper_gain=paper.mean_ap - above.mean_ap if paper and above else None,
        versus_paper=_versus_paper(results, paper) if paper and results and direction.like_paper else None,
        cost=_cost(items) if results else dict.fromkeys(COST),
    )


def _versus_paper(results: Sequence[RetrievalResult], paper: PaperFigure) -> dict[str, VersusPaper]:
    found = {}
    for name in HEADLINE:
        published: float = getattr(paper, name)
        intervals = [bootstrap_interval(result, name) for result in results]
        value, low, high = (100 * mean(getattr(item, end) for item in intervals) for end in ("value", "low", "high"))
        found[name] = VersusPaper(value - published, low, high, published)
    return found


def _cost(items: Sequence[Measurement]) -> dict[str, float | None]:
    records = [Run(item.training.folder).metrics for item in items]
    found: dict[str, float | None] = {}
    for name in COST:
        known = [record[name] for record in records if record.get(name) is not None]
        found[name] = mean(known) if len(known) == len(records) else None
    return found


def spread(values: Sequence[float]) -> str:
    """Return the mean over seeds in percent, with its standard deviation where there are several; empty for none."""
    if not values:
        return ""
    percent = [100 * value for value in values]
    return f"{mean(percent):.1f}" + (f" ± {stdev(percent):.1f}" if len(percent) > 1 else "")
