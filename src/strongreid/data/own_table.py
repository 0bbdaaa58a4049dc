"""Own data in one table: an image in a row, or a box of an image.

The user names the table, so its paths may lead anywhere. What is wrong with one box is a finding with its row, beside
the rows that are sound; a column that cannot be read ends the reading.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from strongreid.data.listing import FARTHEST, Finding, Part
from strongreid.data.own import JUNK, doubts, named, numbers_of, people_numbers
from strongreid.data.reading import Reading
from strongreid.data.splitting import ROLES, drawn_split, own_reading, part_of, queries_of, uses_of
from strongreid.data.table import ImageTable
from strongreid.data.tabular import Columns, column_names, read_columns
from strongreid.errors import InputError
from strongreid.files import local_path, scheme_of

LARGEST_SHARE = 1.5
"""A box whose numbers are all smaller is one of shares of the image, which may reach a little beyond it."""

_BOX = ("x", "y", "w", "h")
_WHOLE = re.compile(r"^(-?\d+)\.0+$")


def read_own_table(path: Path, split_seed: int = 0, columns: str = "") -> Reading:
    """Read a CSV or Parquet table with the columns `path, person[, camera, split, frame, x, y, w, h, track,
    confidence]`.

    Paths are relative to the table's folder. People (and cameras) are numbers, or names that are numbered from 1 in
    sorted order; person -1 is junk and dropped. `split` is train, query or gallery, or train and test, of which queries
    are drawn with `split_seed`. With x, y, w, h (pixels of the upright image) the image is that box of the file, so
    that a tracker's output serves. A `track` is one of its camera: rows of two cameras are two tracks whatever it is
    called. `columns` says what they are called in the table: `person=pid,camera=camid`. Raises
    `InputError` for a missing column or a value that cannot be read, with its row.
    """
    table = read_columns(path, column_names(columns))
    people, cameras = labels(table.needed("person")), labels(table.optional("camera") or [])
    numbers = people_numbers(people, lambda name, allowed: table.wrong(people.index(name), "person", name, allowed))
    of_camera = numbers_of(cameras, lambda name, allowed: table.wrong(cameras.index(name), "camera", name, allowed))
    person = np.array([numbers[value] for value in people], dtype=np.int64)
    camera = np.array([of_camera[value] for value in cameras], dtype=np.int64) if cameras else np.zeros_like(person)
    frame = frames(table)
    sure = confidence(table)
    box, findings = boxes(table, person != JUNK)
    kept = person != JUNK
    if box is not None:
        kept &= box[:, 2:].min(axis=1) >= 1
    paths = image_paths(table)
    images = ImageTable(
        tuple(paths[row] for row in np.flatnonzero(kept).tolist()),
        person[kept],
        camera[kept],
        frame=None if frame is None else frame[kept],
        box=None if box is None else box[kept],
        track=tracks(table, camera, kept),
        confidence=None if sure is None else sure[kept],
    )
    findings += _mixed_tracks(table, images, np.flatnonzero(kept))
    findings += doubts(str(path), [name for name in sorted(numbers) if numbers[name] != JUNK])
    whole = Part(str(path), images, int((person == JUNK).sum()), tuple(findings), lines=np.array(table.lines)[kept])
    parts, how = _given_split(table, kept, whole, split_seed) or drawn_split(whole, bool(cameras), split_seed)
    reading = own_reading("table", str(path), parts, how, known_cameras=bool(cameras))
    return replace(reading, people=named(numbers), cameras=named(of_camera))


def frames(table: Columns) -> npt.NDArray[np.int64] | None:
    """Each row's frame in its video: int64 [N], None without the column."""
    if "frame" not in table.values:
        return None
    return np.array([round(number) for number in table.numbers("frame", 2**63)], dtype=np.int64)


def confidence(table: Columns) -> npt.NDArray[np.float64] | None:
    """How sure a detector was of each row's box: float64 [N], None without the column."""
    if "confidence" not in table.values:
        return None
    numbers = table.numbers("confidence", FARTHEST)
    for row, number in enumerate(numbers):
        if number < 0:
            raise table.wrong(row, "confidence", table.values["confidence"][row], "a number from 0 on")
    return np.array(numbers, dtype=np.float64)


