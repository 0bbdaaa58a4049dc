"""Files: the one place for writing them (`writing`), reading untrusted ones (`reading`) and locks (`locks`)."""

from strongreid.files.reading import open_regular, parse_json, read_json, read_text, read_yaml, unreadable, why
from strongreid.files.writing import atomic_file, atomic_folder, only_process, write_json

__all__ = [
    "atomic_file",
    "atomic_folder",
    "only_process",
    "open_regular",
    "parse_json",
    "read_json",
    "read_text",
    "read_yaml",
    "unreadable",
    "why",
    "write_json",
]
