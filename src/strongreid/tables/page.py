"""The pictures and the page of a filled table: all rows first, then one training in detail."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from strongreid.config import as_plain
from strongreid.errors import command_line
from strongreid.files import atomic_file, inside
from strongreid.losses.objective import TOTAL
from strongreid.reports.console import Console
from strongreid.reports.drawing import WIDTH, save
from strongreid.reports.images import figure_picture
from strongreid.reports.page import Picture, Pictures, Section, Table, write_page
from strongreid.reports.plots import cmc_figure, curves_figure, gains_figure, loss_names
from strongreid.runs.compare import differences
from strongreid.runs.folder import Run
from strongreid.runs.report import run_sections
from strongreid.tables.matrix import matrix_tables
from strongreid.tables.outcome import RowOutcome
from strongreid.tables.plan import Direction, Measurement, Sweep
from strongreid.tables.write import cost_cells, explanation, table_cells

NOT_ITS_OWN = ("name", "output", "seed", "data")
"""Settings that are none of a row's."""


def write_sweep_page(sweep: Sweep, found: Sequence[RowOutcome], console: Console) -> None:
    """Write report.html and its pictures beside the table, the last training's report included."""
    *tables, last_table = _tables(sweep, found, table_cells)
    matrices = matrix_tables(sweep, found)
    sections = [
        *([Section("Matrix", matrices)] if matrices else []),
        Section("Table", [*tables, replace(last_table, note=explanation(sweep, found))]),
        *_gains(sweep, found),
        *_curves(sweep, found),
        Section("What each row changes", [Table(("", "beside the row above"), _changes(sweep), align="text")]),
        Section(
            "What each row cost", _tables(sweep, found, cost_cells), "Means over seeds; rows can share a training."
        ),
    ]
    last = _shown(sweep)
    folder = last.training.folder
    lead = (
        f"From here on: the training of {last.row.name}, seed {last.seed}, {last.direction.label}, without re-ranking. "
        f"The page of another training: {command_line('report', folder.parent / 'NAME')}"
    )
    sections.append(Section(f"In detail: {last.row.name}", [], lead))
    sections += run_sections(Run(folder), console, tested=last.test)
    path = inside(sweep.folder, "report.html")
    seeds = ", ".join(str(seed) for seed in sweep.seeds)
    write_page(path, sweep.table.title, f"{', '.join(d.label for d in sweep.directions)}; seeds {seeds}", sections)


def _tables(
    sweep: Sweep,
    found: Sequence[RowOutcome],
    cells: Callable[[Sequence[RowOutcome]], tuple[list[str], list[list[str]]]],
) -> list[Table]:
    """Return a table for each direction."""
    tables = []
    for direction in sweep.directions:
        columns, rows = cells([item for item in found if item.direction == direction])
        tables.append(Table(columns, rows, title=direction.label if len(sweep.directions) > 1 else ""))
    return tables


def _shown(sweep: Sweep) -> Measurement:
    """Return the measurement to show in detail: the first seed's last, if possible one that is not re-ranked."""
    measured = [item for item in sweep.measurements if item.seed == sweep.seeds[0]]
    return ([item for item in measured if not item.row.reranking] or measured)[-1]


def _changes(sweep: Sweep) -> list[list[str]]:
    """Return for each row that is run its name and the settings in which it differs from the one above."""
    rows: list[list[str]] = []
    before: Mapping[str, object] | None = None
    for item in sweep.measurements:
        if item.seed != sweep.seeds[0] or item.direction != sweep.directions[0]:
            continue
        now = {name: value for name, value in as_plain(item.training.config).items() if name not in NOT_ITS_OWN}
        words = [f"the recipe {sweep.table.recipe_of(item.row)}"] if before is None or item.row.recipe else []
        if before is not None:
            words += [f"{name}: {old} → {new}" for name, (old, new) in differences([before, now]).items()]
        words += ["re-ranked"] if item.row.reranking else []
        rows.append([item.row.name, ", ".join(words) or "nothing"])
        before = now
    return rows


