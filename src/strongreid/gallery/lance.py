"""Rows in a LanceDB table, in a folder of this machine or in an object store.

Erasing writes all kept rows anew in one commit, removes every file from before it, and looks whether any is left.
Marking rows as deleted, as the library does by itself, would leave their bytes, and its compaction leaves files as they
are of which few rows are deleted.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from strongreid.errors import InputError
from strongreid.gallery.arrow_rows import about_rows, arrow_rows, names_in, rows_of_batches
from strongreid.gallery.held import Held, extended, hold, joined, live_rows, stored_again
from strongreid.gallery.labels import NAMES, Labels
from strongreid.gallery.lance_index import LEAST_ROWS, build_index, candidates, keep_tuned, tuned_of
from strongreid.gallery.lance_table import NO_STATE, ROWS_AT_ONCE, LanceTable, State, read_rows, reader, scan
from strongreid.gallery.rows import NUMBERS, About, Rows
from strongreid.gallery.store import Added, Facts, Found, KnownPath, Tuned
from strongreid.gallery.where import UNKNOWN, Integers, Not, Where


@final
class LanceStore:
    """A gallery in `address`: a folder that need not exist yet, or s3://..., gs://..., az://..."""

    most_found = sys.maxsize

    def __init__(self, address: str) -> None:
        self._at = LanceTable(address)
        self._known: tuple[State, dict[str, int]] = (NO_STATE, {})
        self._held: tuple[State, Held] | None = None
        self._reading = threading.Lock()
        if self._at.erasing_was_cut_short():
            with self._at.alone():
                self._at.finish_erasing()

    @property
    def proves_erasure(self) -> bool:
        """Whether the files can be listed after an erasure: in a folder."""
        return self._at.folder is not None

    def about(self) -> About | None:
        """Return what all rows share; None where nothing was ever added."""
        return None if self._at.open() is None else self._at.about()

    def put(self, about: About, rows: Rows) -> Added:
        """Add rows; where a key is known, only its person is changed, and never to unknown."""
        with self._at.alone():
            table = self._at.open() or self._at.make(about)
            self._at.take_names(table, (getattr(rows, name) for name in NAMES))
            (_, version), known = self._at.door(lambda: self._known_rows(table))
            before = [known.get(key) for key in rows.key]
            new = np.array([person is None for person in before], dtype=np.bool_)
            person = np.array([UNKNOWN if person is None else person for person in before], dtype=np.int64)
            changed = ~new & (rows.person != person) & (rows.person != UNKNOWN)
            if new.any():
                self._at.door(lambda: table.add(arrow_rows(rows.take(np.flatnonzero(new)), table.schema)))
            if changed.any():
                other = rows.take(np.flatnonzero(changed))
                self._at.relabel(table, other.key.tolist(), Labels(other.person, other.person_name))
            version += bool(new.any()) + bool(changed.any())
            known |= dict(zip(rows.key[new | changed], rows.person[new | changed].tolist(), strict=True))
            self._known = ((self._at.identity(), version), known)
        return Added(int(new.sum()), int(changed.sum()), int((~new & ~changed).sum()))

    def search(
        self, features: Tensor, count: int, where: Where | None, query_camera: Integers | None, exact: bool | None
    ) -> Found:
        """Return the nearest rows of queries: of all rows, held in memory, or of those that an index finds."""
        tuned = None if exact else self._at.read(lambda: tuned_of(self._at.require().schema))
        if exact is False and tuned is None:
            raise InputError(f"{self._at.address} has no index. Build one: strongreid gallery tune {self._at.address}")
        if tuned is not None and (exact is False or self._at.count() >= tuned.from_rows):
            return self.indexed(features, count, where, tuned.probes, query_camera)
        return self._require_held().search(features, count, where, query_camera)

    def indexed(
        self, features: Tensor, count: int, where: Where | None, probes: int, query_camera: Integers | None = None
    ) -> Found:
        """Return the nearest of the rows that the index finds in the nearest `probes` groups."""
        table = self._at.require()
        about = self._at.about()
        found = list[Found]()
        for row, vector in enumerate(features.numpy()):
            camera = UNKNOWN if query_camera is None else int(query_camera[row])
            condition = None if where is None else where.text("()", camera)
            batches = self._at.read(partial(candidates, table, vector, about.metric, count, probes, condition))
            rows = rows_of_batches(batches, about.width, sum(one.num_rows for one in batches))
            found.append(hold(rows, about.metric).search(features[row : row + 1], count, None, None))
        return joined(found, count, exact=False)

    def build_index(self) -> None:
        """Build an index over the vectors, in place of an earlier one."""
        with self._at.alone():
            table = self._at.require()
            metric = self._at.about().metric
            self._at.door(lambda: build_index(table, metric, self._at.count()))

    def keep_tuned(self, tuned: Tuned) -> None:
        """Use the index like that from now on."""
        with self._at.alone():
            self._at.door(lambda: keep_tuned(self._at.require(), tuned))

    def sample(self, count: int) -> tuple[list[str], npt.NDArray[np.float32]]:
        """Return keys and features of some rows, spread over all."""
        held = self._require_held()
        keys = held.columns["key"]
        rows = np.unique(np.linspace(0, len(keys) - 1, min(count, len(keys))).astype(np.int64))
        return keys[rows].tolist(), held.features(rows)

    def facts(self) -> Facts:
        """Return the columns of all rows."""
        table = self._at.open()
        if table is None:
            return Facts(**{name: np.empty(0, dtype=np.int64) for name in NUMBERS}, names={})
        found = self._at.read(lambda: scan(table, ["key", *NUMBERS, *NAMES]))
        live = live_rows(found["key"].to_numpy(zero_copy_only=False), found["added"].to_numpy())
        return Facts(**{name: found[name].to_numpy()[live] for name in NUMBERS}, names=names_in(found))

    def known_paths(self) -> dict[str, KnownPath]:
        """Return the rows that have a path, by it."""
        if (table := self._at.open()) is None:
            return {}
        names = ["path", "key", "person", "added"]
        found = self._at.read(lambda: scan(table, names)).sort_by("added")
        rows = zip(*(found[name].to_pylist() for name in names), strict=True)
        return {path: KnownPath(*known) for path, *known in rows if path}

    def relabel(self, keys: Sequence[str], people: Labels) -> None:
        """Change the people of rows, which must be there."""
        with self._at.alone():
            self._at.relabel(self._at.require(), keys, people)

    def thumbnails(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the thumbnails of rows that have one, by key."""
        table = self._at.open()
        if table is None or not keys:
            return {}
        listed = ", ".join(f"'{key}'" for key in keys)
        wanted = table.search().where(f"key in ({listed}) and thumbnail is not null").select(["key", "thumbnail"])
        found = self._at.read(lambda: wanted.limit(None).to_arrow())
        return dict(zip(found["key"].to_pylist(), found["thumbnail"].to_pylist(), strict=True))

    def erase(self, where: Where) -> None:
        """Erase the rows for which a condition holds, and every file from before that."""
        with self._at.alone():
            table, files = self._at.require(), self._at.files()
            copies = stored_again(self._at.read(lambda: scan(table, ["key", *NUMBERS])), where)
            kept = Not(where).text("()", UNKNOWN) + (f" and key not in ({', '.join(copies)})" if copies else "")
            count = self._at.door(lambda: table.count_rows(where.text("()", UNKNOWN)))
            anew = bool(count) or self._at.marks_rows_as_deleted()  # such as those that had another person
            if anew:
                self._at.begin_erasing()
                self._at.door(lambda: table.add(reader(table, kept), mode="overwrite"))
                self._rebuild_index(table)
            self._known, self._held = (NO_STATE, {}), None
            self._at.finish_erasing()
            left = sorted(str(file) for file, _ in files & self._at.files())
            if left and anew:
                some = ", ".join(left[:3])
                raise InputError(f"The rows are erased, but files from before could not be removed: {some}. Try again.")

    def begin_anew(self) -> tuple[str, State]:
        """Return an address within the folder for rows that shall replace these, and the state that they replace."""
        return self._at.begin_anew(), self._at.state(self._at.require())

    def replace_by(self, other: "LanceStore", state: State) -> None:
        """Take the rows of another store in place of one's own, in one step, and remove the files from before.

        `InputError` where rows were added, changed or erased since that state.
        """
        source = other._at.require()
        with self._at.alone():
            if self._at.state(self._at.require()) != state:
                raise InputError(
                    f"{self._at.address} was added to or erased from meanwhile, so it was not replaced. Give the "
                    "command again when nobody writes to it."
                )
            self._at.begin_erasing()
            self._at.replaced(source.schema, reader(source))
            self._known, self._held = (NO_STATE, {}), None
            self._at.finish_erasing()

    def compact(self) -> None:
        """Bring rows into few files, and remove those of earlier versions."""
        with self._at.alone():
            self._at.purge()

    def batches(self) -> Iterator[Rows]:
        """Yield all rows, some thousand at a time."""
        if (table := self._at.open()) is None:
            return
        width = self._at.about().width
        batches = self._at.door(lambda: table.search().limit(None).to_batches(ROWS_AT_ONCE))
        while (batch := self._at.door(lambda: next(batches, None))) is not None:
            yield rows_of_batches([batch], width, batch.num_rows)

    def size(self) -> int | None:
        """Return the bytes of the folder's files."""
        return self._at.size()

    def _rebuild_index(self, table: Any) -> None:
        """Build the index again, which held the erased rows; a gallery that became small goes on without."""
        if tuned_of(table.schema) is not None and (rows := self._at.count()) >= LEAST_ROWS:
            metric = self._at.about().metric
            self._at.door(lambda: build_index(table, metric, rows))

    def _require_held(self) -> Held:
        """Return the rows in memory, brought up to date."""
        table = self._at.require()
        with self._reading:
            self._held = self._at.read(lambda: self._up_to_date(table))
            return self._held[1]

    def _up_to_date(self, table: Any) -> tuple[State, Held]:
        """The rows in memory, if they are those of the table as it is now, or as they are read."""
        state, held = self._at.state(table), self._held
        if held is not None and held[0] == state:
            return held
        of_this = held is not None and held[0][0] == state[0]
        return state, self._read(state[1], held[1] if held is not None and of_this else None)

    def _read(self, version: int, held: Held | None) -> Held:
        """Read one version of the table; of one that was only added to since `held`, only what is new."""
        table = self._at.at(version)
        about = about_rows(table.schema, self._at.address)
        if held is not None:
            there = scan(table, ["key", "person"])
            known = len(held.stored)
            if there.num_rows >= known and held.begins(there["key"].to_numpy(), there["person"].to_numpy()):
                more = extended(held, read_rows(table, about, known))
                if more is not None:
                    return more
        return hold(read_rows(table, about), about.metric)

    def _known_rows(self, table: Any) -> tuple[State, dict[str, int]]:
        """The state of the table, and the person of every key in it."""
        state = self._at.state(table)
        if self._known[0] != state:
            found = scan(table, ["key", "person"])
            self._known = (state, dict(zip(found["key"].to_pylist(), found["person"].to_pylist(), strict=True)))
        return self._known
