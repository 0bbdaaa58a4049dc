"""Files: the one place for writing them (`writing`), for reading untrusted ones (`reading`) and for locks (`locks`)."""

from strongreid.files.locks import only_process, refuse_second_process
from strongreid.files.reading import dotted, open_regular, parse_json, read_json, read_text, read_yaml, unreadable
from strongreid.files.remote import fetch, local_path, require_schemes, scheme_of
from strongreid.files.system import hint_for_missing, make_folder, sync, why
from strongreid.files.writing import (
    LONGEST_PART,
    atomic_file,
    atomic_folder,
    inside,
    open_to_append,
    path_part,
    remove_folder,
    require_target,
    sweep,
    write_json,
    write_text,
)

__all__ = [
    "LONGEST_PART",
    "atomic_file",
    "atomic_folder",
    "dotted",
    "fetch",
    "hint_for_missing",
    "inside",
    "local_path",
    "make_folder",
    "only_process",
    "open_regular",
    "open_to_append",
    "parse_json",
    "path_part",
    "read_json",
    "read_text",
    "read_yaml",
    "refuse_second_process",
    "remove_folder",
    "require_schemes",
    "require_target",
    "scheme_of",
    "sweep",
    "sync",
    "unreadable",
    "why",
    "write_json",
    "write_text",
]