def _gains(sweep: Sweep, found: Sequence[RowOutcome]) -> list[Section]:
    """Draw what each row brings; no section where nothing is compared."""
    pictures = []
    for direction in sweep.directions:
        gains = [item for item in found if item.direction == direction and item.gains]
        if gains:
            names = [item.row.name for item in gains]
            tests = [item.gains["mean_ap"].difference for item in gains]
            value, low, high = ([100 * getattr(test, end) for test in tests] for end in ("value", "low", "high"))
            paper = [item.paper_gain for item in gains] if _paper_has_gains(gains) else None
            figure = gains_figure(names, value, low, high, paper=paper)
            words = ", ".join(f"{name} {gain:+.1f}" for name, gain in zip(names, value, strict=True))
            pictures.append(_picture(sweep, direction, "gains", figure, f"Gains in mAP, points: {words}"))
    lead = "mAP of each row minus that of the row above, with 95 % intervals over queries."
    if _paper_has_gains(found):
        lead += " Diamonds: the paper's, on its own data sets at its own size."
    return [Section("What each row brings", [Pictures(pictures)], lead)] if pictures else []


def _paper_has_gains(found: Sequence[RowOutcome]) -> bool:
    return any(item.paper_gain is not None for item in found)


def _curves(sweep: Sweep, found: Sequence[RowOutcome]) -> list[Section]:
    """Draw how all rows rank, and how all trainings learned; no section where there is nothing to draw."""
    pictures = []
    for direction in sweep.directions:
        curves = {item.row.name: item.cmc for item in found if item.direction == direction and item.cmc is not None}
        if curves:
            words = ", ".join(f"{name} {100 * cmc[0]:.1f} %" for name, cmc in curves.items())
            alt, caption = f"CMC, rank-1: {words}", "CMC: for how many queries a match is among the k nearest."
            pictures.append(_picture(sweep, direction, "cmc", cmc_figure(curves), alt, caption))
        logs = {name: log for name, log in _logs(sweep, direction).items() if loss_names(log)}
        if logs:
            loss = _comparable_loss(logs.values())
            figure, title = curves_figure(logs, (loss,), label=f"{loss} loss"), f"{loss.capitalize()} loss"
            alt, caption = f"{title}: {', '.join(logs)}", f"{title}, which all trainings have."
            pictures.append(_picture(sweep, direction, "curves", figure, alt, caption))
    return [Section("Curves", [Pictures(pictures)], "Means over seeds.")] if pictures else []


def _comparable_loss(logs: Iterable[Sequence[Mapping[str, float]]]) -> str:
    """Return a loss that all trainings have: the triplet loss, which no trick changes, or else another of theirs."""
    first, *others = map(loss_names, logs)
    shared = [name for name in first if all(name in names for names in others)]
    return "triplet" if "triplet" in shared else next((name for name in shared if name != TOTAL), TOTAL)


def _logs(sweep: Sweep, direction: Direction) -> dict[str, list[Mapping[str, float]]]:
    """Return a log for each training, all seeds together, named by the first row that it is of."""
    read: set[Path] = set()
    logs: dict[str, list[Mapping[str, float]]] = {}
    for item in sweep.measurements:
        if item.direction == direction and item.training.folder not in read:
            read.add(item.training.folder)
            logs.setdefault(item.row.name, []).extend(Run(item.training.folder).log)
    return logs


def _picture(sweep: Sweep, direction: Direction, name: str, figure: Figure, alt: str, caption: str = "") -> Picture:
    """Write a figure as a file of its own and return it for the page."""
    several = len(sweep.directions) > 1
    file = f"{name}-{sweep.directions.index(direction) + 1}.png" if several else f"{name}.png"
    with atomic_file(inside(sweep.folder, file)) as partial:
        save(figure, partial, "png", dpi=200)
    words = f"{direction.label}. {caption}".rstrip() if several else caption
    return figure_picture(figure, alt, words, wide=figure.get_figwidth() > WIDTH)
