"""An index over the vectors of a LanceDB table: which rows are worth comparing with, where all are too many.

Vectors are grouped around some centres, and a search looks into the groups whose centres are nearest; of the candidates
found by rounded numbers, three times as many as asked for are compared exactly. Of the library's kinds the one with 8
bits a number: it finds what is nearest in a short time, and takes a short time to build.
"""

import json
import math
from dataclasses import asdict
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lancedb.index import IvfSq

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric
from strongreid.gallery.store import Tuned

LEAST_ROWS: Final = 1000
"""For fewer rows there is no index: centres could not be found."""
_REFINED: Final = 3
_METADATA: Final = "strongreid_index"
_FEATURES: Final = "features"


def build_index(table: Any, metric: Metric, rows: int) -> None:
    """Build the index, in place of an earlier one."""
    if rows < LEAST_ROWS:
        raise InputError(f"An index needs {LEAST_ROWS:,} rows; there are {rows:,}, which exact search does at once.")
    distance: Literal["l2", "cosine"] = "l2" if metric == "euclidean" else "cosine"
    table.create_index(_FEATURES, config=IvfSq(distance_type=distance, num_partitions=round(math.sqrt(rows))))


def keep_tuned(table: Any, tuned: Tuned) -> None:
    """Store how the index is to be used, in the table itself."""
    table.update_field_metadata({"path": _FEATURES, "metadata": {_METADATA: json.dumps(asdict(tuned))}})


def tuned_of(schema: pa.Schema) -> Tuned | None:
    """Return how the index is used; None where there is none."""
    text = (schema.field(_FEATURES).metadata or {}).get(_METADATA.encode())
    if text is None:
        return None
    content = json.loads(text)
    return Tuned(int(content["probes"]), float(content["recall"]), int(content["from_rows"]))


def candidates(
    table: Any, vector: npt.NDArray[np.float32], metric: Metric, count: int, probes: int, condition: str | None
) -> list[pa.RecordBatch]:
    """Return the rows that the index finds for a vector, without thumbnails."""
    columns = [name for name in table.schema.names if name != "thumbnail"]
    search = table.search(vector, vector_column_name=_FEATURES)
    search = search.distance_type("l2" if metric == "euclidean" else "cosine").nprobes(probes).refine_factor(_REFINED)
    if condition is not None:
        search = search.where(condition, prefilter=True)
    found = search.limit(count).select([*columns, "_distance"]).to_arrow().drop_columns("_distance")
    batches: list[pa.RecordBatch] = found.to_batches()
    return batches
