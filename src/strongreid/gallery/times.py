"""Times in a gallery: whole microseconds since 1970 in UTC.

A time without a zone is taken as UTC: cameras of one site are then compared with each other, whatever the clock of the
machine that enrols them says.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from strongreid.errors import InputError

NO_TIME: Final = int(np.iinfo(np.int64).min)
"""A time that is not known; NumPy's "not a time"."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LATEST: Final = 253_402_300_799  # seconds: the end of the year 9999
_FORMS: Final = (
    "Give ISO 8601 (2026-11-01T12:00, in UTC unless it says a zone), a datetime, a NumPy datetime64, or seconds since "
    "1970."
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def microseconds(value: Any) -> int:
    """Return one time as microseconds; `NO_TIME` for None, NaN and NaT. `InputError` for what is no time."""
    if value is None:
        return NO_TIME
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[us]").astype(np.int64))
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
        since: timedelta = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
        return since // _MICROSECOND
    if isinstance(value, np.integer | np.floating):
        value = value.item()
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value != value:  # NaN
            return NO_TIME
        if abs(value) <= _LATEST:
            return round(value * 1e6) if isinstance(value, float) else value * 10**6
    raise InputError(f"{value!r} is no time. {_FORMS}")


def times(given: Any, count: int) -> npt.NDArray[np.int64]:
    """Return times of `count` rows, int64 `[count]`, of one time for all or of a sequence; see `microseconds`."""
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if isinstance(given, np.ndarray) and not given.ndim:
        given = given[()]
    if given is None or isinstance(given, str | date | int | float | np.datetime64 | np.integer | np.floating):
        return np.full(count, microseconds(given), dtype=np.int64)
    if isinstance(given, np.ndarray) and given.dtype.kind == "M":
        column = given.astype("datetime64[us]").astype(np.int64)
    elif isinstance(given, np.ndarray | Sequence):
        column = np.array([microseconds(value) for value in given], dtype=np.int64)
    else:
        raise InputError(f"time is a {type(given).__name__}. {_FORMS} One for all rows, or one for each.")
    if column.shape != (count,):
        raise InputError(f"time has shape {list(column.shape)}; with {count} rows of features give [{count}], or one.")
    return column


def duration(text: str) -> timedelta:
    """Read 30d, 12h, 90m, 2w or 3600s; `InputError` for anything else."""
    found = re.fullmatch(r"\s*([0-9]{1,6})\s*([smhdw])\s*", text)
    if found is None:
        raise InputError(f"{text!r} is no length of time: write 30d, 12h, 90m, 2w or 3600s.")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def shown_time(value: int) -> str:
    """Write a time as ISO 8601 in UTC; a dash where it is not known."""
    if value == NO_TIME:
        return "-"
    return np.datetime_as_string(np.datetime64(value, "us"), unit="s") + "Z"


def _of_text(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{text!r} is no time. {_FORMS}") from error
    return microseconds(moment)
