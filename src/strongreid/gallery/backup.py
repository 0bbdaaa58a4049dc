"""A gallery as one Parquet file, and back: columns that any program reads; `strongreid search --in` does too.

Times are time stamps in UTC, people, cameras and tracks -1 where they are not known; names stand beside their numbers.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from strongreid.errors import InputError
from strongreid.files import atomic_file, open_regular, scheme_of, unreadable
from strongreid.gallery.arrow_rows import METADATA, about_rows, arrow_rows, rows_of_batches, schema_of
from strongreid.gallery.gallery import Gallery
from strongreid.gallery.labels import NAMES
from strongreid.gallery.store import Added
from strongreid.gallery.times import NO_TIME

_ROWS_AT_ONCE: Final = 8192
_TIME: Final = pa.timestamp("us", tz="UTC")
_NO_BACKUP: Final = "Name a file that strongreid gallery export wrote."


def export_rows(gallery: Gallery, path: Path, progress: Callable[[int], None] = lambda done: None) -> int:
    """Write all rows to a Parquet file, atomically; return how many. `progress` is called with the rows done.

    Raises `InputError` for a file in the gallery's own folder, in which an erasure is to leave nothing.
    """
    about = gallery.require()
    if scheme_of(gallery.address) is None and path.resolve().is_relative_to(Path(gallery.address).resolve()):
        raise InputError(f"{path} lies in the gallery, whose erasures would not reach it. Name a file elsewhere.")
    plain = schema_of(about)
    # What files of features say of their model, so that they are read alike; where it lay, no gallery knows.
    said = {"fingerprint": about.model, "feature": "features", "path": ".", **asdict(about)}
    content = {METADATA: json.dumps(said).encode()}
    schema = plain.set(plain.get_field_index("time"), pa.field("time", _TIME)).with_metadata(content)
    done = 0
    with atomic_file(path) as partial, parquet.ParquetWriter(partial, schema) as writer:
        for rows in gallery.rows():
            table = arrow_rows(rows, plain)
            moments = pa.array(rows.time, mask=rows.time == NO_TIME).cast(pa.timestamp("us")).cast(_TIME)
            at = plain.get_field_index("time")
            writer.write_table(table.set_column(at, schema.field("time"), moments).cast(schema))
            done += len(rows)
            progress(done)
    return done


def import_rows(gallery: Gallery, path: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Added:
    """Add the rows of a file that `export_rows` wrote; `InputError` for any other, and where distances differ in kind.

    `progress` is called with (rows done, rows in all).
    """
    open_regular(path, _NO_BACKUP).close()
    total = Added(0, 0, 0)
    try:
        file = parquet.ParquetFile(path)
        about = about_rows(file.schema_arrow, str(path))
        gallery = Gallery.open(gallery.address, metric=about.metric)  # a new one compares as the old one did
        plain = schema_of(about)
        there = [name for name in plain.names if name in file.schema_arrow.names]
        if set(plain.names) - {*there, *NAMES}:  # which backups lack that were made before galleries kept names
            raise unreadable(path, "it lacks columns of a gallery", _NO_BACKUP)
        done = 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=there):
            rows = rows_of_batches([_with_numbers(batch)], about.width, batch.num_rows)
            columns: dict[str, Any] = rows.labels()
            columns |= {"time": rows.time.view("datetime64[us]"), "path": [name or None for name in rows.path]}
            columns |= {"thumbnail": rows.thumbnail.tolist(), "added": rows.added}
            one = gallery.add(rows.features, model=about.model, **columns)
            total = Added(total.added + one.added, total.updated + one.updated, total.known + one.known)
            done += len(rows)
            progress(done, file.metadata.num_rows)
    except InputError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, pa.ArrowException) as error:
        reason = str(error).split("\n", maxsplit=1)[0][:200]
        raise unreadable(path, f"it is no Parquet file of a gallery ({reason})", _NO_BACKUP) from error
    return total


def _with_numbers(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with times as whole microseconds."""
    time = batch.column("time").cast(pa.int64()).fill_null(NO_TIME)
    return batch.set_column(batch.schema.get_field_index("time"), "time", time)
