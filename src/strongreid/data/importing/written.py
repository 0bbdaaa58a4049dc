"""The table that an import writes: `path, person[, camera, frame, x, y, w, h, track, confidence]`.

Paths below the table's folder are relative to it, so that both can be moved together; others are absolute. No cell
begins like a formula of a spreadsheet. A column stands there if every image has a value for it.
"""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from strongreid.data.importing.sightings import Sighting
from strongreid.files import write_text

SEEN_BY = "seen_by"
"""What the column of cameras is called where nobody is seen by two of them."""


def table_columns(sightings: Sequence[Sighting]) -> list[str]:
    """The columns of the table of `sightings`, in their order.

    Cameras are called `SEEN_BY`, and so not read, where nobody is seen by two of them: a test that leaves out images of
    the query's own camera would have no query.
    """
    columns = ["path", "person"]
    if sightings and all(one.camera for one in sightings):
        columns.append("camera" if _seen_by_two(sightings) else SEEN_BY)
    if all(one.frame is not None for one in sightings):
        columns.append("frame")
    if all(one.box is not None for one in sightings):
        columns += ["x", "y", "w", "h"]
    if all(one.track for one in sightings):
        columns.append("track")
    if all(one.confidence is not None for one in sightings):
        columns.append("confidence")
    return columns


def write_table(path: Path, sightings: Sequence[Sighting]) -> list[str]:
    """Write `sightings` (at least one) as CSV, atomically, and return the columns that were written.

    Rows are in the order of paths, so that each frame is decoded once.
    """
    columns = table_columns(sightings)
    folder = os.path.realpath(path.parent)
    text = io.StringIO()
    returns = any("\r" in one.path for one in sightings)  # which the writer leaves without quotes
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL)
    writer.writerow(columns)
    for one in sorted(sightings, key=lambda one: one.path):
        x, y, w, h = one.box or (0, 0, 0, 0)
        values = {
            "path": written_path(one.path, folder),
            "person": one.person,
            "camera": one.camera,
            SEEN_BY: one.camera,
            "frame": one.frame,
            "track": one.track,
            "confidence": one.confidence,
        }
        values |= {"x": x, "y": y, "w": w, "h": h}
        writer.writerow([values[name] for name in columns])
    write_text(path, text.getvalue())
    return columns


def written_path(path: str, folder: str) -> str:
    """How the table in `folder`, a real path, writes where an image lies."""
    whole = os.path.abspath(path)  # noqa: PTH100 - strings
    real = os.path.join(os.path.realpath(os.path.dirname(whole)), os.path.basename(whole))  # noqa: PTH118, PTH119, PTH120
    start = os.path.join(folder, "")  # noqa: PTH118
    if not real.startswith(start):
        return whole
    inner = real[len(start) :]
    # `./` keeps spaces that readers would strip, and makes no formula of a name.
    return inner if inner[0].isalnum() or inner[0] in "_." else f"./{inner}"


def _seen_by_two(sightings: Sequence[Sighting]) -> bool:
    first: dict[str, str] = {}
    return any(first.setdefault(one.person, one.camera) != one.camera for one in sightings)
