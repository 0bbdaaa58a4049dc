"""`reproduce`: the paper's tables, or one's own."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser

from strongreid.cli.checks import require_set, require_table
from strongreid.cli.command import Command, parser_of
from strongreid.cli.options import RerankingSettings
from strongreid.config import Config
from strongreid.config_sections import DataConfig
from strongreid.errors import InputError
from strongreid.launch import read_launch
from strongreid.recipes.parsing import given_values, hide, parse, tell_apart
from strongreid.tables.spec import ResultTable, Row, read_table

CHANGES_LITTLE = ("runtime.", "model.weights", "evaluation.every_epochs")
"""Settings with which a training still counts as the paper's own: the machine, and where ImageNet weights lie."""
SETS = {"data": DataConfig, "other": DataConfig}
"""The data set, and the second one of a table across domains."""
SETTINGS = {
    item.name: item.type
    for item in dataclasses.fields(Config)
    if dataclasses.is_dataclass(item.type) and item.name not in SETS
}
"""The groups of settings that can be set for all rows."""
AS_IN_THE_TABLE = RerankingSettings()


def reproduce(
    table: str,
    data: DataConfig | None,
    other: DataConfig | None,
    settings: Mapping[str, Any],
    reranking: RerankingSettings = AS_IN_THE_TABLE,
    seeds: tuple[int, ...] = (0,),
    rows: tuple[int, ...] = (),
    epochs: int | None = None,
    scale: Literal["paper", "cpu"] | None = None,
    plan: bool = False,
    output: Path = Path("runs/reproduce"),
    file: Path | None = None,
) -> None:
    """Fill one of the paper's tables: train what its rows need, measure, write the table, pictures and one HTML page.

    Stopped and started again with the same command, it goes on where it was; rows that need the same training share it.
    Without a data set it runs on drawn people, at CPU size. Any setting of `strongreid train --help` can be given for
    all rows, such as --schedule.base_rate 1e-3; the second data set of a table across domains is chosen by --other.name
    and --other.root.

    Args:
        table: tricks, cross_domain, bnneck, batch, size, backbones or generalise; own: the table in the YAML file of
            --file.
        data: The data set; None: people are drawn.
        other: The second data set of a table across domains.
        settings: Settings of all rows, by dotted name.
        reranking: Re-ranking, in the rows that re-rank.
        seeds: Seeds of the trainings, such as 0 1 2.
        rows: Numbers of the rows to fill, from 1; default all.
        epochs: Epochs of each training; warm-up and milestones keep their shares of it, where they are not given.
        scale: The paper's recipes, or the small ones for CPUs; default: paper with a data set, cpu on drawn people and
            for generalise, which has both.
        plan: Only say what would be done, and how long it may take.
        output: The folder for everything.
        file: The YAML file of the table own; see docs/tables.md.
    """
    require_table(table, file)
    if data is not None and data.root is None:
        raise InputError("--data.name needs --data.root DIR, the folder of the set; without both, people are drawn.")
    if data is not None:
        require_set(data.name, data.root)
    content = read_table(table, file)
    _require_second_set(content, data, other)

    from strongreid.reports.console import Console
    from strongreid.tables import fill
    from strongreid.tables.matrix import matrix_directions
    from strongreid.tables.plan import plan_sweep

    console = Console()
    content = replace(content, rows=tuple(_ranked_again(row, reranking) for row in content.rows))
    scale = scale or ("paper" if data is not None and not content.matrix else "cpu")
    if content.matrix:
        directions = matrix_directions(content.matrix, fill.matrix_sets(content, data, output, console))
    elif data is not None:
        as_paper = as_in_paper(scale, epochs, settings)
        directions = fill.data_directions(data, other, papers_settings=as_paper)
    else:
        directions = fill.drawn_directions(output, content.across, console)
    sweep = plan_sweep(
        content, directions, output, scale=scale, seeds=seeds, rows=rows, epochs=epochs, overrides=settings
    )
    if plan:
        fill.show_plan(sweep, console)
        console.say("Next: the same command without --plan.")
        return
    try:
        found = fill.reproduce(sweep, console)
    except KeyboardInterrupt as stop:
        stop.args = ("Go on with the same command; finished work is kept.",)
        raise
    fill.show(sweep, found, console)
    console.suggest("report", sweep.trainings[-1].folder)


