"""`compare`: finished runs, or results of any model, side by side."""

from pathlib import Path

from jsonargparse import ArgumentParser

from strongreid.cli.checks import require_file
from strongreid.cli.command import Command, parser_of
from strongreid.errors import InputError
from strongreid.runs.finding import require_run


def compare(runs: list[Path]) -> None:
    """Show finished runs side by side: figures, the paired test against the first, and the settings that differ.

    Results of any model can be among them: files (.npz) that `evaluate --result` or `identify --result` wrote.
    """
    if len(runs) < 2:
        raise InputError("Name at least two runs to compare.")
    for run in runs:
        if run.suffix == ".npz":
            require_file(run, "a result (.npz)")
        else:
            require_run(run)

    from strongreid.reports.console import Console
    from strongreid.runs.compare import compare_runs

    console = Console()
    compare_runs(runs, console)
    folders = [run for run in runs if run.suffix != ".npz"]
    if folders:
        console.suggest("report", folders[-1])


def compare_parser() -> ArgumentParser:
    """Return the parser of `compare`."""
    parser = parser_of(compare, skip={"runs"})
    help_text = (
        "Folders of finished runs, or results (.npz) of `evaluate --result` or `identify --result`; the first is the "
        "one compared with."
    )
    parser.add_argument("runs", nargs="+", type=Path, help=help_text)
    return parser


COMPARING = {
    "compare": Command(
        compare,
        "runs side by side, with the paired test",
        ("compare RUN OTHER", "compare before.npz after.npz"),
        make_parser=compare_parser,
    ),
}
