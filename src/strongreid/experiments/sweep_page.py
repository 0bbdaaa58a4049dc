"""The pictures and the page of a filled table."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from strongreid.experiments.outcome import RowOutcome, explanation, table_cells
from strongreid.experiments.report import run_sections
from strongreid.experiments.sweep import Sweep
from strongreid.files import whole_file
from strongreid.reports.console import Console
from strongreid.reports.images import figure_picture
from strongreid.reports.page import Section, pictures_section, table_section, write_page
from strongreid.reports.plots import curves_figure, gains_figure
from strongreid.training.log import read_log


def write_sweep_page(sweep: Sweep, found: Sequence[RowOutcome], console: Console) -> Path:
    """Write gains.png, curves.png and report.html, the last training's report included; return the page."""
    columns, rows = table_cells(found)
    sections = [table_section(sweep.table.title, columns, rows, explanation(sweep, found))]
    for name, title, figure, lead in _figures(sweep, found):
        with whole_file(sweep.folder / name) as partial:
            figure.savefig(partial, format="png", dpi=160, facecolor="white")
        sections.append(pictures_section(title, [figure_picture(figure, title, wide=True)], lead=lead))
    measured = [item for item in sweep.measurements if item.seed == sweep.seeds[0]]
    folder = measured[-1].training.folder
    row = next(item.row for item in measured if item.training.folder == folder)
    sections += [
        Section(f"{section.title} ({row.name})", section.blocks, section.lead)
        for section in run_sections(folder, None, console)
    ]
    path = sweep.folder / "report.html"
    seeds = ", ".join(str(seed) for seed in sweep.seeds)
    write_page(path, sweep.table.title, f"{', '.join(d.label for d in sweep.directions)}; seeds {seeds}", sections)
    return path


def _figures(sweep: Sweep, found: Sequence[RowOutcome]) -> list[tuple[str, str, Figure, str]]:
    figures = []
    for number, direction in enumerate(sweep.directions):
        end = f"-{number + 1}" if len(sweep.directions) > 1 else ""
        where = f", {direction.label}" if end else ""
        gains = [item for item in found if item.direction == direction and item.mean_ap is not None]
        if gains:
            tests = [item.mean_ap.difference for item in gains if item.mean_ap is not None]
            figure = gains_figure(
                [item.row.name for item in gains],
                [100 * test.value for test in tests],
                [100 * test.low for test in tests],
                [100 * test.high for test in tests],
                paper=[item.paper_gain for item in gains] if any(item.paper_gain for item in gains) else None,
            )
            lead = "mAP of each row minus that of the row above, with 95 % intervals over queries."
            if any(item.paper_gain for item in gains):
                lead += f" Diamonds: the paper's, on {direction.paper}, at its own size."
            figures.append((f"gains{end}.png", f"What each row brings{where}", figure, lead))
    logs = {}
    for item in sweep.measurements:
        folder = item.training.folder
        if item.seed == sweep.seeds[0] and item.direction == sweep.directions[0] and folder not in logs:
            logs[folder] = (item.row.name, read_log(folder))
    curves = curves_figure(dict(logs.values()), ("triplet",), label="triplet loss")
    lead = f"The triplet loss of each training, seed {sweep.seeds[0]}: of all terms the one that rows have in common."
    figures.append(("curves.png", "Learning curves", curves, lead))
    return figures
