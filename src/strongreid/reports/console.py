"""The console: progress of all long work, tables, plain messages. The one door to rich.

On a terminal progress is one line, drawn again and again in the width that there is. In a pipe or a file (nohup, CI)
it is plain lines: one an epoch of a training, and of other work one at its end and one every half minute until then.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Literal

import rich.box
import rich.console
from rich.cells import cell_len
from rich.live import Live
from rich.table import Table
from rich.text import Text

from strongreid.errors import command_line
from strongreid.reports.progress import Work, shown_values
from strongreid.reports.terminal import Outlet, printable, standard_error

ReportProgress = Callable[[int, int], None]
"""Called with (done, total) by long work."""
ReportEpoch = Callable[[int, float, Mapping[str, float]], None]
"""Called with the epoch (from 1), the share of it that is done (0 to 1) and the values to show."""
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
        stream = standard_error()
        self._console = rich.console.Console(file=stream, quiet=quiet, highlight=False)
        self._live = stream.isatty() and not self._console.is_dumb_terminal and not quiet
        self._plain = not self._live and not quiet
        self._training = False
        if not stream.isatty():
            self._console.width = WIDTH_OF_FILES

    def say(self, *lines: str) -> None:
        """Write lines as they are: brackets are no markup, and what would break a line is shown as `repr` does."""
        for line in lines:
            self._console.print(Text(printable(line)), soft_wrap=True)

    def suggest(self, *words: str | Path) -> None:
        """Write the command to go on with: `strongreid` and `words`."""
        self.say(f"Next: {command_line(*words)}")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table; the first column is aligned left, the others right. A narrow terminal breaks between words."""
        table = Table(title=Text(printable(title)), title_justify="left", box=rich.box.SIMPLE_HEAD, pad_edge=False)
        cells = [[printable(line[index]) for line in (columns, *rows)] for index in range(len(columns))]
        for index, (column, width) in enumerate(zip(cells, column_widths(cells, self._console.width), strict=True)):
            side: Literal["left", "right"] = "left" if index == 0 else "right"
            table.add_column(Text(column[0]), justify=side, overflow="fold", width=width)
        for row in list(zip(*cells, strict=True))[1:]:
            table.add_row(*map(Text, row))
        self._console.print(table)

    @contextmanager
    def bar(self, title: str) -> Iterator[ReportProgress]:
        """Show how far the work in the block is while it reports (done, total)."""
        work = Work(title)

        def report(done: int, total: int) -> None:
            work.update(done / max(total, 1), f"{done:,}/{total:,}")
            if self._plain and work.due():
                self.say(work.sentence())

        with self._drawn(work):
            yield report
        if self._plain and work.count and not self._training:
            self.say(work.finished())

    @contextmanager
    def training_bar(self, title: str, epochs: int) -> Iterator[ReportEpoch]:
        """Show a training's progress: epoch, time left, losses, rate, speed.

        Without a terminal it is a line an epoch, which waits for what may be measured at the epoch's end: for that,
        report the end of the epoch once more, with the metrics among the values.
        """
        work = Work(title)
        ended: dict[int, str] = {}

        def tell_ended() -> None:
            while ended:
                self.say(ended.popitem()[1])

        def report(epoch: int, share: float, values: Mapping[str, float]) -> None:
            if epoch not in ended:
                tell_ended()
            work.update((epoch - 1 + share) / epochs, f"epoch {epoch}/{epochs}", shown_values(values))
            if share >= 1 and self._plain:
                ended[epoch] = work.sentence()

        self._training = True
        try:
            with self._drawn(work):
                yield report
        finally:
            self._training = False
            tell_ended()

    @contextmanager
    def _drawn(self, work: Work) -> Iterator[None]:
        """Draw the work's line in the block, below what is written meanwhile; it goes when the block ends."""
        if not self._live:
            yield
            return
        marks = ("━", "━") if self._console.encoding.startswith("utf") else ("#", "-")

        def line() -> Text:
            return work.line(self._console.width, *marks)

        # Live prints what others write above its line, and would obey control characters in it.
        with (
            Live(get_renderable=line, console=self._console, transient=True),
            redirect_stdout(Outlet(sys.stdout, harmless=True)),
            redirect_stderr(Outlet(sys.stderr, harmless=True)),
        ):
            yield


def in_percent(fraction: float) -> str:
    """Write a fraction in percent, with up to three digits; a dash for NaN."""
    return "-" if math.isnan(fraction) else f"{100 * fraction:.3g} %"


def column_widths(cells: Sequence[Sequence[str]], room: int) -> list[int]:
    """Share `room` characters among a table's columns, `cells[column]`: as wide as needed, or shrunk to whole words."""
    widths = [max(map(cell_len, column)) for column in cells]
    least = [max((cell_len(word) for cell in column for word in cell.split()), default=0) for column in cells]
    least = [min(width, WHOLE_WORD) for width in least]
    while sum(widths) + BETWEEN * len(widths) > room:
        widest = max(range(len(widths)), key=lambda index: widths[index] - least[index])
        if widths[widest] <= least[widest]:
            break
        widths[widest] -= 1
    return widths
