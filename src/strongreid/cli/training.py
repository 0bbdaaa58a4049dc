"""`demo` and `train`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from jsonargparse import ArgumentParser

from strongreid.cli.checks import require_set
from strongreid.cli.command import Command
from strongreid.cli.options import add_moved, moved_sets, put_first, set_words, where
from strongreid.config import Config
from strongreid.config_sections import DataConfig, ScheduleConfig
from strongreid.errors import InputError, command_line
from strongreid.files import dotted
from strongreid.launch import read_launch
from strongreid.recipes import add_settings, config_from, recipe_path, recipe_values, scaled_schedule
from strongreid.recipes.parsing import Given, new_parser, parse, tell_apart
from strongreid.runs.finding import require_run

GPU_RECIPE, CPU_RECIPE = "bag_of_tricks", "photographs_small"
"""What `train` takes where no recipe is named."""
FIRST = (
    "recipe",
    "epochs",
    "data.name",
    "data.root",
    "seed",
    "name",
    "output",
    "resume",
    "model.backbone",
    "model.weights",
    "batch.people_per_batch",
    "runtime.accelerator",
)
"""The options that matter first, in the order of `--help`."""


def demo(output: Path = Path("runs/demo"), seed: int = 0) -> None:
    """See it work in two to five minutes on two CPU cores: draw people, train two recipes, compare them.

    Args:
        output: The folder to write to; started again, the demo goes on with what is there.
        seed: Seed of the drawn people and of both trainings.
    """
    from strongreid.reports.console import Console
    from strongreid.runs.demo import run_demo

    run_demo(output, seed, Console())


def train(config: Config, recipe: str, by_default: bool) -> None:
    """Train, then evaluate the last epoch's weights. `by_default`: nobody named the recipe, so it is said."""
    from strongreid.reports.console import Console
    from strongreid.runs.lock import lock_new_run

    console = Console(quiet=not read_launch().first)
    if config.name is not None:
        with lock_new_run(config.output / config.name, console):
            pass  # a name that is taken is refused now rather than after PyTorch is loaded

    from strongreid.runs import train as training

    folder = training.run_folder(config, recipe)
    if by_default and recipe == CPU_RECIPE:
        console.say(f"No GPU here: {CPU_RECIPE}, a recipe for CPUs. The paper's own is --recipe {GPU_RECIPE}.")
    with resumable(folder):
        finished = training.start(config, folder, console)
    training.show(finished, console)
    console.suggest("report", folder)


def resume(folder: Path, data_root: Path | None, moved: Mapping[str, Path]) -> None:
    """Go on with a run that was stopped, from its newest checkpoint; its data sets may lie elsewhere now."""
    from strongreid.reports.console import Console
    from strongreid.runs.lock import lock_run

    console = Console(quiet=not read_launch().first)
    if not (folder / "result.json").is_file():
        with lock_run(folder, console):
            pass  # who else trains it is said now

    from strongreid.runs import train as training
    from strongreid.runs.folder import Run

    with resumable(folder):
        finished = training.resume(Run(folder, data_root, moved), console)
    training.show(finished, console)
    console.suggest("report", folder, *where(data_root))


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say after Ctrl-C or SIGTERM in the block how to go on, if there is anything to go on with."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if (folder / "config.yaml").is_file():
            stop.args = (f"Go on with: {command_line('train', '--resume', folder)}",)
        raise


def train_parser() -> ArgumentParser:
    """Return the parser of `train`, with an option for each setting, those that matter first in front."""
    parser = new_parser(
        "Train a recipe on a data set and evaluate the last epoch's weights. NAME and DIR are the data set and its "
        "folder, as --data.name and --data.root: `folder` for a folder of images a person; `strongreid data list` "
        "names the others.",
        usage="strongreid train [NAME DIR] [--recipe RECIPE] [--epochs N] [--any.setting VALUE ...]",
    )
    parser.add_argument(
        "--recipe",
        type=str,
        help=f"A recipe's name ({GPU_RECIPE}, standard_baseline, and each with _small for CPUs) or a YAML file; its "
        f"values are the defaults of all settings. Without one: {GPU_RECIPE}, and where there is no GPU {CPU_RECIPE}, "
        "the bag of tricks and more, made for photographs; photographs_lite0 starts from ImageNet weights and learns "
        "far more.",
    )
    parser.add_argument(
        "--epochs",
        type=int | None,
        help="Length of the training; warm-up and milestones keep their shares of it, where they are not given.",
    )
    parser.add_argument(
        "--resume",
        type=Path | None,
        help="Go on with the stopped run in this folder; --data.root or --moved if a set was moved, no other option.",
    )
    add_moved(parser, "With --resume:")
    add_settings(parser)
    put_first(parser, FIRST)
    return parser


