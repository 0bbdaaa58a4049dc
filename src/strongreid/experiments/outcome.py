"""What a table says: means over seeds, differences from the row above, and whether these are more than chance.

A row's difference is tested over the queries (paired, averaged over seeds first). That knows nothing of the spread
between trainings: the standard deviation over seeds stands beside each figure, and with one seed there is none.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from strongreid.evaluation import PairedTest, RetrievalResult, bootstrap_interval, paired_test
from strongreid.experiments.sweep import Direction, Measurement, Sweep
from strongreid.experiments.table import MARKS, PaperFigure, Row
from strongreid.files import whole_file, write_json

FIGURES = ("rank_1", "rank_5", "rank_10", "mean_ap", "mean_inp")
COST = ("training_seconds", "images_per_second", "peak_memory_mb")


@dataclass(frozen=True)
class RowOutcome:
    """One row in one direction: what was measured, and how it differs from the row above."""

    row: Row
    direction: Direction
    values: dict[str, tuple[float, ...]]
    """For each of `FIGURES` one value a seed, fractions 0..1; empty while nothing is measured."""
    above: str | None
    """Name of the row it is compared with."""
    mean_ap: PairedTest | None
    """This row minus the one above."""
    rank_1: PairedTest | None
    paper: PaperFigure | None
    paper_gain: float | None
    """The paper's mAP minus that of the paper's row above, in points."""
    beside_paper: str | None
    """The measured mAP beside the paper's, where the data set and the scale are the paper's own."""
    cost: dict[str, float | None]
    """For each of `COST` the mean over seeds; None where it is not known. Rows may share a training."""


def outcomes(sweep: Sweep, *, like_paper: bool) -> list[RowOutcome]:
    """Sum up what is measured so far; a row's seeds count once all of them are there.

    like_paper: whether the figures can be set against the paper's (its data set, its scale).
    """
    found = []
    for direction in sweep.directions:
        before: tuple[Row, list[RetrievalResult]] | None = None
        for row in sweep.rows:
            items = [item for item in sweep.measurements if item.row == row and item.direction == direction]
            ready = items and all(item.file.is_file() for item in items)
            results = [RetrievalResult.load(item.file) for item in items] if ready else []
            found.append(_outcome(row, direction, items, results, before, like_paper))
            if results:
                before = (row, results)
    return found


def _outcome(
    row: Row,
    direction: Direction,
    items: Sequence[Measurement],
    results: list[RetrievalResult],
    before: tuple[Row, list[RetrievalResult]] | None,
    like_paper: bool,
) -> RowOutcome:
    paper = row.paper.get(direction.paper)
    above = before[0].paper.get(direction.paper) if before else None
    compared = before if results else None
    beside = None
    if paper and like_paper and results:
        beside = _beside_paper(results, paper)
    return RowOutcome(
        row=row,
        direction=direction,
        values={name: tuple(float(result.to_json()[name]) for result in results) for name in FIGURES},
        above=compared[0].name if compared else None,
        mean_ap=paired_test(compared[1], results, "mean_ap") if compared else None,
        rank_1=paired_test(compared[1], results, "rank_1") if compared else None,
        paper=paper,
        paper_gain=paper.mean_ap - above.mean_ap if paper and above else None,
        beside_paper=beside,
        cost=_cost(items) if results else dict.fromkeys(COST),
    )


def _beside_paper(results: Sequence[RetrievalResult], paper: PaperFigure) -> str:
    intervals = [bootstrap_interval(result) for result in results]
    low, high = (100 * mean(values) for values in zip(*((item.low, item.high) for item in intervals), strict=True))
    difference = 100 * mean(result.mean_ap for result in results) - paper.mean_ap
    verdict = "within" if low <= paper.mean_ap <= high else "outside"
    return f"{difference:+.1f}, {verdict} the 95 % interval"


def _cost(items: Sequence[Measurement]) -> dict[str, float | None]:
    records = [json.loads((item.training.folder / "result.json").read_text(encoding="utf-8")) for item in items]
    found: dict[str, float | None] = {}
    for name in COST:
        known = [record[name] for record in records if record.get(name) is not None]
        found[name] = mean(known) if len(known) == len(records) else None
    return found


def table_cells(found: Sequence[RowOutcome]) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells for people, figures in percent."""
    several = len({outcome.direction for outcome in found}) > 1
    like_paper = any(outcome.beside_paper for outcome in found)
    columns = [
        *(["trained -> tested"] if several else []),
        "",
        "rank-1",
        "mAP",
        "gain in mAP (95 %)",
        "more than chance?",
    ]
    columns += ["paper: rank-1 (mAP)", "paper's gain", *(["mAP beside paper"] if like_paper else []), "training"]
    rows = []
    for item in found:
        cells = [item.direction.label] if several else []
        cells += [item.row.name, _spread(item.values["rank_1"]), _spread(item.values["mean_ap"]), *_gain(item.mean_ap)]
        paper = item.paper
        cells.append(f"{paper.rank_1:.1f} ({paper.mean_ap:.1f}) [{paper.mark}]" if paper else "")
        cells.append(f"{item.paper_gain:+.1f}" if item.paper_gain is not None else "")
        cells += [item.beside_paper or ""] if like_paper else []
        seconds = item.cost["training_seconds"]
        cells.append(item.row.to_come or "" if seconds is None else f"{seconds / 60:.1f} min")
        rows.append(cells)
    return columns, rows


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    percent = [100 * value for value in values]
    return f"{mean(percent):.1f}" + (f" ± {stdev(percent):.1f}" if len(percent) > 1 else "")


