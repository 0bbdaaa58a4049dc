"""Small pictures of rows whose gallery keeps none: made anew of the picture at the row's path, or of its box there.

What lies there is decoded and written as a JPEG of our own, so nothing but pixels ever leaves the machine.
"""

from typing import Final

import numpy as np

from strongreid.data import ImageTable
from strongreid.data.decoding import decode_row
from strongreid.errors import InputError
from strongreid.gallery.boxes import split_box
from strongreid.service.uploads import small_jpeg

SIZE: Final = (256, 128)
"""Height and width in pixels: a person's."""


def thumbnail_of(path: str) -> bytes | None:
    """Return a small JPEG of the picture at a row's path; None where there is none any more."""
    file, box = split_box(path)
    nobody = np.zeros(1, dtype=np.int64)
    try:
        table = ImageTable((file,), nobody, nobody, box=None if box is None else np.array([box], dtype=np.int64))
        return small_jpeg(decode_row(table, 0, SIZE))
    except InputError:
        return None
