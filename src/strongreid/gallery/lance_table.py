"""One LanceDB table at an address: opened, made, locked, cleaned up, and its library's errors in our words.

A table is a list of versions, each a list of immutable files; a commit adds a version atomically, so a killed writer
leaves the gallery as it was. Writers of a folder take turns by a lock. In an object store, which has none, two that add
the same row at once may both store it, and reading takes the later one.
"""

import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, final

import lancedb
import pyarrow as pa

from strongreid.errors import InputError
from strongreid.files import inside, make_folder, only_process, remove_folder, scheme_of, write_text
from strongreid.gallery.arrow_rows import NAME_FIELDS, about_rows, rows_of_batches, schema_of
from strongreid.gallery.labels import NAMES, Labels, Texts
from strongreid.gallery.rows import About, Rows

TABLE: Final = "gallery"
ROWS_AT_ONCE: Final = 8192
_LOCK: Final = ".lock"
_ERASING: Final = ".erasing"
"""A file that stands in the folder while the files from before an erasure are being removed."""
_ANEW: Final = ".re-embedding"
"""Where in the folder rows are made anew that shall replace all others."""
_AGE: Final = timedelta(milliseconds=5)
"""Of versions that are removed; of 0 the library warns."""
_SOURCE: Final = re.compile(r", [^\s,]+\.rs:[0-9:]+$")
"""Where in its own source the library gave up."""
_READINGS: Final = 5
State = tuple[tuple[int, ...], int]
NO_STATE: Final[State] = ((), -1)
T = TypeVar("T")


