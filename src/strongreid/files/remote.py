"""Files behind an address such as s3://bucket/person.jpg, fetched through fsspec: the one door to it.

A table may name any address, so only those of object stores, web servers and this machine are taken: fsspec's others
chain caches, open archives or run programs. What is fetched is whole and bounded. An address file://... is not remote:
tables make the path of it, so that a file has one name.
"""

import importlib
import re
from collections.abc import Iterable
from typing import Final

from strongreid.errors import InputError

SCHEMES: Final = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hdfs", "http", "https", "memory")
"""What an address may begin with; fsspec imports a library for each: s3fs, gcsfs, adlfs, pyarrow, aiohttp."""
LARGEST: Final = 2**26
"""Most bytes of a file: a photograph has a tenth of that."""
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme_of(path: str) -> str | None:
    """Return what an address begins with, such as s3; None for the path of a file."""
    found = _ADDRESS.match(path)
    return found[1] if found else None


def local_path(path: str) -> str:
    """Return the path of file://..., as it stands after the scheme; anything else as it is."""
    return path[len("file://") :] if path.startswith("file:///") else path


def require_schemes(paths: Iterable[str]) -> None:
    """Raise `InputError` where an address among paths cannot be fetched here, whatever lies there."""
    first: dict[str, str] = {}
    for path in paths:
        if (scheme := scheme_of(path)) is not None:
            first.setdefault(scheme, path)
    for scheme, path in first.items():
        if scheme not in SCHEMES:
            known = ", ".join(("file:///", *(f"{one}://" for one in SCHEMES)))
            raise InputError(f"{path} begins with {scheme}://, which is not fetched. Addresses begin with {known}.")
        try:
            importlib.import_module("fsspec").get_filesystem_class(scheme)
        except ImportError as error:
            raise InputError(
                f"{scheme}://... is fetched through fsspec, which says: {error}. Install it there."
            ) from error


def fetch(address: str, most: int = LARGEST) -> bytes:
    """Return the bytes of a file; `InputError`, with its address, where it is not there or has more than `most`."""
    require_schemes([address])
    try:
        fsspec = importlib.import_module("fsspec")
        system, path = fsspec.core.url_to_fs(address)
        content = bytes(system.cat_file(path, start=0, end=most + 1))
    except FileNotFoundError as error:
        raise InputError(f"There is no {address}. Put it there or take it out of the table.") from error
    except Exception as error:  # each file system has errors of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{address} cannot be fetched ({reason}).") from error
    if len(content) > most:
        raise InputError(f"{address} has more than {most:,} bytes, the most that an image's file may have.")
    return content
