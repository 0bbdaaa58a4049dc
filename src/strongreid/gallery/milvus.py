"""Rows in a Milvus collection: a server by its address, or Milvus Lite in a .db file. The one door to pymilvus.

A row's key is the collection's primary key, so that two writers of the same row leave one. The index is FLAT: every row
is compared, as exact search means; what comes back is put in order by our own distances. Milvus removes deleted rows
from its files when it sees fit, so an erasure is not proven.
"""

import base64
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final, TypeVar, final

import numpy as np
from pymilvus import DataType, MilvusClient, MilvusException
from torch import Tensor

from strongreid.errors import InputError
from strongreid.gallery.held import hold, joined
from strongreid.gallery.labels import LONGEST_NAME, NAMED, NAMES, Labels, Texts
from strongreid.gallery.milvus_rows import LONGEST_TEXT, entities_of, rows_of
from strongreid.gallery.rows import NUMBERS, About, Rows
from strongreid.gallery.store import Added, Facts, Found, KnownPath
from strongreid.gallery.where import UNKNOWN, Integers, Where

_ROWS: Final = "strongreid_gallery"
_ABOUT: Final = "strongreid_about"
_COLUMNS: Final = ("key", "features", *NUMBERS, "path", "thumbnail")
_AT_ONCE: Final = 1000
_MOST_FOUND: Final = 16_384
"""Rows that Milvus returns for a query at most."""
_MORE: Final = 32
"""Rows asked for beyond the wanted ones: of equal distances those that were added first rank first."""
T = TypeVar("T")


