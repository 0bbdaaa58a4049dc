"""Checking an audit log, and saying what the check cannot show."""

from pathlib import Path

from strongreid.errors import InputError
from strongreid.gallery.audit import verify_log
from strongreid.reports.console import Console


def verify(path: Path, kept: str | None, console: Console) -> None:
    """Check an audit log and say what was found; `InputError` where its chain is broken."""
    with console.bar("Checking the audit log") as report:
        found = verify_log(path, kept=kept, progress=report)
    console.say(*found.problems)
    if found.problems:
        total = len(found.problems) + found.more
        raise InputError(
            f"{path} is not as it was written: {total:,} problems in {found.lines:,} lines, listed above. "
            "Compare it with a copy, and find out who could write it."
        )
    console.say(f"{path}: {found.lines:,} lines, none changed, removed, inserted or moved.")
    if kept is None:
        console.say(
            "What the chain alone cannot show: that lines were cut off at its end, or that all of it was made anew. "
            "Keep this last hash elsewhere, and --kept HASH shows both:"
        )
    console.say(f"Last hash: {found.last}")
    if kept is None:
        console.suggest("audit", "verify", path, "--kept", found.last)
