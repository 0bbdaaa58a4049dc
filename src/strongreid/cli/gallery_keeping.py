"""`gallery erase, stats, tune, compact`: looking after a gallery that is there."""

from collections.abc import Sequence
from typing import Final

from jsonargparse import ArgumentParser

from strongreid.cli.command import Command, parser_of
from strongreid.cli.gallery import require_gallery
from strongreid.errors import InputError

_MOST_CALLED: Final = 20
"""People and cameras that are listed."""
_LONGEST_LABEL: Final = 19


def gallery_erase(
    gallery: str,
    person: str | None = None,
    track: str | None = None,
    older_than: str | None = None,
    yes: bool = False,
    dry_run: bool = False,
) -> None:
    """Erase rows for good: a person, a track, or what is older than a length of time.

    Without --yes nothing is erased, and it is said how much would be.

    Args:
        gallery: The gallery.
        person: Whose rows to erase, a number or a name.
        track: The track whose rows to erase, likewise.
        older_than: Erase what was taken longer ago than 30d, 12h, 90m or 2w; of rows without a time, what was added.
        yes: Erase, rather than say what would be.
        dry_run: Say what would be erased, as without --yes.
    """
    if yes and dry_run:
        raise InputError("--yes erases and --dry_run does not: give one of the two.")
    from strongreid.reports.console import Console

    console, opened = Console(), require_gallery(gallery)
    erased = opened.erase(person=person, track=track, older_than=older_than, dry_run=not yes)
    if not yes:
        console.say(f"{gallery}: {erased.count:,} of {opened.stats().count:,} rows would be erased. Nothing was.")
        given = {"--person": person, "--track": track, "--older_than": older_than}
        words = [f"{name}={value}" for name, value in given.items() if value is not None]  # one may begin with a dash
        console.suggest("gallery", "erase", gallery, *words, "--yes")
        return
    proof = (
        "No file from before is left."
        if erased.proven
        else "Deleted, not proven physically gone: this store keeps no promise about its files."
    )
    console.say(f"{gallery}: {erased.count:,} rows are erased. {proof} Backups of it that you made still hold them.")
    console.suggest("gallery", "stats", gallery)


def gallery_stats(gallery: str) -> None:
    """Say what a gallery holds.

    Args:
        gallery: The gallery.
    """
    from strongreid.gallery.times import NO_TIME, shown_time
    from strongreid.reports.console import Console

    console, stats = Console(), require_gallery(gallery).stats()
    about = stats.about
    assert about is not None
    times = "none known" if stats.first == NO_TIME else f"{shown_time(stats.first)} to {shown_time(stats.last)}"
    rows = [
        ["rows", f"{stats.count:,}"],
        ["people known", _counted(stats.people, stats.called["person"])],
        ["cameras known", _counted(stats.cameras, stats.called["camera"])],
        ["tracks known", f"{stats.tracks:,}"],
        ["times", times],
        ["bytes", "not known" if stats.bytes is None else f"{stats.bytes:,}"],
        ["model", about.model[:16]],
        ["features", f"{about.width} numbers, compared by {about.metric}"],
    ]
    console.table(str(gallery), ("", ""), rows)
    console.suggest("gallery", "search", "person.jpg", "--in", gallery)


def _counted(count: int, called: Sequence[str]) -> str:
    """How many there are, and what some of them are called."""
    from strongreid.reports.found import with_its_end

    some = [with_its_end(one, _LONGEST_LABEL) for one in called[:_MOST_CALLED]]
    more = ", ..." if len(called) > len(some) else ""
    return f"{count:,}" + (f": {', '.join(some)}{more}" if some else "")


def gallery_compact(gallery: str) -> None:
    """Bring a gallery into few files, and remove what its earlier states left.

    Args:
        gallery: The gallery.
    """
    from strongreid.reports.console import Console

    console, opened = Console(), require_gallery(gallery)
    before = opened.stats().bytes
    opened.compact()
    after = opened.stats().bytes
    sizes = "" if before is None or after is None else f" {before:,} bytes before, {after:,} now."
    console.say(f"{gallery}: compact.{sizes}")
    console.suggest("gallery", "stats", gallery)


def gallery_tune(gallery: str, recall: float = 0.95, from_rows: int = 500_000) -> None:
    """Build an index over a gallery in a folder or an object store, and measure how it must be used.

    Exact search looks at every row, held in memory, and suits hundreds of thousands. The index suits more, and misses
    some: this measures how many.

    Args:
        gallery: The gallery.
        recall: Share of the ten nearest rows that must be found.
        from_rows: Searches use the index from so many rows on, and are exact below.
    """
    from strongreid.gallery.tuning import tune
    from strongreid.reports.console import Console

    console, kept = Console(), require_gallery(gallery)
    rows = kept.stats().count
    with console.bar("Tuning the index") as report:
        found = tune(kept, recall, from_rows, report)
    cells = [[str(one.probes), f"{one.recall:.3f}", f"{one.milliseconds:.1f}"] for one in found.tried]
    cells.append(["all rows", "1.000", f"{found.exact_milliseconds:.1f}"])
    console.table(f"{rows:,} rows", ("groups looked into", "recall of the ten nearest", "ms a query (median)"), cells)
    used = "is used" if rows >= from_rows else f"is used from {from_rows:,} rows on (--from_rows)"
    console.say(f"Built in {found.building_seconds:.1f} s; with {found.chosen.probes} groups the index {used}.")
    console.suggest("gallery", "search", "person.jpg", "--in", gallery)


def erase_parser() -> ArgumentParser:
    """Return the parser of `gallery erase`."""
    parser = parser_of(gallery_erase, skip={"person", "track", "yes", "dry_run"})
    parser.add_argument("--person", type=str, help="Whose rows to erase, a number or a name.")  # null is a name, too
    parser.add_argument("--track", type=str, help="The track whose rows to erase, likewise.")
    parser.add_argument("--yes", action="store_true", help="Erase; without it is said what would be.")
    parser.add_argument("--dry_run", action="store_true", help="Say what would be erased, as without --yes.")
    return parser


KEEPING = {
    "gallery erase": Command(
        gallery_erase,
        "erase a person, a track or what is old, for good",
        ("gallery erase people.gallery --person 7", "gallery erase people.gallery --older_than 30d --yes"),
        make_parser=erase_parser,
    ),
    "gallery stats": Command(
        gallery_stats,
        "say what a gallery holds",
        ("gallery stats people.gallery", "gallery stats s3://bucket/gallery"),
    ),
    "gallery compact": Command(
        gallery_compact,
        "bring a gallery into few files",
        ("gallery compact people.gallery", "gallery compact s3://bucket/gallery"),
    ),
    "gallery tune": Command(
        gallery_tune,
        "build an index for many rows, and measure what it finds",
        ("gallery tune people.gallery", "gallery tune people.gallery --recall 0.99 --from_rows 100000"),
    ),
}