def _require_second_set(table: ResultTable, data: DataConfig | None, other: DataConfig | None) -> None:
    """Refuse a second set that a table does not take, one that is not there, and one that is missing."""
    if other is not None and not table.across:
        own = "; a matrix has its sets" if table.matrix else ""
        raise InputError(f"--other belongs to tables across domains, such as cross_domain{own}.")
    if other is not None and data is None:
        raise InputError(
            "--other is the second data set of two: name the first by --data.name NAME --data.root DIR; without both, "
            "people are drawn."
        )
    if other is not None and other.root is None:
        raise InputError("--other.name needs --other.root DIR, the folder of the second set.")
    if other is not None:
        require_set(other.name, other.root)
    elif table.across and data is not None:
        raise InputError("A table across domains needs a second data set: --other.name NAME --other.root DIR.")


def _ranked_again(row: Row, reranking: RerankingSettings) -> Row:
    return row if row.reranking is None else replace(row, reranking=replace(row.reranking, **reranking.given))


def as_in_paper(scale: str, epochs: int | None, settings: Iterable[str]) -> bool:
    """Whether rows are trained as the paper's were, so that its figures can be expected; settings: their names."""
    return scale == "paper" and epochs is None and all(name.startswith(CHANGES_LITTLE) for name in settings)


def reproduce_parser() -> ArgumentParser:
    """Return the parser of `reproduce`: its own options, and unlisted an option for each setting of all rows."""
    parser = parser_of(
        reproduce,
        skip={"settings", "data", "other", "seeds", "rows", "plan"},
        usage="strongreid reproduce TABLE [--data.name NAME --data.root DIR] [--seeds 0 1 2] [--any.setting VALUE ...]",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="Seeds of the trainings, such as 0 1 2.")
    parser.add_argument(
        "--rows", nargs="+", type=int, default=[], help="Numbers of the rows to fill, from 1; default all."
    )
    parser.add_argument("--plan", action="store_true", help="Only say what would be done, and how long it may take.")
    for name, section in (SETS | SETTINGS).items():
        parser.add_class_arguments(section, name)
    hide(parser, *SETS, *SETTINGS)  # `strongreid train --help` lists them
    return parser


def read_reproduce(parser: ArgumentParser, words: list[str]) -> Callable[[], None]:
    """Return the filling of the table that `words` ask for."""
    if read_launch().processes > 1:
        raise InputError(
            "reproduce is one process: start it without torchrun. Several that share an output folder share trainings."
        )
    given = tell_apart(parser, words)
    for name in given.options.keys() & (SETS | SETTINGS).keys():
        raise InputError(f"--{name} is a group of settings; give its fields, such as --{name}.FIELD VALUE.")
    objects = vars(parser.instantiate(parse(parser, words)))
    values = given_values(parser, words)
    settings = {name: value for name, value in values.items() if name.split(".")[0] in SETTINGS}
    chosen = {name.split(".")[0] for name in values}
    sets: dict[str, Any] = {name: objects[name] if name in chosen else None for name in SETS}
    own = {name: value for name, value in objects.items() if name not in SETS | SETTINGS}
    return partial(reproduce, settings=settings, **sets, **own)


TABLES = {
    "reproduce": Command(
        reproduce,
        "fill one of the paper's tables, or one's own",
        ("reproduce tricks --plan", "reproduce tricks --data.name market1501 --data.root $MARKET1501 --seeds 0 1 2"),
        make_parser=reproduce_parser,
        read=read_reproduce,
    ),
}
