"""`demo` and `train`."""

import argparse
from pathlib import Path

from jsonargparse import ArgumentParser

from strongreid.cli.parsing import complain, first_process
from strongreid.config import Config
from strongreid.errors import InputError
from strongreid.recipes import config_parser, recipe_path

DEFAULT_RECIPE = "bag_of_tricks"


def demo(output: Path = Path("runs/demo"), seed: int = 0) -> None:
    """See it work in two to five minutes on two CPU cores: draw people, train two recipes, compare them.

    Args:
        output: The folder to write to; it must not exist yet.
        seed: Seed of the drawn people and of both trainings.
    """
    from strongreid.reports.console import Console
    from strongreid.runs.demo import run_demo

    run_demo(output, seed, Console())


def train(config: Config, recipe: str) -> None:
    """Train a recipe on a data set, then evaluate the last epoch's weights."""
    from strongreid.reports.console import Console
    from strongreid.runs import train as training

    console = Console(quiet=not first_process())
    folder = training.run_folder(config, recipe)
    try:
        finished = training.start(config, folder, console)
    except KeyboardInterrupt:
        _hint_at_resuming(folder)
        raise
    training.show(finished, console)


def go_on(folder: Path) -> None:
    """Go on with a run that was stopped, from its newest checkpoint."""
    from strongreid.reports.console import Console
    from strongreid.runs import train as training

    console = Console(quiet=not first_process())
    try:
        finished = training.resume(folder, console)
    except KeyboardInterrupt:
        _hint_at_resuming(folder)
        raise
    training.show(finished, console)


def train_base(words: list[str]) -> tuple[Path, Path | None]:
    """Look for --recipe and --resume before parsing: a recipe's values are the defaults of all other options."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--recipe", default=DEFAULT_RECIPE)
    early.add_argument("--resume", type=Path)
    if words[:1] != ["train"]:
        return recipe_path(DEFAULT_RECIPE), None
    known, others = early.parse_known_args(words[1:])
    if known.resume is not None and others:
        raise InputError(
            f"--resume goes on with a run as it was; it takes no other option, but {' '.join(others)} came. "
            "To change a setting, start a new run: --recipe RUN/config.yaml with the options to change."
        )
    return recipe_path(known.recipe), known.resume


def train_parser(recipe: Path) -> ArgumentParser:
    """Return the parser of `train`, with an option for each setting and the recipe's values as defaults."""
    parser = config_parser(recipe, description="Train a recipe on a data set and evaluate the last epoch's weights.")
    parser.add_argument(
        "--recipe",
        default=DEFAULT_RECIPE,
        help="a recipe's name (bag_of_tricks, standard_baseline, and each with _small for CPUs) or a YAML file; "
        "its values are the defaults of the options below",
    )
    parser.add_argument("--resume", type=Path | None, help="go on with the stopped run in this folder; no other option")
    return parser


def _hint_at_resuming(folder: Path) -> None:
    if first_process() and (folder / "config.yaml").is_file():
        complain(f"Go on with: strongreid train --resume {folder}")
