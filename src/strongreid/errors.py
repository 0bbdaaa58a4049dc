"""The one exception for what the user can mend: it says what came, what is allowed and what to do next.

The command line prints it without a traceback and exits with code 2; everything else is a defect of ours and keeps
its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Input that cannot be used: a folder, a file, an array, a setting. The message is complete sentences."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean ...?` with the nearest of the known words, to end a refusal with; empty if none is near."""
    near = get_close_matches(word, known, n=1)
    return f" Did you mean {near[0]}?" if near else ""
