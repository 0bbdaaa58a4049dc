"""The console: progress bars on all long work, tables, plain messages. The one door to rich."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import rich.box
import rich.console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

ReportProgress = Callable[[int, int], None]
"""Called with (done, total) by long work."""
SHOWN = ("total", "identity", "triplet", "center", "rate", "images_per_second")
"""Values of a log line that the training bar shows, in this order."""
WHOLE_WORD = 16
"""Longest word that a table never breaks, in characters; longer ones, such as paths, may have to be."""
WIDTH_OF_FILES = 240
"""Characters in a line where the output is no terminal but a file or a pipe."""
BETWEEN = 3
"""Characters between two columns."""


class Console:
    """Writes for people, on standard error, so that standard output stays free for results.

    Args:
        quiet: Write nothing: for other processes than the first, and for tests.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = rich.console.Console(stderr=True, quiet=quiet, highlight=False)
        if not self._console.is_terminal:
            self._console.width = WIDTH_OF_FILES

    def say(self, text: str) -> None:
        """Write a line. The text is taken as it is: brackets in it are no markup."""
        self._console.print(escape(text), soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table; the first column is aligned left, the others right. A narrow terminal breaks between words."""
        table = Table(title=escape(title), title_justify="left", box=rich.box.SIMPLE_HEAD, pad_edge=False)
        cells = [[column, *(row[index] for row in rows)] for index, column in enumerate(columns)]
        for index, (column, width) in enumerate(zip(columns, column_widths(cells, self._console.width), strict=True)):
            side: Literal["left", "right"] = "left" if index == 0 else "right"
            table.add_column(escape(column), justify=side, overflow="fold", width=width)
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self._console.print(table)

    @contextmanager
    def bar(self, title: str) -> Iterator[ReportProgress]:
        """Show a progress bar while the work in the block reports (done, total); it goes when the block ends."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task: TaskID | None = None

            def report(done: int, total: int) -> None:
                nonlocal task
                if task is None:
                    task = progress.add_task(escape(title), total=total)
                progress.update(task, completed=done, total=total)

            yield report

    @contextmanager
    def training_bar(self, title: str, epochs: int) -> Iterator["ReportEpoch"]:
        """Show a training's progress: epoch, losses, rate, images a second, time left."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(escape(title), total=epochs, epoch=1, epochs=epochs, values="")

            def report(epoch: int, share: float, values: Mapping[str, float]) -> None:
                shown = "  ".join(f"{name.replace('_', ' ')} {values[name]:.4g}" for name in SHOWN if name in values)
                progress.update(task, completed=epoch - 1 + share, epoch=epoch, values=shown)

            yield report


def column_widths(cells: Sequence[Sequence[str]], room: int) -> list[int]:
    """Share `room` characters among a table's columns, `cells[column]`: as wide as needed, or shrunk to whole words."""
    widths = [max(map(len, column)) for column in cells]
    least = [max((len(word) for cell in column for word in cell.split()), default=0) for column in cells]
    least = [min(width, WHOLE_WORD) for width in least]
    while sum(widths) + BETWEEN * len(widths) > room:
        widest = max(range(len(widths)), key=lambda index: widths[index] - least[index])
        if widths[widest] <= least[widest]:
            break
        widths[widest] -= 1
    return widths


ReportEpoch = Callable[[int, float, Mapping[str, float]], None]
"""Called with the epoch (from 1), the share of it that is done (0 to 1) and the values to show."""
