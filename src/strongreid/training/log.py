"""The log of a run: one JSON object a line in `log.jsonl`, and the same numbers for TensorBoard.

The JSON lines are the truth; everything else (curves, tables, reports) is made from them. So a log that cannot be
written ends a training, and TensorBoard's file that cannot be written ends TensorBoard's file.
"""

import json
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from strongreid.errors import InputError, command_line
from strongreid.files import inside, make_folder, open_regular, open_to_append, parse_json, why


class RunLog:
    """Writes a run's log; used as a context manager.

    Args:
        folder: The run's folder; `log.jsonl` and `tensorboard/` are written in it, never through a link.
        warn: Is told what is wrong with the log, and goes on.
        keep_bytes: Length to which an existing log is cut first: what a resumed run had logged at its checkpoint.
        keep_steps: Number of steps at that point; TensorBoard hides what was written after it.

    Raises `InputError` where `log.jsonl` cannot be written.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None], *, keep_bytes: int = 0, keep_steps: int = 0) -> None:
        self._path, self._warn = inside(folder, "log.jsonl"), warn
        kept = _sound(self._path, keep_bytes)
        if kept < keep_bytes:
            warn(
                f"{self._path} is damaged: of {keep_bytes} bytes logged before the checkpoint, {kept} can be used. The "
                "curve will lack the others; what is learned does not change."
            )
        try:
            self._stream = open_to_append(self._path)
            self._stream.truncate(kept)
        except OSError as error:
            raise self._not_written(error) from error
        self._board: _Board | None = None
        self._on_board(lambda: _Board(inside(folder, "tensorboard"), keep_steps))

    def write(self, total_steps: int, values: Mapping[str, float | int]) -> None:
        """Append one line: `total_steps` and the named values (finite numbers)."""
        line = json.dumps({"total_steps": total_steps, **values}, allow_nan=False)
        try:
            self._stream.write(line.encode() + b"\n")
            self._stream.flush()
        except OSError as error:
            raise self._not_written(error) from error
        if self._board is not None:
            self._on_board(partial(self._board.with_values, total_steps, values))

    def sync(self) -> int:
        """Flush the log to the disk and return its length so far, in bytes."""
        try:
            os.fsync(self._stream.fileno())
            return os.fstat(self._stream.fileno()).st_size
        except OSError as error:
            raise self._not_written(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what could not be written was said by then
            self._stream.close()
        if self._board is not None:
            self._board.close()

    def _on_board(self, change: Callable[[], "_Board"]) -> None:
        """Change TensorBoard's file; where that fails, say so once and go on without it."""
        self._board = None
        try:
            self._board = change()
        except (OSError, InputError) as error:
            self._warn(f"TensorBoard's file cannot be written ({why(error)}); {self._path} goes on without it.")

    def _not_written(self, error: OSError) -> InputError:
        return InputError(
            f"The log {self._path} cannot be written ({why(error)}). Fix that, then go on with: "
            f"{command_line('train', '--resume', self._path.parent)}"
        )


def open_log(
    folder: Path | None, warn: Callable[[str], None], *, keep_bytes: int, keep_steps: int
) -> AbstractContextManager[RunLog | None]:
    """Open the log in a folder, which is made if need be; None: there is none, as in all processes but the first."""
    if folder is None:
        return nullcontext()
    try:
        make_folder(folder)
    except OSError as error:
        raise InputError(f"The `folder` {folder} cannot be made ({why(error)}). Choose another.") from error
    return RunLog(folder, warn, keep_bytes=keep_bytes, keep_steps=keep_steps)


class _Board:
    """TensorBoard's file of events, written at once: TensorBoard's writer has a thread, whose errors reach nobody."""

    def __init__(self, folder: Path, steps: int) -> None:
        folder.mkdir(exist_ok=True)
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{secrets.token_hex(4)}"
        self._stream = (folder / name).open("xb")
        self._add(file_version="brain.Event:2")
        self._add(step=steps + 1, session_log=SessionLog(status=SessionLog.START))  # hides what came after `steps`

    def with_values(self, step: int, values: Mapping[str, float]) -> Self:
        """Add named values of a step."""
        named = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._add(step=step, summary=Summary(value=named))
        return self

    def close(self) -> None:
        """Close the file, whatever becomes of it."""
        with suppress(OSError):
            self._stream.close()

    def _add(self, **fields: Any) -> None:
        data = Event(wall_time=time.time(), **fields).SerializeToString()
        length = struct.pack("<Q", len(data))
        checked = (part + struct.pack("<I", masked_crc32c(part)) for part in (length, data))
        try:
            self._stream.write(b"".join(checked))
            self._stream.flush()
        except OSError:
            self.close()
            raise


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the lines of a run's `log.jsonl`; a last line that was cut short is left out.

    Raises `InputError` for a line that no log has.
    """
    path = folder / "log.jsonl"
    if not path.exists():
        return []
    with open_regular(path) as stream:
        return [_line(path, number, line) for number, line in enumerate(stream, start=1) if line.endswith(b"\n")]


def _sound(path: Path, length: int) -> int:
    """Return how many of the first `length` bytes of a log are lines as they were written."""
    kept = 0
    if length and path.exists():
        with open_regular(path) as stream, suppress(InputError):
            for number, line in enumerate(stream, start=1):
                if kept + len(line) > length or not line.endswith(b"\n"):
                    break
                _line(path, number, line)
                kept += len(line)
    return kept


def _line(path: Path, number: int, line: bytes) -> dict[str, float]:
    try:
        values = parse_json(line.decode(), path)
    except (InputError, UnicodeDecodeError):
        values = {}
    if "epoch" not in values or not all(map(_is_number, values.values())):
        raise InputError(f"Line {number} of {path} is damaged. Remove the file: only the curves are drawn from it.")
    return values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
