"""The commands. Each is a small typed function below; its options come from its signature and its docstring.

What the user can mend ends with one message and exit code 2, Ctrl-C with 130, and neither with a traceback. Heavy
imports are made inside the commands, so that `--help` does not wait for PyTorch.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from strongreid.config import Config, config_from, config_parser, recipe_path
from strongreid.errors import InputError

DESCRIPTION = "Person re-identification: train, evaluate and compare the strong baseline and its tricks."
DEFAULT_RECIPE = "bag_of_tricks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except InputError as error:
        _complain(f"error: {error}")
        return 2
    except KeyboardInterrupt as stop:
        _complain(f"stopped. {stop}")
        return 130
    return 0


def demo(output: Path = Path("runs/demo"), seed: int = 0) -> None:
    """See it work in about five minutes on two CPU cores: draw people, train two recipes, compare them.

    Args:
        output: The folder to write to; it must not exist yet.
        seed: Seed of the drawn people and of both trainings.
    """
    from strongreid.experiments.demo import run_demo
    from strongreid.reports.console import Console

    run_demo(output, seed, Console())


def train(config: Config, recipe: str) -> None:
    """Train a recipe on a data set, then evaluate the last epoch's weights."""
    from strongreid.experiments import run
    from strongreid.reports.console import Console

    console = Console()
    folder = run.run_folder(config, recipe)
    try:
        finished = run.start(config, folder, console)
    except KeyboardInterrupt:
        _hint_at_resuming(folder)
        raise
    run.show(finished, console)


def go_on(folder: Path) -> None:
    """Go on with a run that was stopped, from its newest checkpoint."""
    from strongreid.experiments import run
    from strongreid.reports.console import Console

    console = Console()
    try:
        finished = run.resume(folder, console)
    except KeyboardInterrupt:
        _hint_at_resuming(folder)
        raise
    run.show(finished, console)


def evaluate(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    data_root: Path | None = None,
    metric: Literal["cosine", "euclidean"] | None = None,
    reranking: bool = False,
    json: Path | None = None,
) -> None:
    """Evaluate a run on its test set, or features of any model from two .npz files.

    Args:
        run: The folder of a run; its data set is read again and its last weights are used.
        embeddings: Query and gallery file (.npz), each with the arrays features, person and camera.
        data_root: Where the data set lies now, if it was moved since the training.
        metric: cosine or euclidean; by default the run's own, and cosine for embeddings.
        reranking: Re-rank by k-reciprocal encoding (Zhong et al. 2017; k1 20, k2 6, lambda 0.3).
        json: File to write the metrics to.
    """
    from strongreid.experiments import testing
    from strongreid.reports.console import Console

    console = Console()
    if (run is None) == (embeddings is None):
        raise InputError("Name a run's folder, or --embeddings QUERY.npz GALLERY.npz: one of the two.")
    if embeddings is not None:
        result = testing.evaluate_files(*embeddings, metric or "cosine", reranking, console)
    elif run is not None:
        result = testing.evaluate_run(run, data_root, metric, reranking, console)
    testing.show(result, console)
    if json is not None:
        testing.write(result, json)


def data_draw(
    folder: Path,
    train_people: int = 110,
    test_people: int = 80,
    images_per_person: int = 8,
    seed: int = 0,
    domain: int = 0,
) -> None:
    """Draw people: a set of pictures in Market-1501's own layout, with its counts in drawn.json.

    Args:
        folder: The folder to make; it must not exist yet, or be empty.
        train_people: People to train on.
        test_people: Other people, to test with.
        images_per_person: Images of each of them, on average.
        seed: The same seed draws the same pictures.
        domain: Another domain has other cameras and other clothes.
    """
    from strongreid.data.drawn import draw_people
    from strongreid.reports.console import Console

    console = Console()
    with console.bar("Drawing people") as report:
        draw_people(
            folder,
            train_people=train_people,
            test_people=test_people,
            images_per_person=images_per_person,
            seed=seed,
            domain=domain,
            progress=report,
        )
    console.say(f"Drawn: {folder}. Train with --data.name market1501 --data.root {folder}")


def data_list() -> None:
    """List the known data sets: names, terms, where they are found, and what is not read."""
    from strongreid.experiments.datasets import list_known
    from strongreid.reports.console import Console

    list_known(Console())


def data_check(name: str, root: Path, split_seed: int = 0, sheet: Path | None = None) -> None:
    """Check a data set before the first step: counts, people in train and test, corrupt and repeated images.

    Args:
        name: The data set; `strongreid data list` names the known ones.
        root: Its folder, for Market-1501 the one that holds bounding_box_train; for `table` the file.
        split_seed: Seed of the split, for sets that leave it to the user.
        sheet: File for a contact sheet, a picture of some people (.png or .jpg).
    """
    from strongreid.experiments import datasets
    from strongreid.reports.console import Console

    if not datasets.check(name, root, split_seed, sheet, Console()):
        raise InputError(f"{root} is not ready for training; what to mend is listed above.")


