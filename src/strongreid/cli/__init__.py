"""The command line: one table of commands, and how one of them is found and run.

Heavy imports are made inside the commands, after everything that can be refused without them: `--help` and a slip do
not wait for PyTorch.
"""

import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import TextIO

from strongreid.cli.command import Command
from strongreid.cli.comparing import COMPARING
from strongreid.cli.converting import CONVERTING
from strongreid.cli.datasets import DATASETS
from strongreid.cli.embedding import EMBEDDING
from strongreid.cli.evaluating import EVALUATING
from strongreid.cli.exporting import EXPORTING
from strongreid.cli.finetuning import FINETUNING
from strongreid.cli.gallery import GALLERY
from strongreid.cli.gallery_copies import COPIES
from strongreid.cli.gallery_keeping import KEEPING
from strongreid.cli.identifying import IDENTIFYING
from strongreid.cli.importing import IMPORTING
from strongreid.cli.reporting import REPORTING
from strongreid.cli.searching import SEARCHING
from strongreid.cli.serving import SERVING
from strongreid.cli.tables import TABLES
from strongreid.cli.training import TRAINING
from strongreid.cli.trouble import FIXED_BY_USER, guarded, require_working_folder
from strongreid.errors import InputError
from strongreid.launch import read_launch
from strongreid.recipes.in_words import unknown
from strongreid.reports.terminal import guarded_streams, printable

COMMANDS: dict[str, Command] = {
    **TRAINING,
    **FINETUNING,
    **EVALUATING,
    **IDENTIFYING,
    **REPORTING,
    **COMPARING,
    **CONVERTING,
    **EXPORTING,
    **EMBEDDING,
    **SEARCHING,
    **GALLERY,
    **KEEPING,
    **COPIES,
    **SERVING,
    **TABLES,
    **DATASETS,
    **IMPORTING,
}
"""All commands by name, in the order in which they are listed; those of two words form a group."""
DESCRIPTION = "Person re-identification: train, evaluate and compare the strong baseline and its tricks."
HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 2 for what the user can fix, 70 for a defect, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with guarded_streams(), warnings.catch_warnings():
        warnings.showwarning = _show_warning
        warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters of an image is refused, with its path
        return guarded(partial(_run, words))


def _run(words: list[str]) -> int:
    if words[:1] == ["--version"]:
        sys.stdout.write(f"strongreid {version('strongreid')}\n")
        return 0
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    group = words[0] if words and words[0] in groups else ""
    rest = words[1:] if group else words
    if not rest or rest[0] in HELP:
        stream = sys.stdout if rest else sys.stderr
        stream.write(_overview(group))
        return 0 if rest else FIXED_BY_USER
    name = f"{group} {rest[0]}".strip()
    command = _command(name, group)
    if any(word in HELP for word in rest):
        sys.stdout.write(command.help(name, [word for word in rest[1:] if word not in HELP]))
        return 0
    read_launch()  # what torchrun said is checked before any library believes it
    work = command.prepare(rest[1:])
    require_working_folder()
    work()
    return 0


def _command(name: str, group: str) -> Command:
    if name not in COMMANDS:
        if name.startswith("-"):
            raise InputError(f"A command comes first, its options follow: {name} stands before any. See --help.")
        known = [one for one in COMMANDS if one.startswith(group)]
        raise InputError(unknown("command", name, known, f"See: strongreid {group} --help".replace("  ", " ")))
    return COMMANDS[name]


def _overview(group: str) -> str:
    """Return the list of commands, all of them or those of a group."""
    shown = {name: command for name, command in COMMANDS.items() if name.startswith(group)}
    width = max(map(len, shown)) + 2
    examples = next(iter(shown.values())).examples if group else ("demo", "train folder people")
    return "\n".join(
        [
            "Examples:",
            *(f"  strongreid {example}" for example in examples),
            "",
            DESCRIPTION,
            "",
            *(f"  {name:<{width}}{command.purpose}" for name, command in shown.items()),
            "",
            "Each of them explains itself: strongreid COMMAND --help",
            "",
        ]
    )


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Write a warning of any library in one line, without the source line that gave it."""
    sys.stderr.write(f"Warning: {printable(str(message))}\n")
