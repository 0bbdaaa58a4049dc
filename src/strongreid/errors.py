"""The one exception for what the user can fix: it says what came, what is allowed and what to do next.

The command line prints it without a traceback and exits with code 2; everything else is a defect of ours, whose
traceback goes into a file.
"""

import re
import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used: a folder, a file, an array, a setting. The message is complete sentences."""


def command_line(*words: str | Path) -> str:
    """Return the command `strongreid WORDS` as it can be pasted into a shell; a path is never taken for an option."""
    plain = (f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in words)
    return shlex.join(["strongreid", *plain])


def nearest_name(word: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to a word, whatever its capitals and separators; None if none is near."""
    plain = {_letters(name): name for name in known}
    near = get_close_matches(_letters(word), plain, n=1)
    return plain[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean ...?` with the nearest of the known words, to end a refusal with; empty if none is near."""
    near = nearest_name(word, known)
    return f" Did you mean {near}?" if near else ""


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())
