"""Rows of a gallery as Arrow tables: how LanceDB keeps them and Parquet backs them up."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from strongreid.evaluation.distance import Metric
from strongreid.files import parse_json, unreadable
from strongreid.gallery.labels import NAMED, NAMES
from strongreid.gallery.rows import NUMBERS, About, Rows

METADATA: Final = b"strongreid"
"""Key of what a schema says of all rows."""
_PLAIN: Final = {b"lance-encoding:compression": b"none"}
_PLAIN_TEXT: Final = {**_PLAIN, b"lance-encoding:dict-values-compression": b"none"}
"""So that whoever looks for an erased name in the files would find it."""
NAME_FIELDS: Final = tuple(pa.field(name, pa.string(), metadata=_PLAIN_TEXT) for name in NAMES)
"""Columns that tables and backups lack which were made before galleries kept names: null where there is none."""


def schema_of(about: About) -> pa.Schema:
    """Return the schema of a gallery, which says what all its rows share."""
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False),
            pa.field("features", pa.list_(pa.float32(), about.width), nullable=False, metadata=_PLAIN),
            *(pa.field(name, pa.int64(), nullable=False) for name in NUMBERS),
            pa.field("path", pa.string(), nullable=False),
            pa.field("thumbnail", pa.large_binary()),
            *NAME_FIELDS,
        ],
        metadata={METADATA: json.dumps(asdict(about)).encode()},
    )


def about_rows(schema: pa.Schema, address: str) -> About:
    """Return what all rows of a table share; `InputError` where it is no gallery of ours."""
    content = parse_json((schema.metadata or {}).get(METADATA, b"{}").decode(), Path(address))
    model, width, metric = (content.get(name) for name in ("model", "width", "metric"))
    known = isinstance(model, str) and isinstance(width, int) and metric in ("cosine", "euclidean")
    if not known or pa.types.is_fixed_size_list(schema.field("features").type) is False:
        raise unreadable(Path(address), "it is no gallery that strongreid made", "Name another one.")
    return About(cast(str, model), cast(int, width), cast(Metric, metric))


def arrow_rows(rows: Rows, schema: pa.Schema) -> pa.Table:
    """Return rows as a table of that schema."""
    width = rows.features.shape[1]
    features = pa.FixedSizeListArray.from_arrays(pa.array(rows.features.reshape(-1)), width)
    columns: dict[str, Any] = {name: getattr(rows, name) for name in ("key", *NUMBERS, "path", "thumbnail")}
    columns["features"] = features
    columns |= {name: pa.array(getattr(rows, name), pa.string(), mask=getattr(rows, name) == "") for name in NAMES}
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def rows_of_batches(batches: Iterable[pa.RecordBatch], width: int, count: int) -> Rows:
    """Return `count` rows of batches; they may lack thumbnails and names. Features are copied once."""
    features = np.empty((count, width), dtype=np.float32)
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ("key", *NUMBERS, "path", "thumbnail", *NAMES)}
    start = 0
    for batch in batches:
        stop = start + batch.num_rows
        features[start:stop] = batch.column("features").flatten().to_numpy().reshape(-1, width)
        for name, values in parts.items():
            values.append(_column(batch, name))
        start = stop
    empty = {name: np.int64 if name in NUMBERS else np.object_ for name in parts}
    joined = {name: np.concatenate([np.empty(0, empty[name]), *values]) for name, values in parts.items()}
    return Rows(features=features[:start], **joined)


def _column(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    """A column of a batch; of one that is not there, that there is nothing in it."""
    there = name in batch.schema.names
    if name in NAMES and (not there or batch.column(name).null_count == batch.num_rows):
        return np.full(batch.num_rows, "", dtype=np.object_)
    if not there:
        return np.full(batch.num_rows, None, dtype=np.object_)
    column = batch.column(name).fill_null("") if name in NAMES else batch.column(name)
    found: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return found


def names_in(table: pa.Table) -> dict[int, str]:
    """Return the names in a table, which may lack their columns, by the numbers that stand for them."""
    found: dict[int, str] = {}
    for column, named in zip(NAMED, NAMES, strict=True):
        if named in table.column_names:
            pairs = table.select([column, named]).filter(table[named].is_valid()).group_by([column, named])
            once = pairs.aggregate([])
            found |= dict(zip(once[column].to_pylist(), once[named].to_pylist(), strict=True))
    return found
