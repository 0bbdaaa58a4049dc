"""One line of the audit log: how it is written, with its hash at its end, and how it is read again."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

START: Final = "0" * 64
"""What stands for the hash of the line before the first."""
MOST_BYTES: Final = 2**20
"""Bytes of the longest line."""
_LINE: Final = re.compile(rb'(?P<content>\{.*,"before":"[0-9a-f]{64}"),"hash":"(?P<hash>[0-9a-f]{64})"\}\n', re.DOTALL)


@dataclass(frozen=True)
class AuditLine:
    """One line of a log."""

    number: int
    """Which line it is, from 1."""
    time: str
    """When it was written: ISO 8601, UTC."""
    who: str
    """The user."""
    event: str
    """What was done, such as "search"."""
    details: Mapping[str, Any]
    """What belongs to the event."""
    before: str
    """SHA-256 of the line before, in hexadecimal; `START` for the first."""
    hash: str
    """SHA-256 of this line, in hexadecimal."""


class ChangedError(ValueError):
    """A line whose content does not fit its hash."""

    def __init__(self, line: AuditLine) -> None:
        super().__init__("was changed: its hash does not fit what it says")
        self.line = line


def make_line(
    number: int, time: str, who: str, event: str, details: Mapping[str, Any], before: str
) -> tuple[bytes, str]:
    """Return a line and its hash."""
    fields = {"number": number, "time": time, "who": who, "event": event, "details": details, "before": before}
    content = json.dumps(fields, separators=(",", ":"), allow_nan=False).removesuffix("}").encode()
    digest = hashlib.sha256(content).hexdigest()
    return content + f',"hash":"{digest}"}}\n'.encode(), digest


def parse_line(raw: bytes) -> AuditLine:
    """Return what a line says; `ValueError` ends a sentence that begins with the line."""
    match = _LINE.fullmatch(raw)
    if match is None:
        torn = "has no end: it was torn by a crash, or cut off" if not raw.endswith(b"\n") else ""
        raise ValueError(torn or "is no line of an audit log")
    try:
        fields = json.loads(match["content"] + b"}")
        line = AuditLine(
            number=int(fields["number"]),
            time=str(fields["time"]),
            who=str(fields["who"]),
            event=str(fields["event"]),
            details=dict(fields["details"]),
            before=str(fields["before"]),
            hash=match["hash"].decode(),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError("is no line of an audit log") from error
    if hashlib.sha256(match["content"]).hexdigest() != line.hash:
        raise ChangedError(line)
    return line