def data_pack(
    name: str,
    root: Path,
    size: tuple[int, int] = (256, 128),
    cache: Path = Path("runs/packed"),
    split_seed: int = 0,
) -> None:
    """Decode and resize a data set's images ahead of training, on all cores.

    Args:
        name: The data set; `strongreid data list` names the known ones.
        root: Its folder; for `table` the file.
        size: Height and width in pixels: what model.image_size will be.
        cache: The folder to write to: what data.cache will be, by default `packed` in the output folder.
        split_seed: Seed of the split, for sets that leave it to the user.
    """
    from strongreid.experiments import datasets
    from strongreid.reports.console import Console

    datasets.pack(name, root, size, cache, split_seed, Console())


def data_extract(name: str, root: Path) -> None:
    """Write CUHK03's images out of its .mat file.

    Args:
        name: cuhk03_detected or cuhk03_labeled.
        root: The folder that holds cuhk03_release.
    """
    from strongreid.experiments import datasets
    from strongreid.reports.console import Console

    datasets.extract(name, root, Console())


DATA_COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "list": (data_list, "list the known data sets, their terms and where they are found"),
    "check": (data_check, "say whether a data set is ready, and what to mend if not"),
    "draw": (data_draw, "draw people in Market-1501's layout"),
    "extract": (data_extract, "write CUHK03's images out of its .mat file"),
    "pack": (data_pack, "decode and resize a data set ahead of training"),
}


def _run(words: list[str]) -> None:
    parser = ArgumentParser(prog="strongreid", description=DESCRIPTION, allow_abbrev=False)
    commands = parser.add_subcommands(dest="command", required=True)
    recipe, resume = _train_base(words)
    train_parser = _train_parser(recipe)
    commands.add_subcommand("demo", _parser_of(demo), help="see it work: draw people, train, compare; 5 minutes")
    commands.add_subcommand("train", train_parser, help="train a recipe on a data set and evaluate it")
    commands.add_subcommand("evaluate", _evaluate_parser(), help="evaluate a run, or features of any model")
    data = ArgumentParser(description="Draw, list, check and pack data sets.", allow_abbrev=False)
    commands.add_subcommand("data", data, help="draw, list, check and pack data sets")
    data_commands = data.add_subcommands(dest="data_command", required=True)
    for name, (command, purpose) in DATA_COMMANDS.items():
        data_commands.add_subcommand(name, _parser_of(command), help=purpose)
    parsed = parser.parse_args(words)
    values = parsed[parsed["command"]]
    match parsed["command"]:
        case "demo":
            demo(**values.as_dict())
        case "train" if resume is not None:
            go_on(resume)
        case "train":
            train(config_from(train_parser, values), "run" if recipe.name == "config.yaml" else recipe.stem)
        case "evaluate":
            evaluate(**values.as_dict())
        case "data":
            command, _ = DATA_COMMANDS[values["data_command"]]
            command(**values[values["data_command"]].as_dict())


def _parser_of(command: Callable[..., None], skip: set[str | int] | None = None) -> ArgumentParser:
    parser = ArgumentParser(description=(command.__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_function_arguments(command, as_positional=True, skip=skip, as_group=False)
    return parser


def _train_base(words: list[str]) -> tuple[Path, Path | None]:
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


def _train_parser(recipe: Path) -> ArgumentParser:
    parser = config_parser(recipe, description="Train a recipe on a data set and evaluate the last epoch's weights.")
    parser.add_argument(
        "--recipe",
        default=DEFAULT_RECIPE,
        help="a recipe's name (bag_of_tricks, standard_baseline, and each with _small for CPUs) or a YAML file; "
        "its values are the defaults of the options below",
    )
    parser.add_argument("--resume", type=Path | None, help="go on with the stopped run in this folder; no other option")
    return parser


def _evaluate_parser() -> ArgumentParser:
    parser = _parser_of(evaluate, skip={"run", "embeddings"})
    parser.add_argument("run", nargs="?", type=Path, help="the folder of a run")
    parser.add_argument(
        "--embeddings", nargs=2, type=Path, metavar=("QUERY", "GALLERY"), help="two .npz files, in place of a run"
    )
    return parser


def _hint_at_resuming(folder: Path) -> None:
    if (folder / "config.yaml").is_file():
        _complain(f"Go on with: strongreid train --resume {folder}")


def _complain(text: str) -> None:
    print(f"strongreid: {text}".rstrip(), file=sys.stderr)  # noqa: T201 - the console is this function's purpose
