"""`finetune`: a model that knows people, trained further on one's own."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from strongreid.cli.any_model import is_onnx
from strongreid.cli.checks import require_model, require_set
from strongreid.cli.command import Command
from strongreid.cli.options import put_first, set_words
from strongreid.cli.training import resumable
from strongreid.errors import InputError
from strongreid.launch import read_launch
from strongreid.recipes import add_settings
from strongreid.recipes.parsing import given_values, new_parser, tell_apart
from strongreid.runs.finding import is_on_hub

FIRST = (
    "from",
    "data.name",
    "data.root",
    "epochs",
    "seed",
    "data.split_seed",
    "name",
    "output",
    "evaluation.false_match_rate",
    "schedule.base_rate",
    "runtime.accelerator",
)
"""The options that matter first, in the order of `--help`."""
NOT_OF_IT = ("model.start", "model.weights")
"""Settings that --from takes the place of."""


def finetune(model: Path, given: Mapping[str, Any]) -> None:
    """Train a model further on other people, and say whether that made it better."""
    from strongreid.models.hub import find_pretrained
    from strongreid.reports.console import Console
    from strongreid.runs import train as training
    from strongreid.runs.finetune import finetuning
    from strongreid.runs.verdict import verdict_of

    console = Console(quiet=not read_launch().first)
    config = finetuning(find_pretrained(str(model)).file, given, console)
    folder = training.run_folder(config, "finetune")
    with resumable(folder):
        run = training.start(config, folder, console)
    training.show(run, console)
    verdict = verdict_of(run)
    if verdict is not None and verdict.better:
        console.suggest("search", "PERSON.jpg", "--in", "PICTURES", "--model", folder)
        console.suggest("export", folder, "--for", "onnx")
    console.suggest("report", folder)


def finetune_parser() -> ArgumentParser:
    """Return the parser of `finetune`, with an option for each setting, those that matter first in front."""
    parser = new_parser(
        "Train a model further on one's own people: a new classifier, the rest as the model has it, gently. People "
        "fall into groups that never overlap: some are learned from, some choose the epoch, some judge the result "
        "beside the model as it was, some are for the threshold; with few people a group is left out, and that is "
        "said. Whatever is chosen from the size of the data is said with its reason, and can be set.",
        usage="strongreid finetune [NAME DIR] --from MODEL [--epochs N] [--any.setting VALUE ...]",
    )
    parser.add_argument(
        "--from",
        type=Path,
        required=True,
        metavar="MODEL",
        help="The model to go on from: the folder of a run, a model file (.safetensors), also a converted one, or "
        "hf:owner/name.",
    )
    parser.add_argument("--epochs", type=int | None, help="Length of the training; chosen from the data without it.")
    add_settings(parser)
    put_first(parser, FIRST)
    return parser


def read_finetune(parser: ArgumentParser, words: list[str]) -> Callable[[], None]:
    """Return the fine-tuning that `words` ask for; what can be refused without PyTorch is refused."""
    told = tell_apart(parser, words)
    given = given_values(parser, [*told.with_dashes, *set_words(told, "finetune")])
    model, epochs = given.pop("from"), given.pop("epochs", None)
    if epochs is not None:
        if "schedule.epochs" in given:
            raise InputError("--epochs and --schedule.epochs both say how long to train; give one of them.")
        given["schedule.epochs"] = epochs
    for name in NOT_OF_IT:
        if name in given:
            raise InputError(f"--{name} has no place here: --from says what the training goes on from.")
    if is_onnx(model):
        raise InputError(f"{model} is an ONNX file, which cannot be trained: name the model that it was made of.")
    if not is_on_hub(model):
        require_model(model)
    if "data.name" not in given:
        raise InputError("Which people? Name the data set: strongreid finetune folder PEOPLE --from MODEL")
    require_set(given["data.name"], given.get("data.root"))
    return partial(finetune, model, given)


FINETUNING = {
    "finetune": Command(
        finetune,
        "train a model further on one's own people, judged",
        ("finetune folder PEOPLE --from RUN", "finetune table people.csv --from hf:owner/name --name mine --seed 1"),
        make_parser=finetune_parser,
        read=read_finetune,
    ),
}
