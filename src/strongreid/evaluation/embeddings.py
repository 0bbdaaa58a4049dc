"""Features of images with their people and cameras: the one thing that evaluation is given.

Features stay a torch tensor on the device they came from, because that is where the arithmetic happens; people and
cameras are NumPy columns. Everything is checked when the value is made, so that no later function meets a NaN, two
columns that disagree in length, or a distance that overflows.

Reading .npz files of plain arrays, of this or any other program: never a pickle; errors say what to fix.
"""

import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final, NoReturn, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.files import atomic_file, why

JUNK: Final = -1
"""Person number of gallery images that do not count at all (Market-1501's badly cut boxes)."""

_ROWS_AT_ONCE: Final = 512
_LARGEST_SQUARE: Final = 8e37  # of a length: the squared distance of two such features still fits float32


@final
class Embeddings:
    """Features of N images, with the person and the camera of each.

    Args:
        features: `[N, D]`, NumPy, torch or nested lists, any real dtype; kept as float32 on the device given, without
            a copy where it is float32 already. Row i is the feature of image i. Need not be normalised.
        person: `[N]` whole numbers. -1 is junk (dropped from a gallery); distractors keep a number that no query has
            (0 in Market-1501).
        camera: `[N]` whole numbers; any one number throughout where cameras are not known.
        track: `[N]` whole numbers, which images follow one person through one camera; -1 for an image of no track. None
            where there are no tracks.

    Raises `InputError` where shapes disagree, a value is not finite in float32 or so large that distances would not be
    (naming the row), or people and cameras are not whole numbers.
    """

    features: Tensor
    """float32 `[N, D]`, on the device given."""
    person: npt.NDArray[np.int64]
    """int64 `[N]`."""
    camera: npt.NDArray[np.int64]
    """int64 `[N]`."""
    track: npt.NDArray[np.int64] | None
    """int64 `[N]`, or None."""

    def __init__(
        self,
        features: Tensor | npt.ArrayLike,
        person: Tensor | npt.ArrayLike,
        camera: Tensor | npt.ArrayLike,
        *,
        track: Tensor | npt.ArrayLike | None = None,
    ) -> None:
        self.features = float32_rows(features)
        self.person = _whole_numbers("person", person)
        self.camera = _whole_numbers("camera", camera)
        self.track = None if track is None else _whole_numbers("track", track)
        for name, column in (("person", self.person), ("camera", self.camera), ("track", self.track)):
            if column is not None and len(column) != len(self.features):
                raise InputError(
                    f"There are {len(self.features)} rows of features but {len(column)} values of {name}. "
                    "Give one for each image, in the same order."
                )

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        return f"Embeddings({len(self)} images of {len(np.unique(self.person))} people, {self.features.shape[1]} wide)"

    def to(self, device: torch.device | str) -> "Embeddings":
        """The same with the features on `device`; this very value where they are there already."""
        moved = self.features.to(device)
        return self if moved is self.features else self.with_features(moved)

    def with_features(self, features: Tensor) -> "Embeddings":
        """The same images with other features, `[N, D]`."""
        return Embeddings(features, self.person, self.camera, track=self.track)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Embeddings":
        """The images at `rows` (indices, or a mask `[N]`), as a copy."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else np.asarray(rows, dtype=np.int64)
        features = self.features[torch.from_numpy(chosen).to(self.features.device)]
        track = None if self.track is None else self.track[chosen]
        return Embeddings(features, self.person[chosen], self.camera[chosen], track=track)

    def save(self, path: str | Path) -> None:
        """Write arrays `features`, `person`, `camera` and, if any, `track` as an uncompressed .npz file, atomically."""
        arrays = {"features": self.features.cpu().numpy(), "person": self.person, "camera": self.camera}
        if self.track is not None:
            arrays["track"] = self.track
        with atomic_file(Path(path)) as partial, partial.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]  # its `allow_pickle` is none of these names

    @classmethod
    def load(cls, path: str | Path) -> "Embeddings":
        """Read a .npz file that holds `features`, `person`, `camera` and perhaps `track`, of this or any other program.

        Raises `InputError` where the file is missing, is no .npz, holds pickled objects or lacks an array.
        """
        path = Path(path)
        arrays = read_arrays(path, ("features", "person", "camera"), optional=("track",))
        try:
            return cls(**arrays)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def float32_rows(given: Tensor | npt.ArrayLike) -> Tensor:
    """Check and convert features to float32 `[N, D]`, sharing memory where nothing has to change.

    Raises `InputError` for what `Embeddings` refuses.
    """
    tensor = given.detach() if isinstance(given, Tensor) else _from_numpy(_array("features", given))
    if tensor.ndim != 2 or tensor.shape[1] == 0:
        raise InputError(f"Features have shape {list(tensor.shape)}; give [images, width], with a width of at least 1.")
    if tensor.is_complex():
        raise InputError("Features are complex numbers; give real ones.")
    tensor = tensor.to(torch.float32)
    for start in range(0, len(tensor), _ROWS_AT_ONCE):
        rows = tensor[start : start + _ROWS_AT_ONCE]
        sound = rows.square().sum(dim=1) <= _LARGEST_SQUARE  # NaN is not
        if not bool(sound.all()):
            row = int((~sound).nonzero()[0])
            _refuse(start + row, rows[row])
    return tensor


def _refuse(row: int, feature: Tensor) -> NoReturn:
    if bool(feature.isfinite().all()):
        raise InputError(
            f"Row {row} of the features is so large that its distances overflow float32. Divide all by one number."
        )
    raise InputError(
        f"Row {row} of the features is not finite (NaN, infinite, or too large for float32). "
        "Look at the image behind it, and at the model: a diverged training gives such features."
    )


def _array(name: str, given: npt.ArrayLike) -> npt.NDArray[Any]:
    """Make an array of what is given; nested lists of different lengths make none."""
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"What was given as {name} is no array ({error}). Give a NumPy array, a tensor, or rows of one length."
        ) from error


def _from_numpy(array: npt.NDArray[np.generic]) -> Tensor:
    """Wrap a NumPy array of numbers as a tensor; float32 is shared (also read-only and mapped from disk)."""
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise InputError(f"Features have dtype {array.dtype}; give numbers, such as float32.")
    if array.dtype != np.float32 or not array.dtype.isnative or any(stride < 0 for stride in array.strides):
        with np.errstate(over="ignore"):  # the check for finite values says it better
            array = array.astype(np.float32)
    with warnings.catch_warnings():
        # A read-only array (one mapped from disk, say) makes torch warn; nothing here writes into features.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _whole_numbers(name: str, given: Tensor | npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Check and convert a column of people or cameras to int64 `[N]`."""
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        given = given.double() if given.is_floating_point() else given  # NumPy has no bfloat16
    column = _array(name, given)
    if column.ndim != 1:
        raise InputError(f"The array {name} has shape {list(column.shape)}; give [images].")
    if column.dtype.kind not in "fiu" and column.size:
        raise InputError(f"The array {name} has dtype {column.dtype}; give whole numbers, such as int64.")
    if column.dtype.kind == "f":
        column = column.astype(np.float64)  # 2**63 below is beyond float16
        if not bool((np.isfinite(column) & (column == np.floor(column))).all()):
            raise InputError(f"The array {name} has values that are not whole numbers; give whole numbers, as int64.")
    if column.dtype.kind in "uf" and column.size and not bool((np.abs(column) < 2**63).all()):
        raise InputError(f"The array {name} has values beyond int64.")
    return column.astype(np.int64)


