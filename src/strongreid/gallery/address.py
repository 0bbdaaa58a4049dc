"""What a gallery stands on, told by its address.

A folder or an object store holds a LanceDB table; a file that ends in .db is Milvus Lite, http://HOST:PORT a Milvus
server. Each library is imported when an address needs it.
"""

import os
from pathlib import Path
from typing import Final

from strongreid.errors import InputError
from strongreid.files import scheme_of
from strongreid.gallery.store import Store

_OBJECT_STORES: Final = ("s3", "gs", "az", "abfss")
_SERVERS: Final = ("http", "https")


def open_store(address: str) -> Store:
    """Return the store behind an address; `InputError` where it cannot be one, or a library is missing."""
    scheme = scheme_of(address)
    if scheme is not None and scheme not in (*_OBJECT_STORES, *_SERVERS):
        known = ", ".join(f"{name}://" for name in (*_OBJECT_STORES, *_SERVERS))
        raise InputError(f"{address} begins with {scheme}://, which no gallery does. Name a folder, or {known}...")
    if scheme in _SERVERS or (scheme is None and address.endswith(".db")):
        try:
            from strongreid.gallery.milvus import MilvusStore
        except ImportError as error:
            raise InputError(
                f"{address} is an address of Milvus, whose library cannot be imported ({error}). Install it: pip "
                "install 'strongreid[milvus]'"
            ) from error
        return MilvusStore(address)
    if scheme is None:
        path = Path(address)
        if "\0" in address or (path.exists() and not path.is_dir()):
            raise InputError(f"{address!r} is no folder, so no gallery. Name a folder.")
    os.environ.setdefault("LANCEDB_LOG", "error")  # it writes to standard error what users of a gallery cannot act on
    try:
        from strongreid.gallery.lance import LanceStore
    except ImportError as error:
        raise InputError(
            f"A gallery needs the libraries lancedb and pyarrow, which cannot be imported ({error}). Install them: pip "
            "install 'strongreid[gallery]'"
        ) from error
    return LanceStore(address)
