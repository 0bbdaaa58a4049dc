"""A report on a finished run: its weights meet its test set once more, and what is worth looking at goes on a page.

Figures are computed again rather than copied, because figures, curves and pictures must be of the same ranking.
"""

from pathlib import Path

from strongreid.errors import InputError
from strongreid.reports.console import Console
from strongreid.reports.page import Section, write_page


def run_sections(folder: Path, data_root: Path | None, console: Console) -> list[Section]:
    """Return the sections of the report on a finished run.

    Args:
        folder: The run's folder.
        data_root: Where its data set lies now, if it was moved since the training.
        console: Shows the progress of embedding and ranking.

    Raises `InputError` where the run is not finished, or its data set is not where, or not what, it was.
    """
    if not (folder / "result.json").is_file():
        raise InputError(f"{folder} is not the folder of a finished run: it holds no result.json.")
    return []


def report_run(folder: Path, data_root: Path | None, output: Path | None, console: Console) -> Path:
    """Write the report on a finished run as one HTML page and return its path, by default `report.html` in `folder`.

    Arguments and errors as in `run_sections`.
    """
    sections = run_sections(folder, data_root, console)
    path = output or folder / "report.html"
    write_page(path, folder.resolve().name, "", sections)
    return path
