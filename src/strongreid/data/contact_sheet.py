"""A contact sheet: some people of a set, a row each, so that wrong labels show before a training."""

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from strongreid.data.decoding import decode_row
from strongreid.data.table import ImageTable
from strongreid.errors import InputError
from strongreid.files import atomic_file

MARGIN = 4
"""Pixels between images."""
LABEL = 14
"""Height in pixels of the line above each image."""


def sheet_format(path: Path) -> str:
    """Return the format that a sheet's ending names, PNG for one that names none.

    Raises `InputError` for a format that is only read, or holds no colours: asked before images are looked at.
    """
    kind = Image.registered_extensions().get(path.suffix.lower(), "PNG")
    try:
        Image.new("RGB", (1, 1)).save(io.BytesIO(), format=kind)
    except (KeyError, OSError, ValueError) as error:
        raise InputError(
            f"{path} ends in {path.suffix}, but a contact sheet cannot be written as that. Name it .png or .jpg."
        ) from error
    return kind


def contact_sheet(
    table: ImageTable,
    path: Path,
    *,
    people: int = 10,
    images: int = 8,
    size: tuple[int, int] = (128, 64),
    seed: int = 0,
) -> None:
    """Write a picture of `people` people, drawn with `seed`, to `path` (its ending names the format).

    A row is a person: up to `images` images of `size` (height, width), as many cameras as possible first, each below
    its camera's number; one that cannot be read leaves its cell empty. Raises `InputError` for an empty table, and as
    `sheet_format`.
    """
    kind = sheet_format(path)
    if not len(table):
        raise InputError("There is nobody to show: the table is empty.")
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
    shown = np.sort(rng.permutation(table.people)[:people])
    height, width = size
    cell = (height + LABEL + MARGIN, width + MARGIN)
    left = 60
    sheet = Image.new("RGB", (left + images * cell[1], MARGIN + len(shown) * cell[0]), "white")
    pen = ImageDraw.Draw(sheet)
    for row, person in enumerate(shown.tolist()):
        top = MARGIN + row * cell[0]
        pen.text((MARGIN, top + LABEL), f"person\n{person}", fill="black")
        for column, image in enumerate(_by_camera(table, person, rng)[:images].tolist()):
            corner = (left + column * cell[1], top)
            pen.text(corner, f"c{table.camera[image]}", fill="black")
            with suppress(InputError):  # what cannot be read is for `data check` to tell
                pixels = decode_row(table, image, size).transpose(1, 2, 0)
                sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (corner[0], corner[1] + LABEL))
    with atomic_file(path) as partial:
        try:
            sheet.save(partial, format=kind)
        except OSError as error:
            raise InputError(f"The contact sheet {path} cannot be written ({error}).") from error


def _by_camera(table: ImageTable, person: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The person's rows, shuffled, one of each camera first, then the second of each, and so on."""
    rows = rng.permutation(np.flatnonzero(table.person == person))
    rows = rows[np.argsort(table.camera[rows], kind="stable")]
    cameras = table.camera[rows]
    turn = np.arange(len(rows)) - np.searchsorted(cameras, cameras)
    return rows[np.lexsort((cameras, turn))]
