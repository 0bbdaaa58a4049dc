"""`report`: one HTML page about a run."""

from pathlib import Path


def report(run: Path, data_root: Path | None = None, output: Path | None = None) -> None:
    """Write one HTML page about a finished run: figures, curves, what it finds, where it looks, what it confuses.

    The page needs no network and no other file: it can be opened from disk, or mailed.

    Args:
        run: The folder of a finished run; its data set is read again and its last weights are used.
        data_root: Where the data set lies now, if it was moved since the training.
        output: The file to write; by default report.html in the run's folder.
    """
    from strongreid.reports.console import Console
    from strongreid.runs.report import report_run

    console = Console()
    path = report_run(run, data_root, output, console)
    console.say(f"Report: {path} ({path.stat().st_size / 1e6:.1f} MB)")
