"""`reproduce`: the paper's tables, or one's own. `compare`: runs side by side."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from strongreid.cli.parsing import complain
from strongreid.errors import InputError

DESCRIPTION = """Fill one of the paper's tables: train what its rows need, measure, and write the table (Markdown, CSV,
JSON), pictures and one HTML page. Stopped and started again with the same command, it goes on where it was; rows that
need the same training share it. Without a data set it runs on drawn people, at CPU size. Any setting of `strongreid
train --help` can be given for all rows, such as --schedule.base_rate 1e-3; the second data set of a table across
domains is chosen by --other.name and --other.root."""

CHANGES_LITTLE = ("runtime.", "model.weights", "evaluation.every_epochs")
"""Settings with which a training still counts as the paper's own: the machine, and where ImageNet weights lie."""


def reproduce(
    table: str,
    overrides: Sequence[str] = (),
    other: Sequence[str] = (),
    seeds: tuple[int, ...] = (0,),
    rows: tuple[int, ...] = (),
    epochs: int | None = None,
    scale: Literal["paper", "cpu"] | None = None,
    plan: bool = False,
    output: Path = Path("runs/reproduce"),
    file: Path | None = None,
) -> None:
    """Fill a table; `overrides` and `other` are words such as --data.root=DIR, of all rows and of the second set."""
    from strongreid.config import Config
    from strongreid.recipes import read_values
    from strongreid.recipes.values import with_values
    from strongreid.reports.console import Console
    from strongreid.tables import fill
    from strongreid.tables.plan import plan_sweep
    from strongreid.tables.spec import read_table

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "reproduce is one process: start it without torchrun. Several that share an output folder share trainings."
        )
    console = Console()
    content = read_table(table, file)
    values, others = read_values(overrides), read_values(other)
    data = {name: value for name, value in values.items() if name.startswith("data.")}
    settings = {name: value for name, value in values.items() if name not in data}
    given = "data.root" in data
    if "data.name" in data and not given:
        raise InputError(
            "--data.name needs --data.root DIR, the folder of the data set; without both, people are drawn."
        )
    scale = scale or ("paper" if given else "cpu")
    directions = (
        fill.data_directions(
            with_values(Config(), data).data,
            with_values(Config(), others).data if others else None,
            across=content.across,
            papers_settings=as_in_paper(scale, epochs, settings),
        )
        if given
        else fill.drawn_directions(output, content.across, console)
    )
    sweep = plan_sweep(
        content, directions, output, scale=scale, seeds=seeds, rows=rows, epochs=epochs, overrides=settings
    )
    if plan:
        fill.show_plan(sweep, console)
        return
    try:
        found = fill.reproduce(sweep, console)
    except KeyboardInterrupt:
        complain("Go on with the same command; what is finished stays.")
        raise
    fill.show(sweep, found, console)


def as_in_paper(scale: str, epochs: int | None, settings: Iterable[str]) -> bool:
    """Whether rows are trained as the paper's were, so that its figures can be expected; settings: their names."""
    return scale == "paper" and epochs is None and all(name.startswith(CHANGES_LITTLE) for name in settings)


def compare(runs: tuple[Path, ...]) -> None:
    """Show finished runs side by side: figures, the paired test against the first, and the settings that differ."""
    from strongreid.reports.console import Console
    from strongreid.runs.compare import compare_runs

    compare_runs(runs, Console())


def reproduce_parser() -> ArgumentParser:
    """Return the parser of `reproduce`; settings of all rows are taken out of the words before (`split_settings`)."""
    parser = ArgumentParser(description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument(
        "table",
        help="tricks, cross_domain, bnneck, batch, size or backbones; own: the table in the YAML file of --file",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="seeds of the trainings, such as 0 1 2")
    parser.add_argument(
        "--rows", nargs="+", type=int, default=[], help="numbers of the rows to fill, from 1; default all"
    )
    parser.add_argument("--epochs", type=int | None, help="epochs of each training; warm-up and milestones follow")
    parser.add_argument(
        "--scale",
        type=Literal["paper", "cpu"] | None,
        help="the paper's recipes, or the small ones for CPUs; default: paper with a data set, cpu on drawn people",
    )
    parser.add_argument("--plan", action="store_true", help="only say what would be done, and how long it may take")
    parser.add_argument("--output", type=Path, default=Path("runs/reproduce"), help="the folder for everything")
    parser.add_argument("--file", type=Path | None, help="the YAML file of the table own; see docs/tables.md")
    return parser


def compare_parser() -> ArgumentParser:
    """Return the parser of `compare`."""
    parser = ArgumentParser(description=compare.__doc__, allow_abbrev=False)
    parser.add_argument(
        "runs", nargs="+", type=Path, help="folders of finished runs, the first is the one compared with"
    )
    return parser


def split_settings(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Split the words of `reproduce` into its own, settings (`--section.field value`) and `--other.field value`.

    The latter two come back as `--data.field=value` and the like.
    """
    own, settings, other = [], [], []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if not (name.startswith("--") and "." in name):
            own.append(word)
            continue
        if not equals:
            if not left:
                raise InputError(f"{name} needs a value.")
            value = left.pop(0)
        if name.startswith("--other."):
            other.append(f"--data.{name.removeprefix('--other.')}={value}")
        else:
            settings.append(f"{name}={value}")
    return own, settings, other