@final
class MilvusStore:
    """A gallery at `address`: http://host:port or the path of a .db file."""

    proves_erasure = False
    most_found = _MOST_FOUND

    def __init__(self, address: str) -> None:
        self._address = address
        for name in ("pymilvus", "grpc._server"):  # of calls that Milvus Lite does not know, and does without
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._client: MilvusClient = self._door(lambda: MilvusClient(address))
        self._loaded = False

    def about(self) -> About | None:
        """Return what all rows share; None where nothing was ever added."""
        if not self._door(lambda: self._client.has_collection(_ABOUT)):
            return None
        if not self._loaded:  # what another process has made is on the disk, and not yet in memory
            for name in (_ROWS, _ABOUT):
                self._door(partial(self._client.load_collection, name))
            self._loaded = True
        found = self._door(lambda: self._client.get(_ABOUT, ids=["about"], output_fields=["content"]))
        return About(**json.loads(found[0]["content"])) if found else None

    def put(self, about: About, rows: Rows) -> Added:
        """Add rows; where a key is known, only its person is changed, and never to unknown."""
        if self.about() is None:
            self._create(about)
        columns = self._columns(getattr(rows, name) for name in NAMES)
        known = self._known(rows.key.tolist())
        new = [row for row, key in enumerate(rows.key) if key not in known]
        changed = {
            key: (person, name)
            for key, person, name in zip(rows.key, rows.person.tolist(), rows.person_name, strict=True)
            if key in known and person not in (UNKNOWN, known[key])
        }
        for start in range(0, len(new), _AT_ONCE):
            self._write(entities_of(rows.take(np.array(new[start : start + _AT_ONCE], dtype=np.int64)), columns))
        self._relabel(changed, columns)
        return Added(len(new), len(changed), len(rows) - len(new) - len(changed))

    def search(
        self, features: Tensor, count: int, where: Where | None, query_camera: Integers | None, exact: bool | None
    ) -> Found:
        """Return the nearest rows of queries; all are compared."""
        about, columns = self._require(), self._columns()
        found = list[Found]()
        for row, vector in enumerate(features.numpy()):
            condition = ""
            if where is not None:
                condition = where.text("[]", UNKNOWN if query_camera is None else int(query_camera[row]))
            rows = rows_of(self._nearest(vector.tolist(), count, condition, columns), about.width)
            found.append(hold(rows, about.metric).search(features[row : row + 1], count, None, None))
        return joined(found, count, exact=True)

    def facts(self) -> Facts:
        """Return the columns of all rows."""
        if self.about() is None:
            return Facts(**{name: np.empty(0, dtype=np.int64) for name in NUMBERS}, names={})
        columns = (*NUMBERS, *(name for name in NAMES if name in self._columns()))
        found = [one for some in self._all(columns) for one in some]
        found.sort(key=lambda one: one["added"])
        named = {one[column]: one[f"{column}_name"] for column in NAMED for one in found if one.get(f"{column}_name")}
        numbers = {name: np.array([one[name] for one in found], dtype=np.int64) for name in NUMBERS}
        return Facts(**numbers, names=named)

    def known_paths(self) -> dict[str, KnownPath]:
        """Return the rows that have a path, by it."""
        if self.about() is None:
            return {}
        found = [one for some in self._all(("key", "path", "person", "added")) for one in some if one["path"]]
        found.sort(key=lambda one: one["added"])
        return {one["path"]: KnownPath(one["key"], one["person"], one["added"]) for one in found}

    def relabel(self, keys: Sequence[str], people: Labels) -> None:
        """Change the people of rows, which must be there."""
        people_of = zip(people.number.tolist(), people.name, strict=True)
        self._relabel(dict(zip(keys, people_of, strict=True)), self._columns([people.name]))

    def thumbnails(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the thumbnails of rows that have one, by key."""
        found = self._get(keys, ("key", "thumbnail")) if self.about() is not None else ()
        return {one["key"]: base64.b64decode(one["thumbnail"]) for one in found if one["thumbnail"]}

    def erase(self, where: Where) -> None:
        """Delete the rows for which a condition holds."""
        self._door(lambda: self._client.delete(_ROWS, filter=where.text("[]", UNKNOWN)))
        self._door(lambda: self._client.flush(_ROWS))

    def compact(self) -> None:
        """Ask the server to bring rows into few files."""
        self._door(lambda: self._client.flush(_ROWS))
        self._door(lambda: self._client.compact(_ROWS))

    def batches(self) -> Iterator[Rows]:
        """Yield all rows, some thousand at a time."""
        about = self.about()
        if about is not None:
            for some in self._all(self._columns()):
                yield rows_of(some, about.width)

    def size(self) -> int | None:
        """Return None: only the server knows."""
        return None

    def _create(self, about: About) -> None:
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=32)
        schema.add_field("features", DataType.FLOAT_VECTOR, dim=about.width)
        for name in NUMBERS:
            schema.add_field(name, DataType.INT64)
        for name in ("path", "thumbnail"):
            schema.add_field(name, DataType.VARCHAR, max_length=LONGEST_TEXT)
        for name in NAMES:
            schema.add_field(name, DataType.VARCHAR, max_length=LONGEST_NAME)
        self._collection(_ROWS, schema, "features", "COSINE" if about.metric == "cosine" else "L2")
        said = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        said.add_field("key", DataType.VARCHAR, is_primary=True, max_length=32)
        said.add_field("content", DataType.VARCHAR, max_length=LONGEST_TEXT)
        said.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)  # no collection goes without a vector
        self._collection(_ABOUT, said, "nothing", "L2")
        content = json.dumps(asdict(about))
        self._door(lambda: self._client.upsert(_ABOUT, [{"key": "about", "content": content, "nothing": [0.0, 0.0]}]))

    def _collection(self, name: str, schema: Any, vectors: str, metric: str) -> None:
        index = MilvusClient.prepare_index_params()
        index.add_index(vectors, index_type="FLAT", metric_type=metric)
        if not self._door(lambda: self._client.has_collection(name)):
            self._door(
                lambda: self._client.create_collection(
                    name, schema=schema, index_params=index, consistency_level="Strong"
                )
            )

    def _nearest(self, vector: list[float], count: int, condition: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        """The rows nearest to a vector, some more than `count`."""
        most = min(count + _MORE, _MOST_FOUND)
        found = self._door(
            lambda: self._client.search(_ROWS, data=[vector], limit=most, filter=condition, output_fields=list(columns))
        )
        return [one["entity"] for one in found[0]]

    def _require(self) -> About:
        about = self.about()
        if about is None:
            raise InputError(f"There is no gallery at {self._address} yet.")
        return about

    def _columns(self, names: Iterable[Texts] = ()) -> tuple[str, ...]:
        """The columns there are; `InputError` where names are to be kept by one from before galleries kept them."""
        described = self._door(lambda: self._client.describe_collection(_ROWS))
        if {*NAMES} <= {field["name"] for field in described["fields"]}:
            return *_COLUMNS, *NAMES
        if any((column != "").any() for column in names):
            raise InputError(
                f"{self._address} was made before galleries kept names, and it takes no new columns. Make it anew "
                "(strongreid gallery export, then gallery import into a new one), or give numbers."
            )
        return _COLUMNS

    def _relabel(self, people: Mapping[str, tuple[int, str]], columns: Sequence[str]) -> None:
        """Change people, number and name, by keys."""
        keys = list(people)
        for start in range(0, len(keys), _AT_ONCE):
            whole = list(self._get(keys[start : start + _AT_ONCE], columns))
            for one in whole:
                fields = zip(("person", "person_name"), people[one["key"]], strict=True)
                one |= {name: value for name, value in fields if name in columns}
            self._write(whole)

    def _known(self, keys: Sequence[str]) -> dict[str, int]:
        """The people of those keys that are there."""
        return {one["key"]: one["person"] for one in self._get(keys, ("key", "person"))}

    def _get(self, keys: Sequence[str], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield some columns of those of the rows that are there."""
        for start in range(0, len(keys), _AT_ONCE):
            some = list(keys[start : start + _AT_ONCE])
            yield from self._door(partial(self._client.get, _ROWS, ids=some, output_fields=list(columns)))

    def _write(self, entities: list[dict[str, Any]]) -> None:
        self._door(lambda: self._client.upsert(_ROWS, entities))

    def _all(self, columns: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """Yield some columns of all rows, batch by batch."""
        found = self._door(lambda: self._client.query_iterator(_ROWS, batch_size=_AT_ONCE, output_fields=list(columns)))
        try:
            while some := self._door(found.next):
                yield list(some)
        finally:
            found.close()

    def _door(self, work: Callable[[], T]) -> T:
        """Do what the library does; `InputError` for what it or the server refuses."""
        try:
            return work()
        except (MilvusException, OSError, ValueError, RuntimeError) as error:
            reason = str(error).split("\n", maxsplit=1)[0][:300]
            raise InputError(f"The gallery {self._address} cannot be used: {reason}") from error
