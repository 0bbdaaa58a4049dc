"""Importing own crops: a source is read, what is wrong with it is told, and a table is written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from strongreid.data.importing.choices import import_source
from strongreid.data.importing.sightings import Choices, Imported, Sighting
from strongreid.data.importing.written import SEEN_BY, table_columns, write_table
from strongreid.errors import InputError
from strongreid.reports.console import Console
from strongreid.reports.found import with_its_end

MOST_LISTED: Final = 50
"""Problems that are named; the rest is counted."""
SHOWN: Final = 10
"""Images that are shown of what would be written."""


def import_people(source: Path, output: Path | None, choices: Choices, console: Console, *, skip_bad: bool) -> None:
    """Read `source` and write its table to `output`; None only shows how it is understood.

    Raises `InputError` where something is wrong, after telling what, unless it is to be left out.
    """
    with console.bar("Looking at frames") as report:
        imported = import_source(source, choices, report)
    _tell(imported, source, console)
    if output is None:
        _show(imported.sightings, console)
    _refuse_problems(imported, console, skip_bad=skip_bad or output is None)
    if output is None:
        console.say("Nothing is written: this was to look.")
        return
    if imported.problems:
        console.say(f"Left out: {len(imported.problems):,} images.")
    columns = write_table(output, imported.sightings)
    if SEEN_BY in columns:
        console.say(
            f"Nobody is seen by two cameras, so the table calls them `{SEEN_BY}`: a test then counts every image of a "
            "person (the any-camera protocol)."
        )
    console.say(f"Written: {output}, {_counts(imported.sightings)}; columns {', '.join(columns)}.")


def _tell(imported: Imported, source: Path, console: Console) -> None:
    console.say(f"{source} is read as {imported.read_as}: {_counts(imported.sightings)}.", *imported.notes)
    if imported.left_alone:
        listed = ", ".join(f"{count:,} {name}" for name, count in sorted(imported.left_alone.items()))
        console.say(f"Left alone: {listed}.")


def _counts(sightings: Sequence[Sighting]) -> str:
    people, cameras = len({one.person for one in sightings}), len({one.camera for one in sightings} - {""})
    by = f", {cameras:,} camera{'s' * (cameras != 1)}" if cameras else ""
    return f"{len(sightings):,} images of {people:,} people{by}"


def _show(sightings: Sequence[Sighting], console: Console) -> None:
    """Show how the first images are understood, as the table would say it."""
    columns = table_columns(sightings)
    names = ["path", *(name for name in columns if name not in ("path", "x", "y", "w", "h"))]
    rows = [
        [
            with_its_end(one.path),
            *(str(getattr(one, "camera" if name == SEEN_BY else name)) for name in names[1:]),
            *([str(list(one.box))] if one.box is not None else []),
        ]
        for one in sightings[:SHOWN]
    ]
    box = ["box"] if sightings and sightings[0].box is not None else []
    if rows:
        console.table("How the first are understood", [*names, *box], rows)


def _refuse_problems(imported: Imported, console: Console, *, skip_bad: bool) -> None:
    """Name what is wrong; `InputError` where it is not to be left out, or nothing is left."""
    problems = imported.problems
    if problems:
        console.say(f"Wrong ({len(problems):,}):", *(f"    {problem}" for problem in problems[:MOST_LISTED]))
        if len(problems) > MOST_LISTED:
            console.say(f"    ... and {len(problems) - MOST_LISTED:,} more")
    if not imported.sightings:
        reason = f"{problems[0]}. " if problems else ""
        raise InputError(f"{reason}Nothing is left to write.")
    if problems and not skip_bad:
        more = f"And {len(problems) - 1:,} more, listed above. " if len(problems) > 1 else ""
        raise InputError(f"{problems[0]}. {more}Correct it, or leave such images out with --skip_bad.")