def _gain(test: PairedTest | None) -> tuple[str, str]:
    if test is None:
        return "", ""
    value, low, high = (100 * part for part in (test.difference.value, test.difference.low, test.difference.high))
    real = test.p_value < 1 - test.difference.confidence
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})", f"{'yes' if real else 'no'}, p = {test.p_value:.2g}"


def explanation(sweep: Sweep, found: Sequence[RowOutcome]) -> str:
    """Return how to read the table, in a few sentences."""
    marks = sorted({item.paper.mark for item in found if item.paper})
    seeds = ", ".join(str(seed) for seed in sweep.seeds)
    spread = "mean ± standard deviation over seeds" if len(sweep.seeds) > 1 else "one seed, so no spread"
    parts = [
        f"Percent; seeds {seeds} ({spread}).",
        "Gain: mAP minus that of the row above, with its 95 % bootstrap interval over queries; more than chance: "
        "paired sign-flip test over queries, p < 0.05. Neither knows the spread between trainings.",
    ]
    if marks:
        keys = sorted({item.direction.paper for item in found if item.paper})
        meaning = "; ".join(f"[{mark}] {MARKS[mark]}" for mark in marks)
        parts.append(f"The paper's figures are of {', '.join(keys)}, at the paper's size: {meaning}.")
    return " ".join(parts)


def as_json(sweep: Sweep, found: Sequence[RowOutcome]) -> dict[str, Any]:
    """Return everything the table holds as plain values; figures as fractions, the paper's in percent."""

    def difference(test: PairedTest | None) -> dict[str, float] | None:
        if test is None:
            return None
        part = test.difference
        return {"value": part.value, "low": part.low, "high": part.high, "p_value": test.p_value}

    rows = []
    for item in found:
        trainings = [
            m.training.folder.name for m in sweep.measurements if m.row == item.row and m.direction == item.direction
        ]
        paper = item.paper
        rows.append(
            {
                "name": item.row.name,
                "direction": item.direction.label,
                **{name: list(values) for name, values in item.values.items()},
                "above": item.above,
                "mean_ap_difference": difference(item.mean_ap),
                "rank_1_difference": difference(item.rank_1),
                "paper": {"rank_1": paper.rank_1, "mean_ap": paper.mean_ap, "mark": paper.mark} if paper else None,
                "paper_gain": item.paper_gain,
                "beside_paper": item.beside_paper,
                "trainings": trainings,
                "to_come": item.row.to_come,
                "cost": item.cost,
            }
        )
    table = sweep.table
    return {"table": table.name, "title": table.title, "source": table.source, "seeds": list(sweep.seeds), "rows": rows}


def write_table(sweep: Sweep, found: Sequence[RowOutcome]) -> None:
    """Write table.md, table.csv and table.json into the sweep's folder, each whole or not at all."""
    columns, rows = table_cells(found)
    write_json(sweep.folder / "table.json", as_json(sweep, found))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in [columns, *rows]]
    lines.insert(1, "|" + "---|" * len(columns))
    markdown = f"# {sweep.table.title}\n\n" + "\n".join(lines) + f"\n\n{explanation(sweep, found)}\n"
    if sweep.table.source:
        markdown += f"\nSource of the paper's figures: {sweep.table.source}.\n"
    _write(sweep.folder / "table.csv", text.getvalue())
    _write(sweep.folder / "table.md", markdown)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