_DAMAGED = (
    ValueError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # encrypted, or packed in a way that zipfile does not know
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
)
"""What NumPy raises for a file that is none, or whose bytes are damaged: the last three for damage in a header."""


def read_arrays(path: Path, *choices: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, npt.NDArray[Any]]:
    """Read arrays from a .npz file by their names: those of the choice of which fewest are missing.

    `optional` ones are read where they are there; others in the file are left alone. Raises `InputError` where the file
    is missing, is no .npz, holds pickled objects or lacks an array.
    """
    how = f"numpy.savez(path, {', '.join(f'{name}=...' for name in choices[0])})"
    try:
        with path.open("rb") as stream:  # NumPy, given a path, leaves a damaged file open
            if not stream.read(6).startswith((b"PK", b"\x93NUMPY")):  # NumPy would advise to unpickle it
                raise InputError(f"{path} is no .npz file. Write one with {how}.")
            stream.seek(0)
            loaded = np.load(stream, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise InputError(f"{path} is a single array. Save {', '.join(choices[0])} with {how}.")
            names = min(choices, key=lambda names: len(set(names) - set(loaded.files)))
            missing = [name for name in names if name not in loaded.files]
            if missing:
                raise InputError(
                    f"{path} holds the arrays {', '.join(loaded.files) or 'none'}; missing: {', '.join(missing)}. "
                    f"Save all of them with {how}."
                )
            there = [name for name in optional if name in loaded.files]
            return {name: loaded[name] for name in (*names, *there)}
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.") from error
    except InputError:
        raise
    except (OSError, *_DAMAGED) as error:
        raise InputError(
            f"{path} cannot be read as an .npz file of plain arrays ({why(error)}). Write it with {how}."
        ) from error
