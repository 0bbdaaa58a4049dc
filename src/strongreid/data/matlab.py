"""MATLAB's files of version 5 to 7, as far as lists of images need them: matrices of numbers and cells of texts.

SciPy reads them too, but not those of strangers: of 300 files with three damaged bytes 7 ended the process. Here every
length is checked before it is used.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from strongreid.files import open_regular, unreadable

LARGEST = 2**26
"""Bytes of a file, and of all that it unpacks to, at most; lists of 14,000 images have 2 MB."""

Matrix = npt.NDArray[Any] | list[str] | str | None
"""Numbers in their shape; the texts of cells, column after column; one text; None for any other type."""

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_CELLS, _TEXT = 1, 4
_COMPLEX = 8
_NUMBERS = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
"""How numbers are stored, by the type of their element; the class of the matrix may be another."""
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}


def read_matrices(path: Path, remedy: str) -> dict[str, Matrix]:
    """Return the matrices of a .mat file by their names. `InputError` with `remedy` for what is no such file."""
    with open_regular(path, remedy) as stream:
        content = stream.read(LARGEST + 1)
    try:
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        if content[124:_HEADER] != b"\x00\x01IM":
            raise ValueError("it is not of MATLAB's version 5 to 7")
        return dict(_matrix(body) for kind, body in _unpacked(content[_HEADER:]) if kind == _MATRIX)
    except (ValueError, IndexError, struct.error, zlib.error) as error:
        raise unreadable(path, f"it is no .mat file, or damaged ({error})", remedy) from error


def _unpacked(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a file with their types, where they are packed as they are unpacked."""
    room = LARGEST
    for kind, body in _elements(content):
        if kind != _COMPRESSED:
            yield kind, body
            continue
        packed = zlib.decompressobj()
        inner = packed.decompress(body, room)
        room -= len(inner)
        if packed.unconsumed_tail or not room:
            raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")
        yield from _elements(inner)


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that follow one another in `content`, each with its type."""
    start = 0
    while start < len(content):
        kind, size = struct.unpack_from("<II", content, start)
        if kind >> 16:  # up to 4 bytes stand in the tag itself, beside their number and type
            kind, size, start, end = kind & 0xFFFF, kind >> 16, start + 4, start + 8
        else:
            start += 8
            end = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > min(end, len(content)):
            raise ValueError("it is cut short")
        yield kind, content[start : start + size]
        start = end


def _matrix(body: bytes, *, in_cell: bool = False) -> tuple[str, Matrix]:
    """The name of a matrix, and what it holds."""
    (_, flags), (_, shape), (_, name), *parts = _elements(body)
    kind, sides = flags[0], np.frombuffer(shape, "<i4").tolist()
    value: Matrix = None
    if kind == _CELLS and not in_cell and len(parts) == math.prod(sides):
        cells = [_matrix(part, in_cell=True)[1] if part else None for _, part in parts]
        texts = [cell for cell in cells if isinstance(cell, str)]
        value = texts if len(texts) == len(cells) else None
    elif len(parts) == 1:
        ((stored, data),) = parts
        if kind == _TEXT and stored in _ENCODINGS and sides[:1] == [1]:
            value = data.decode(_ENCODINGS[stored])
        elif kind > _TEXT and stored in _NUMBERS and not flags[1] & _COMPLEX:
            value = np.frombuffer(data, _NUMBERS[stored]).reshape(sides, order="F")
    return name.decode("latin-1"), value