def tracks(table: Columns, camera: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64] | None:
    """Numbers of the `kept` rows' tracks, of each camera by itself: int64 [kept], None without the column."""
    column = table.optional("track")
    if column is None:
        return None
    names = np.unique(np.array(labels(column), dtype=object), return_inverse=True)[1].reshape(-1)
    pairs = np.stack((camera, names), axis=1)[kept]
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _mixed_tracks(table: Columns, images: ImageTable, rows: npt.NDArray[np.int64]) -> list[Finding]:
    """A finding for each track of `images`, which stand in `rows` of the table, that shows two people."""
    if images.track is None:
        return []
    first: dict[int, int] = {}
    findings = dict[int, Finding]()
    for index, track in enumerate(images.track.tolist()):
        start = first.setdefault(track, index)
        if images.person[start] != images.person[index] and track not in findings:
            people, name = table.values["person"], table.values["track"][rows[index]]
            where = [f"{people[row]!r} in row {table.lines[row]}" for row in rows[[start, index]].tolist()]
            problem = f"the track {name!r} shows {' and '.join(where)}; a track is of one person: give each its own"
            findings[track] = Finding(images.path[index], problem)
    return list(findings.values())


def image_paths(table: Columns) -> list[str]:
    """Where the images of a table lie, as `open` takes it: relative to the table's folder, or an address s3://..."""
    paths = table.needed("path")
    for row, name in enumerate(paths):
        if "\0" in name:
            raise table.wrong(row, "path", name, "the path of an image")
    folder = table.path.parent
    return [name if scheme_of(name) else os.path.join(folder, name) for name in map(local_path, paths)]  # noqa: PTH118 - speed


def boxes(table: Columns, counted: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64] | None, list[Finding]]:
    """Boxes, rounded: int64 [N, 4], None without their columns; and a finding for each `counted` one that is empty."""
    if not any(name in table.values for name in _BOX):
        return None, []
    exact = np.array([table.numbers(name, FARTHEST) for name in _BOX], dtype=np.float64).T
    shares = np.abs(exact).max(axis=1) <= LARGEST_SHARE
    advice = "multiply x and w by the image's width, y and h by its height"
    if shares.all() and exact.any():
        raise InputError(
            f"{table.path}: x, y, w and h lie between 0 and 1 in every row, so they are shares of the image; boxes are "
            f"in pixels: {advice}."
        )
    box = np.rint(exact).astype(np.int64)
    findings = []
    for row in np.flatnonzero((box[:, 2:].min(axis=1) < 1) & counted).tolist():
        written = ", ".join(table.values[name][row] for name in _BOX)
        hint = f"; are these shares of the image? Then {advice}" if shares[row] and exact[row].any() else ""
        problem = f"the box [{written}] (x, y, width, height) in row {table.lines[row]} is empty{hint}"
        findings.append(Finding(os.path.join(table.path.parent, table.needed("path")[row]), problem))  # noqa: PTH118
    return box, findings


def _given_split(
    table: Columns, kept: npt.NDArray[np.bool_], whole: Part, seed: int
) -> tuple[dict[str, Part], str] | None:
    """The parts of the column `split`, and how they were made; None without such a column."""
    split = table.optional("split")
    if split is None:
        return None
    roles = [ROLES.get(value.lower(), "") for value in split]
    uses = uses_of(roles) or {role: role for role in ("train", "query", "gallery")}
    for row, role in enumerate(roles):
        if role not in uses:
            raise table.wrong(row, "split", split[row], "train, query or gallery (or train and test)")
    used = np.array([uses[role] for role in roles])[kept]
    known_cameras = "camera" in table.values
    parts = {use: part_of(whole, np.flatnonzero(used == use)) for use in ("train", "query", "gallery", "tested")}
    how = "split as given"
    tested = parts.pop("tested")
    if "tested" in uses.values():
        parts |= queries_of(tested, known_cameras, seed)
        how = f"{how}, queries drawn with seed {seed}"
    findings = whole.findings
    if unused := int((used == "unused").sum()):
        findings += (Finding(whole.source, f"{unused} images of the split `val` are not used", serious=False),)
    parts["train"] = replace(parts["train"], junk=whole.junk, findings=findings)
    return parts, how


def labels(column: Sequence[str]) -> list[str]:
    """Names and numbers of a column, where 3.0 is 3: so programs write it whose columns hold floats."""
    return [_WHOLE.sub(r"\1", value) for value in column]
