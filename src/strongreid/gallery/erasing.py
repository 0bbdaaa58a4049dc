"""What is to be erased, as a condition."""

from datetime import datetime, timedelta
from time import time_ns
from typing import Final

from strongreid.errors import InputError
from strongreid.gallery.labels import label, numbers_of, whole_numbers
from strongreid.gallery.times import NO_TIME, duration, microseconds
from strongreid.gallery.where import UNKNOWN, Compare, Joined, Not, Where

_EARLIEST: Final = NO_TIME + 1
_LATEST_ADDED: Final = (2**63 - 1) // 1000


def what_to_erase(
    person: int | str | None, track: int | str | None, older_than: timedelta | datetime | str | None
) -> Where:
    """Return the rows of a person, of a track, or older than a length of time (or from before a moment).

    `InputError` unless exactly one of them is given.
    """
    conditions: list[Where] = []
    if person is not None:
        conditions.append(Compare("person", "in", _known("person", person)))
    if track is not None:
        conditions.append(Compare("track", "in", _known("track", track)))
    if older_than is not None:
        conditions.append(_before(_limit(older_than)))
    if len(conditions) != 1:
        raise InputError("Say what to erase by one of person, track and older_than.")
    return conditions[0]


def _known(name: str, given: int | str) -> tuple[int, ...]:
    """The numbers under which a gallery may have a person or a track."""
    said = label(name, given) if isinstance(given, str) else int(whole_numbers(name, given, 1)[0])
    if said == UNKNOWN:
        raise InputError(f"{name} -1 stands for unknown; erase what is known by its number or name.")
    return numbers_of(said)


def _limit(older_than: timedelta | datetime | str) -> int:
    """The time, in microseconds since 1970, before which rows are to be erased."""
    if isinstance(older_than, datetime):
        return microseconds(older_than)
    age = duration(older_than) if isinstance(older_than, str) else older_than
    if not isinstance(age, timedelta):
        raise InputError(f"older_than is {age!r}; give 30d or 12h, a timedelta, or a datetime.")
    if age < timedelta(0):
        raise InputError(f"older_than is {age}; it must not be negative.")
    return max(time_ns() // 1000 - age // timedelta(microseconds=1), _EARLIEST)


def _before(limit: int) -> Where:
    """The rows from before a time: by their time, or where that is not known by when they were added."""
    added = min(max(limit, 0), _LATEST_ADDED) * 1000  # nanoseconds, of which a database takes no more
    without_time = Not(Compare("time", ">=", (_EARLIEST,)))
    return Joined("or", Compare("time", "<", (limit,)), Joined("and", without_time, Compare("added", "<", (added,))))