def show_recipe(parser: ArgumentParser, words: list[str]) -> None:
    """Make a recipe's values the defaults that `--help` shows."""
    recipe = tell_apart(parser, words).value("recipe") or GPU_RECIPE
    parser.set_defaults(dotted(recipe_values(parser, recipe_path(recipe)).as_dict()))


def read_train(parser: ArgumentParser, words: list[str]) -> Callable[[], None]:
    """Return the training that `words` ask for, ready to start; what can be refused without PyTorch is refused."""
    given = tell_apart(parser, words)
    if "resume" in given.options:
        return partial(resume, *_run_to_resume(given))
    if "moved" in given.options:
        raise InputError("--moved goes with --resume; a new training names each of its sets where it lies.")
    named = given.value("recipe")
    recipes = [named] if named else [GPU_RECIPE, CPU_RECIPE]
    configs = [_config(parser, given, recipe) for recipe in recipes]
    possible = [config for config in configs if isinstance(config, Config)]
    for config in possible[:1]:
        _require_sets(config.data)
    chosen = int(not named and possible != [] and _on_cpu(possible[0]))
    found = configs[chosen]
    if isinstance(found, InputError):
        raise found
    path = recipe_path(recipes[chosen])
    return partial(train, found, "run" if path.name == "config.yaml" else path.stem, by_default=not named)


def _config(parser: ArgumentParser, given: Given, recipe: str) -> Config | InputError:
    """Return the settings of a recipe with what was given on top, or why they cannot be trained with."""
    base = recipe_values(parser, recipe_path(recipe))
    if "epochs" in given.options:
        if "schedule.epochs" in given.options:
            raise InputError("--epochs and --schedule.epochs both say how long to train; give one of them.")
        epochs = parse(parser, [f"--epochs={given.value('epochs')}"]).epochs
        if epochs < 1:
            raise InputError(f"--epochs is {epochs}; it must be 1 or more.")
        schedule = scaled_schedule(ScheduleConfig(**base.schedule.as_dict()), epochs)
        for name, value in asdict(schedule).items():
            base[f"schedule.{name}"] = value
    values = parse(parser, [*given.with_dashes, *set_words(given, "train")], base)
    try:
        return config_from(parser, values)
    except InputError as error:
        return error


def _run_to_resume(given: Given) -> tuple[Path, Path | None, dict[str, Path]]:
    """Return the folder of the run to go on with, and where its data sets lie now."""
    taken = ("resume", "data.root", "moved")
    others = [f"--{name}={value[-1]}" for name, value in given.options.items() if name not in taken] + given.alone
    if others:
        raise InputError(
            "--resume goes on with a run as it was; it takes no other option but --data.root and --moved, where its "
            f"data sets lie now, but {' '.join(others)} came. To change a setting, start a new run: --recipe "
            "RUN/config.yaml with the options to change."
        )
    folder, root = (given.value(name) for name in ("resume", "data.root"))
    require_run(Path(folder or ""))
    return Path(folder or ""), Path(root) if root is not None else None, moved_sets(given.options.get("moved"))


def _require_sets(data: DataConfig) -> None:
    require_set(data.name, data.root)
    for one in (*data.joined, *data.tested):
        require_set(one.name, one.root)


def _on_cpu(config: Config) -> bool:
    """Whether a training will compute on the CPU. It takes PyTorch to know, where the settings leave it open."""
    if config.runtime.accelerator != "auto":
        return config.runtime.accelerator == "cpu"
    import torch

    return not torch.cuda.is_available()


TRAINING = {
    "demo": Command(
        demo, "see it work: draw people, train, compare; minutes", ("demo", "demo --output runs/demo1 --seed 1")
    ),
    "train": Command(
        train,
        "train a recipe on a data set and evaluate it",
        ("train folder people --epochs 24", "train market1501 $MARKET1501 --recipe bag_of_tricks --seed 1"),
        make_parser=train_parser,
        read=read_train,
        set_defaults=show_recipe,
    ),
}
