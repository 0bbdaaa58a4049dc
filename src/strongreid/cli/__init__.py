"""The commands. Each is a small typed function; its options come from its signature and its docstring.

What the user can mend ends with one message and exit code 2, Ctrl-C with 130, and neither with a traceback. Heavy
imports are made inside the commands, so that `--help` does not wait for PyTorch.
"""

import errno
import sys
from collections.abc import Sequence

from jsonargparse import ArgumentParser

from strongreid.cli.datasets import DATA_COMMANDS, add_data_commands
from strongreid.cli.evaluating import calibrate, evaluate_model, evaluate_parser
from strongreid.cli.parsing import complain, first_process, parse, parser_of
from strongreid.cli.reporting import report
from strongreid.cli.tables import compare, compare_parser, reproduce, reproduce_parser, split_settings
from strongreid.cli.training import demo, go_on, train, train_base, train_parser
from strongreid.errors import InputError
from strongreid.recipes import config_from

DESCRIPTION = "Person re-identification: train, evaluate and compare the strong baseline and its tricks."

NOT_OURS = {errno.EACCES, errno.EDQUOT, errno.EISDIR, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS}
"""Errors of the file system that the user can mend: no room, no right, a file where a folder is wanted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except InputError as error:
        complain(f"error: {error}")
        return 2
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        complain(f"error: {where}{error.strerror}. Make room or choose another place.")
        return 2
    except KeyboardInterrupt as stop:
        if first_process():
            complain(f"stopped. {stop}")
        return 130
    return 0


def _run(words: list[str]) -> None:
    parser = ArgumentParser(prog="strongreid", description=DESCRIPTION, allow_abbrev=False)
    commands = parser.add_subcommands(dest="command", required=True)
    recipe, resume = train_base(words)
    training = train_parser(recipe)
    commands.add_subcommand("demo", parser_of(demo), help="see it work: draw people, train, compare; minutes")
    commands.add_subcommand("train", training, help="train a recipe on a data set and evaluate it")
    commands.add_subcommand("evaluate", evaluate_parser(), help="evaluate a run, or features of any model")
    commands.add_subcommand("calibrate", parser_of(calibrate), help="find and store the threshold for the same person")
    commands.add_subcommand("report", parser_of(report), help="one HTML page about a run: pictures, curves, figures")
    data = ArgumentParser(description="Draw, list, check and pack data sets.", allow_abbrev=False)
    commands.add_subcommand("data", data, help="draw, list, check and pack data sets")
    add_data_commands(data)
    commands.add_subcommand("reproduce", reproduce_parser(), help="fill one of the paper's tables, or one's own")
    commands.add_subcommand("compare", compare_parser(), help="runs side by side, with the paired test")
    overrides: list[str] = []
    other: list[str] = []
    if words[:1] == ["reproduce"]:
        words, overrides, other = split_settings(words)
    parsed = parse(parser, words)
    values = parsed[parsed["command"]]
    match parsed["command"]:
        case "demo":
            demo(**values.as_dict())
        case "train" if resume is not None:
            go_on(resume)
        case "train":
            train(config_from(training, values), "run" if recipe.name == "config.yaml" else recipe.stem)
        case "evaluate":
            evaluate_model(**values.as_dict())
        case "calibrate":
            calibrate(**values.as_dict())
        case "reproduce":
            reproduce(**values.as_dict(), overrides=overrides, other=other)
        case "compare":
            compare(tuple(values["runs"]))
        case "report":
            report(**values.as_dict())
        case "data":
            command, _ = DATA_COMMANDS[values["data_command"]]
            command(**values[values["data_command"]].as_dict())
