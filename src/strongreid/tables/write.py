"""A filled table for people (console, Markdown, CSV, the page) and for programs (JSON)."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from strongreid.evaluation import HEADLINE, PairedTest
from strongreid.files import inside, write_json, write_text
from strongreid.reports.results import DASH, duration
from strongreid.tables.matrix import MISSING, matrix_tables
from strongreid.tables.outcome import RowOutcome, VersusPaper, spread
from strongreid.tables.plan import Sweep
from strongreid.tables.spec import MARKS


def table_cells(found: Sequence[RowOutcome]) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells for people, figures in percent."""
    several = any(item.direction != found[0].direction for item in found)
    like_paper = any(outcome.versus_paper for outcome in found)
    columns = [
        "",
        *(["trained -> tested"] if several else []),
        "rank-1",
        "mAP",
        "gain in mAP (95 %)",
        "more than chance?",
        "paper: rank-1 (mAP)",
        "paper's gain",
        *(["rank-1 minus paper's", "mAP minus paper's"] if like_paper else []),
        "training",
    ]
    rows = []
    for item in found:
        cells = [item.row.name, *([item.direction.label] if several else [])]
        cells += [spread(item.values["rank_1"]), spread(item.values["mean_ap"]), *_gain(item.gains.get("mean_ap"))]
        cells.append(item.paper.text if item.paper else "")
        cells.append(f"{item.paper_gain:+.1f}" if item.paper_gain is not None else "")
        if like_paper:
            cells += [_beside((item.versus_paper or {}).get(name)) for name in ("rank_1", "mean_ap")]
        seconds = item.cost["training_seconds"]
        cells.append("" if seconds is None else f"{seconds / 60:.1f} min")
        rows.append(cells)
    return columns, rows


def cost_cells(found: Sequence[RowOutcome]) -> tuple[list[str], list[list[str]]]:
    """Return what each measured row cost, the mean over seeds: training time, its speed and its peak memory."""
    rows = []
    for item in found:
        if item.cmc is not None:
            speed, memory = item.cost["images_per_second"], item.cost["peak_memory_mb"]
            cells = [item.row.name, duration(item.cost["training_seconds"])]
            cells += [DASH if speed is None else f"{speed:,.0f}", DASH if memory is None else f"{memory:,.0f} MB"]
            rows.append(cells)
    return ["", "training", "images/s", "peak memory"], rows


def _gain(test: PairedTest | None) -> tuple[str, str]:
    if test is None:
        return "", ""
    value, low, high = (100 * part for part in (test.difference.value, test.difference.low, test.difference.high))
    real = test.p_value < 1 - test.difference.confidence
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})", f"{'yes' if real else 'no'}, p = {test.p_value:.2g}"


def _beside(found: VersusPaper | None) -> str:
    if found is None:
        return ""
    return f"{found.difference:+.1f}, {'may be chance' if found.within else 'more than chance'}"


def explanation(sweep: Sweep, found: Sequence[RowOutcome]) -> str:
    """Return how to read the table, in a few sentences."""
    marks = sorted({mark for item in found if item.paper for mark in (item.paper.mark, item.paper.mean_ap_mark)})
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
    if any(item.versus_paper for item in found):
        parts.append(
            "Minus paper's: measured minus published; it may be chance where the published figure lies within the 95 % "
            "bootstrap interval of the measured one. The authors put the spread between trainings at about 0.5."
        )
    if sweep.table.matrix:
        parts.append(
            "In the matrix: mAP (rank-1), in brackets mAP minus that of the row above, the same training and test set; "
            f"{MISSING}: a set that was not given."
        )
    if sweep.table.source:
        parts.append(f"Source of the paper's figures: {sweep.table.source}.")
    return " ".join(parts)


def as_json(sweep: Sweep, found: Sequence[RowOutcome]) -> dict[str, Any]:
    """Return everything the table holds as plain values; figures as fractions, the paper's in percent."""
    rows = []
    for item in found:
        trainings = [
            m.training.folder.name for m in sweep.measurements if m.row == item.row and m.direction == item.direction
        ]
        beside = item.versus_paper
        rows.append(
            {
                "name": item.row.name,
                "direction": item.direction.label,
                **{name: list(values) for name, values in item.values.items()},
                "above": item.above,
                **{
                    f"{name}_difference": gain.to_json() if (gain := item.gains.get(name)) else None
                    for name in HEADLINE
                },
                "paper": asdict(item.paper) if item.paper else None,
                "paper_gain": item.paper_gain,
                "versus_paper": {name: asdict(figure) for name, figure in beside.items()} if beside else None,
                "trainings": trainings,
                "cost": item.cost,
            }
        )
    table = sweep.table
    return {"table": table.name, "title": table.title, "source": table.source, "seeds": list(sweep.seeds), "rows": rows}


def write_table(sweep: Sweep, found: Sequence[RowOutcome]) -> None:
    """Write table.md, table.csv and table.json into the sweep's folder, each atomically."""
    columns, rows = table_cells(found)
    write_json(inside(sweep.folder, "table.json"), as_json(sweep, found))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    matrices = [f"{table.title}\n\n{_markdown(table.columns, table.rows)}\n" for table in matrix_tables(sweep, found)]
    write_text(inside(sweep.folder, "table.csv"), text.getvalue())
    write_text(
        inside(sweep.folder, "table.md"),
        "\n".join([f"# {sweep.table.title}\n", *matrices, f"{_markdown(columns, rows)}\n", explanation(sweep, found)])
        + "\n",
    )


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in [columns, *rows]]
    lines.insert(1, "|" + "---|" * len(columns))
    return "\n".join(lines)