@final
class LanceTable:
    """The table of a gallery in a folder that need not exist yet, or at s3://..., gs://..., az://..."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.folder = Path(os.path.abspath(address)) if scheme_of(address) is None else None  # noqa: PTH100
        self._opened: Any = None
        self._opened_as: tuple[int, ...] = ()

    def open(self) -> Any:
        """Return the table; None where there is none yet."""
        if self._opened_as != (now := self.identity()):
            self._opened, self._opened_as = None, now
        if self._opened is None:
            if self.folder is not None and not any(self.folder.glob(f"{TABLE}.lance/_versions/*")):
                return None
            database = self.door(self._connect)
            if TABLE in self.door(lambda: database.list_tables().tables):
                self._opened = self.door(lambda: database.open_table(TABLE))
        return self._opened

    def state(self, table: Any) -> State:
        """Return which table it is, and its version."""
        return self.identity(), self.door(lambda: int(table.version))

    def identity(self) -> tuple[int, ...]:
        """What tells the table's folder from one that was made anew in its place, whose versions count from 1 again."""
        with suppress(OSError):
            if self.folder is not None:
                found = (self.folder / f"{TABLE}.lance").stat()
                return found.st_ino, found.st_mtime_ns  # the time changes as well when a folder is made in it: rarely
        return ()

    def require(self) -> Any:
        """Return the table; `InputError` where there is none yet."""
        table = self.open()
        if table is None:
            raise InputError(f"There is no gallery at {self.address} yet.")
        return table

    def make(self, about: About) -> Any:
        """Make the table; use while `alone`. `InputError` where other things lie in its folder."""
        killed = False
        if self.folder is not None:
            names = [entry.name for entry in self.folder.iterdir()]
            strange = sorted(name for name in names if not name.startswith(".") and name != f"{TABLE}.lance")
            if strange:
                raise InputError(
                    f"{self.address} holds other things, such as {strange[0]}, and no gallery. Name a new folder."
                )
            killed = f"{TABLE}.lance" in names  # a writer, before its first commit
        return self.replaced(schema_of(about), None, "overwrite" if killed else "create")

    def replaced(self, schema: pa.Schema, rows: pa.RecordBatchReader | None, mode: str = "overwrite") -> Any:
        """Make the table of other rows in one commit, and return it; use while `alone`."""
        database = self.door(self._connect)
        self._opened = self.door(lambda: database.create_table(TABLE, rows, schema=schema, mode=mode))
        self._opened_as = self.identity()
        return self._opened

    def about(self) -> About:
        """Return what all rows share."""
        return self.read(lambda: about_rows(self.require().schema, self.address))

    def count(self) -> int:
        """Return how many rows there are, copies that races left among them."""
        return int(self.read(lambda: self.require().count_rows()))

    def at(self, version: int) -> Any:
        """Return the table as it was at a version."""
        table = self._connect().open_table(TABLE)
        table.checkout(version)
        return table

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of a folder."""
        folder = self.folder
        if folder is None:
            yield
            return
        self.door(lambda: make_folder(folder))
        with only_process(folder / _LOCK):
            yield

    def files(self) -> set[tuple[Path, int]]:
        """The table's files, with when each was written: of a name that is used again, the file is another one."""
        return {(file, found.st_mtime_ns) for file, found in self._found()}

    def size(self) -> int | None:
        """The bytes of the folder's files."""
        return None if self.folder is None else sum(found.st_size for _, found in self._found())

    def _found(self) -> Iterator[tuple[Path, os.stat_result]]:
        paths = () if self.folder is None else self.folder.joinpath(f"{TABLE}.lance").rglob("*")
        for path in paths:
            with suppress(FileNotFoundError):  # another process has removed it meanwhile
                if stat.S_ISREG((found := path.stat()).st_mode):
                    yield path, found

    def purge(self) -> None:
        """Compact, and remove all files that the present version does not need; use while `alone`.

        In two goes, because the first makes versions of its own, which are too young to be removed by it.
        """
        unverified = self.folder is not None
        for _ in range(2):
            time.sleep(2 * _AGE.total_seconds())
            self.door(lambda: self.require().optimize(cleanup_older_than=_AGE, delete_unverified=unverified))

    def take_names(self, table: Any, names: Iterable[Texts]) -> None:
        """Add columns for names to a table from before galleries kept them, if there are names; use while `alone`."""
        missing = [field for field in NAME_FIELDS if field.name not in table.schema.names]
        if missing and any((column != "").any() for column in names):
            self.door(lambda: table.add_columns(missing))

    def relabel(self, table: Any, keys: Sequence[str], people: Labels) -> None:
        """Write the people of known rows; use while `alone`."""
        self.take_names(table, [people.name])
        columns = {"key": pa.array(keys, pa.string()), "person": pa.array(people.number, pa.int64())}
        if "person_name" in table.schema.names:
            columns["person_name"] = pa.array(people.name, pa.string(), mask=people.name == "")
        self.door(lambda: table.merge_insert("key").when_matched_update_all().execute(pa.table(columns)))

    def marks_rows_as_deleted(self) -> bool:
        """Whether files hold rows that are gone: of changed rows, as they were before."""
        return self.folder is not None and any(self.folder.glob(f"{TABLE}.lance/_deletions/*"))

    def begin_erasing(self) -> None:
        """Note that files from before an erasure are to be removed, however this process ends."""
        if self.folder is not None:
            write_text(self.folder / _ERASING, "Files from before an erasure are being removed.\n")

    def begin_anew(self) -> str:
        """Return an address within the folder for rows that shall replace these; what lay there is removed."""
        if self.folder is None:
            raise InputError(f"{self.address} is no folder: name another address for the new gallery.")
        self._remove_unfinished()
        return str(self.folder / _ANEW)

    def finish_erasing(self) -> None:
        """Remove the files from before an erasure, also of one that was cut short; use while `alone`."""
        self.purge()
        self._remove_unfinished()
        if self.folder is not None:
            (self.folder / _ERASING).unlink(missing_ok=True)

    def _remove_unfinished(self) -> None:
        if self.folder is not None and inside(self.folder, _ANEW).exists():
            remove_folder(self.folder / _ANEW)

    def erasing_was_cut_short(self) -> bool:
        """Whether an erasure is not finished; by a process that is at it just now, too."""
        return self.folder is not None and (self.folder / _ERASING).exists()

    def door(self, work: Callable[[], T]) -> T:
        """Do what the library does; `InputError` for what it or the system refuses."""
        try:
            return work()
        except InputError:
            raise
        except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
            reason = _SOURCE.sub("", str(error).split("\n", maxsplit=1)[0])[:300]
            raise InputError(f"The gallery {self.address} cannot be used: {reason}") from error

    def read(self, work: Callable[[], T]) -> T:
        """Do what only reads, again where it fails: a compaction or an erasure removes files that are being read."""
        for _ in range(_READINGS - 1):
            with suppress(InputError):
                return self.door(work)
        return self.door(work)

    def _connect(self) -> Any:
        return lancedb.connect(str(self.folder or self.address), read_consistency_interval=timedelta(0))


def scan(table: Any, columns: list[str]) -> Any:
    """Read some columns of all rows, an Arrow table in stored order; those of names may be missing."""
    there = [name for name in columns if name not in NAMES or name in table.schema.names]
    return table.search().select(there).limit(None).to_arrow()


def read_rows(table: Any, about: About, start: int = 0) -> Rows:
    """Read all rows from `start` on, without thumbnails."""
    count = max(table.count_rows() - start, 0)
    names = [name for name in table.schema.names if name != "thumbnail"]
    batches = table.search().select(names).offset(start).limit(count).to_batches(ROWS_AT_ONCE) if count else ()
    return rows_of_batches(batches, about.width, count)


def reader(table: Any, condition: str | None = None) -> pa.RecordBatchReader:
    """Read the rows for which a condition in SQL holds, batch by batch."""
    search = table.search() if condition is None else table.search().where(condition)
    names = table.schema.names
    batches = (batch.select(names) for batch in search.limit(None).to_batches(ROWS_AT_ONCE))
    return pa.RecordBatchReader.from_batches(table.schema, batches)
