"""A gallery made anew with another model, from its pictures or thumbnails; the old one stays until all is done."""

import io
import warnings
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from strongreid.data import ImageTable
from strongreid.data.listing import Finding
from strongreid.data.pictures import Pictures
from strongreid.errors import InputError
from strongreid.gallery import Gallery, Rows
from strongreid.gallery.boxes import split_box
from strongreid.gallery.lance import LanceStore
from strongreid.pixels import read_image
from strongreid.reports.console import Console
from strongreid.runs.embed import BATCH, Choices, EmbeddingModel, embedded_batches, refuse_bad
from strongreid.runs.used_model import UsedModel

NO_PICTURE: Final = "There is neither a picture that can be read nor a thumbnail."


def re_embed(old: Gallery, new: Gallery, used: UsedModel, choices: Choices, console: Console) -> int:
    """Embed the pictures of all rows of a gallery, and add them to a new one; return how many there are.

    Raises `InputError` where the new one holds rows already, or rows have no picture that can be read.
    """
    total = old.stats().count
    if new.stats().count:
        raise InputError(f"{new.address} holds rows already. Name a new address.")
    done, found = 0, list[Finding]()
    with console.bar("Embedding anew") as report:
        for rows in old.rows():
            features, problems = _embedded(rows, used, choices, console.say)
            found += [Finding(rows.path[row] or f"row {rows.key[row]}", problem) for row, problem in problems.items()]
            kept = rows.take(np.array([row for row in range(len(rows)) if row not in problems], dtype=np.int64))
            if len(kept):
                new.add(
                    features,
                    model=used.made_by.fingerprint,
                    **kept.labels(),
                    time=kept.time.view("datetime64[us]"),
                    path=kept.path,
                    thumbnail=kept.thumbnail.tolist(),
                    added=kept.added,
                )
            done += len(rows)
            report(done, total)
    refuse_bad(found, total, choices.skip_bad, False, console)
    return total - len(found)


def replaced_in_place(old: Gallery, used: UsedModel, choices: Choices, console: Console) -> int:
    """Make a gallery in a folder anew, within the folder, and let the new rows take the place of the old ones."""
    store = old.store
    if not isinstance(store, LanceStore):
        raise InputError(f"{old.address} is in Milvus: say with --to where the new gallery shall be.")
    address, state = store.begin_anew()
    new = Gallery.open(address, metric=used.network.metric)
    count = re_embed(old, new, used, choices, console)
    assert isinstance(new.store, LanceStore)
    store.replace_by(new.store, state)
    return count


def _embedded(
    rows: Rows, used: UsedModel, choices: Choices, say: Callable[[str], None]
) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
    """Return features [n, width] of the rows that have a picture, and what is wrong with the others, by row."""
    found: dict[int, npt.NDArray[np.float32]] = {}
    for boxed in (False, True):
        chosen = [row for row, path in enumerate(rows.path) if path and (split_box(path)[1] is not None) == boxed]
        if chosen:
            found |= _of_files(rows, chosen, used, choices, say)
    small = [row for row in range(len(rows)) if row not in found and rows.thumbnail[row] is not None]
    for start in range(0, len(small), BATCH):
        pixels = {
            row: shown for row in small[start : start + BATCH] if (shown := _thumbnail(rows, row, used)) is not None
        }
        if pixels:
            features = used.network.embed(torch.from_numpy(np.stack(list(pixels.values()))), batch_size=BATCH)
            found |= dict(zip(pixels, features.numpy(), strict=True))
    problems = {row: NO_PICTURE for row in range(len(rows)) if row not in found}
    kept = [found[row] for row in range(len(rows)) if row in found]
    return np.stack(kept) if kept else np.empty((0, used.network.width), dtype=np.float32), problems


def _of_files(
    rows: Rows, chosen: list[int], used: UsedModel, choices: Choices, say: Callable[[str], None]
) -> dict[int, npt.NDArray[np.float32]]:
    """Features of the rows whose files can be read, by row; all have a box or none has."""
    split = [split_box(rows.path[row]) for row in chosen]
    boxes = [box for _, box in split if box is not None]
    nobody = np.zeros(len(chosen), dtype=np.int64)
    images = ImageTable(tuple(path for path, _ in split), nobody, nobody, box=np.array(boxes) if boxes else None)
    batches = [list(range(start, min(start + BATCH, len(chosen)))) for start in range(0, len(chosen), BATCH)]
    found: dict[int, npt.NDArray[np.float32]] = {}
    model = EmbeddingModel(used, len(images), choices.engine, say)
    for batch, features in embedded_batches(Pictures(images, nobody), batches, model):
        found |= {chosen[row]: feature for row, feature in zip(batch.rows, features, strict=True)}
    return found


def _thumbnail(rows: Rows, row: int, used: UsedModel) -> npt.NDArray[np.uint8] | None:
    """The thumbnail of a row as the model takes pictures, uint8 [3, H, W]; None where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = Image.open(io.BytesIO(rows.thumbnail[row]), formats=("JPEG", "PNG"))
        return read_image(image, used.network.image_size, used.network.interpolation)
    except (OSError, ValueError, Warning, InputError, Image.DecompressionBombError):
        return None
