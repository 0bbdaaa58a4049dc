"""The log of a run: one JSON object a line in `log.jsonl`, and the same numbers for TensorBoard.

The JSON lines are the truth; everything else (curves, tables, reports) is made from them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter

from strongreid.errors import InputError


class RunLog:
    """Writes a run's log; used as a context manager.

    Args:
        folder: The run's folder; `log.jsonl` and `tensorboard/` are written in it.
        keep_bytes: Length to which an existing log is cut first: what a resumed run had logged at its checkpoint.
        keep_steps: Number of steps at that point; TensorBoard hides what was written after it.
    """

    def __init__(self, folder: Path, *, keep_bytes: int = 0, keep_steps: int = 0) -> None:
        self._stream = (folder / "log.jsonl").open("ab")
        self._stream.truncate(keep_bytes)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=keep_steps + 1)

    @property
    def bytes(self) -> int:
        """Length of the log so far, in bytes."""
        return self._stream.tell()

    def write(self, total_steps: int, values: Mapping[str, float | int]) -> None:
        """Append one line: `total_steps` and the named values (finite numbers)."""
        line = json.dumps({"total_steps": total_steps, **values}, allow_nan=False)
        self._stream.write(line.encode() + b"\n")
        self._stream.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, total_steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._board.close()


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the lines of a run's `log.jsonl`; a last line that was cut short is left out.

    Raises `InputError` for a line that no log has.
    """
    path = folder / "log.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    return [_line(path, number, line) for number, line in enumerate(lines, start=1) if line.endswith(b"\n")]


def _line(path: Path, number: int, line: bytes) -> dict[str, float]:
    try:
        values = json.loads(line)
    except ValueError:
        values = None
    if not isinstance(values, dict) or "epoch" not in values:
        raise InputError(f"Line {number} of {path} is damaged. Remove the file: only the curves are drawn from it.")
    return values
