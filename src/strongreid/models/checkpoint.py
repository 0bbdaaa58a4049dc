"""Checkpoint files of anybody, read without running what they bring and without believing what they claim.

A pickle may run anything, so it goes through PyTorch's restricted reader (`weights_only=True`). That reader still does
what a file says about sizes: sixty bytes can ask for a terabyte. So the sizes are looked at first, while nothing has
been made of them: entries of the zip must be stored as they are, and no storage may be larger than the file.
"""

import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, BinaryIO, Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from strongreid.errors import InputError
from strongreid.files import open_regular

_LARGEST_PICKLE: Final = 64 * 2**20
"""Most bytes of the table of contents of a checkpoint; that of a large network with its optimiser has 1 MB."""
_PICKLES_OF_OLD_FILES: Final = 4
"""Before torch 1.6 a file was a row of pickles: a magic number, the protocol, the machine, the objects."""
_INTEGERS: Final = frozenset(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"))
_CLAIMED_AT_MOST: Final = 4
"""How often over its size a file may give its bytes out, as weights that several layers share."""
_NUMPY: Final = (
    np.ndarray,
    np.dtype,
    *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
    np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    np._core.multiarray.scalar,  # type: ignore[attr-defined]
)
"""What arrays and numbers of NumPy are made with; older trainers write them beside, or in place of, tensors."""
_DAMAGED: Final = (SafetensorError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What readers raise for files that are cut short or changed."""


def read_checkpoint(path: Path) -> object:
    """Return what a .safetensors file or a PyTorch file (.pth, .pt, .pth.tar, .bin, .pkl) holds, on the CPU.

    Raises `InputError` for a file that is missing or cut short, that holds objects with code of their own (a whole
    pickled module), or that claims to be larger than it is.
    """
    with open_regular(path, "Give the path of a .safetensors or .pth file.") as stream:
        size = path.stat().st_size
        try:
            if path.suffix == ".safetensors":
                return load_file(path)  # which compares all that the header claims with the file's size first
            _refuse_claims(stream, size)
            content = _load(path)
        except pickle.UnpicklingError as error:
            raise _refusal(path, error) from error
        except _DAMAGED as error:
            raise _unreadable(path, error) from error
    _refuse_large_tensors(path, content, size)
    return content


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a .safetensors file. Raises `SafetensorError` or `OSError` for what is none."""
    with safe_open(path, framework="pt") as stream:
        metadata: dict[str, str] = stream.metadata() or {}
    return metadata


def _load(path: Path) -> object:
    """Load with the restricted reader; files that Python 2 wrote hold texts in Latin-1."""
    with torch.serialization.safe_globals(list(_NUMPY)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about types of storage that old files name
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except UnicodeDecodeError:
            return torch.load(path, map_location="cpu", weights_only=True, encoding="latin1")


def _refuse_claims(stream: BinaryIO, size: int) -> None:
    """Raise `ValueError` where a PyTorch file says that it holds more than its `size` in bytes."""
    if not zipfile.is_zipfile(stream):
        stream.seek(0)
        for _ in range(_PICKLES_OF_OLD_FILES):
            _refuse_claims_of_pickle(stream, size)
        return
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("its entries are compressed, which PyTorch never does")
            if (claimed := sum(entry.file_size for entry in entries)) > size:
                raise ValueError(f"its entries claim {claimed:,} bytes, the file has {size:,}")
            for entry in entries:
                if entry.filename.endswith("data.pkl"):
                    with archive.open(entry) as content:
                        _refuse_claims_of_pickle(content, size)
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def _refuse_claims_of_pickle(stream: IO[bytes], size: int) -> None:
    """Read the instructions of one pickle, without following them: no storage may have more values than bytes."""
    last = 0
    for instruction, argument, position in pickletools.genops(stream):
        if (position or 0) > _LARGEST_PICKLE:
            raise ValueError(f"its table of contents has more than {_LARGEST_PICKLE:,} bytes")
        if instruction.name in _INTEGERS:
            last = int(argument or 0)
        elif instruction.name == "BINPERSID" and last > size:  # ("storage", type, key, device, number of values)
            raise ValueError(f"it claims a storage of {last:,} values, the file has {size:,} bytes")
        elif isinstance(argument, str) and argument.rsplit(" ")[-1] == "bytearray":
            raise ValueError("it asks for a byte array, which no state dict needs")


def _tensors(content: object, depth: int = 0) -> Iterator[Tensor]:
    if isinstance(content, Tensor):
        yield content
    elif depth < 6 and isinstance(content, Mapping | list | tuple):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from _tensors(value, depth + 1)


def _refuse_large_tensors(path: Path, content: object, size: int) -> None:
    """Raise `InputError` for tensors that claim more than the storages behind them: a copy would have that size."""
    claimed = 0
    for tensor in _tensors(content):
        kind = f"{tensor.dtype} {list(tensor.shape)}"
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise _unreadable(path, f"a tensor {kind} is sparse, quantised or without values")
        claimed += (wanted := tensor.numel() * tensor.element_size())
        if wanted > tensor.untyped_storage().nbytes() or claimed > _CLAIMED_AT_MOST * size:
            raise _unreadable(path, f"its tensors claim more than the file holds, as one of {kind}")


def _refusal(path: Path, error: Exception) -> InputError:
    """Say which class a file would run, and how its owner makes a state dict of it."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    if found is None:
        return _unreadable(path, error)
    return InputError(
        f"The file {path} holds more than tensors: an object made by {found[1]}, as a whole pickled module is. "
        "To read it would run code that the file names, so it is refused. Who made it saves, where that is "
        "installed, the tensors alone: torch.save(model.state_dict(), 'weights.pth'), or of a dictionary the entry "
        "with them."
    )


def _unreadable(path: Path, error: Exception | str) -> InputError:
    reason = str(error).split("\n", maxsplit=1)[0][:200] or type(error).__name__
    return InputError(
        f"The weight file {path} cannot be read ({reason}). It may be cut short, or hold more than tensors: save a "
        "state dict, as torch.save(network.state_dict(), path)."
    )
