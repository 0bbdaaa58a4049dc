"""Reading .npz files of plain arrays, of this or any other program: never a pickle; errors say what to mend."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError

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


def read_arrays(path: Path, names: tuple[str, ...]) -> tuple[npt.NDArray[Any], ...]:
    """Read the arrays `names` from a .npz file, in that order; others in the file are left alone.

    Raises `InputError` where the file is missing, is no .npz, holds pickled objects or lacks an array.
    """
    how = f"numpy.savez(path, {', '.join(f'{name}=...' for name in names)})"
    try:
        with path.open("rb") as stream:  # NumPy, given a path, leaves a damaged file open
            if not stream.read(6).startswith((b"PK", b"\x93NUMPY")):  # NumPy would advise to unpickle it
                raise InputError(f"{path} is no .npz file. Write one with {how}.")
            stream.seek(0)
            loaded = np.load(stream, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise InputError(f"{path} is a single array. Save {', '.join(names)} with {how}.")
            missing = [name for name in names if name not in loaded.files]
            if missing:
                raise InputError(
                    f"{path} holds the arrays {', '.join(loaded.files) or 'none'}; missing: {', '.join(missing)}. "
                    f"Save all of them with {how}."
                )
            return tuple(loaded[name] for name in names)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.") from error
    except InputError:
        raise
    except (OSError, *_DAMAGED) as error:
        raise InputError(
            f"{path} cannot be read as an .npz file of plain arrays ({error}). Write it with {how}."
        ) from error
