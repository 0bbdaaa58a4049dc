"""How far a piece of work is, in one line: name, count and time left always, a bar and values where there is room."""

import time
from collections.abc import Mapping, Sequence

from rich.text import Text

from strongreid.reports.terminal import printable

PERCENT = {"rank_1": "rank-1", "mean_ap": "mAP"}
"""Values that are fractions, and what they are shown as."""
NOT_SHOWN = "epoch"
"""The value that a line has in its count already."""
LAST = {"rate": "rate {:.3g}", "images_per_second": "{:.4g} images/s"}
"""Values shown after the losses, and how."""
BAR = (10, 30)
"""Characters of a bar beside values, and where there are none."""
SECONDS_BETWEEN_LINES = 30.0
"""How often work tells how far it is where there is no terminal."""


class Work:
    """One piece of work: its title, how much is done and how long the rest may take."""

    def __init__(self, title: str) -> None:
        self.title = printable(title)
        self.count = ""
        self.values: Sequence[str] = ()
        self._began = self._told = time.monotonic()
        self._first: tuple[float, float] | None = None
        self._end: float | None = None
        self._share = 0.0

    def update(self, share: float, count: str, values: Sequence[str] = ()) -> None:
        """Remember what is done: its share, 0 to 1, the same in words, and the values to show."""
        now = time.monotonic()
        self._share, self.count, self.values = share, count, values
        first_share, first_time = self._first = self._first or (share, now)
        if share > first_share:  # a resumed training begins in the middle
            self._end = now + (now - first_time) * (1 - share) / (share - first_share)

    def due(self) -> bool:
        """Whether half a minute has passed since this was last true, or since the beginning."""
        now = time.monotonic()
        if now - self._told < SECONDS_BETWEEN_LINES:
            return False
        self._told = now
        return True

    def left(self) -> str:
        """Return the time left in words, dashes where nothing is known yet."""
        return f"{clock(max(0.0, self._end - time.monotonic()) if self._end is not None else None)} left"

    def finished(self) -> str:
        """Return a line for the end of the work."""
        return f"{self.title}: {self.count} in {clock(time.monotonic() - self._began)}"

    def sentence(self) -> str:
        """Return a line that stays: title, count, values, time left."""
        return f"{self.title}: {', '.join([self.count, *self.values, self.left()])}"

    def line(self, width: int, filled: str = "━", empty: str = "━") -> Text:
        """Return a line of at most `width` characters; a longer title is cut."""
        tail = f"  {self.count}  {self.left()}"
        line = Text(self.title, no_wrap=True, overflow="ellipsis")
        line.truncate(max(width - len(tail), 1), overflow="ellipsis")
        line.append(tail)
        room = width - line.cell_len - 2
        least, most = BAR
        bar = min(room, least if self.values else most)
        if bar >= least:
            done = round(bar * self._share)
            line.append("  ").append(filled * done, "bar.complete").append(empty * (bar - done), "bar.back")
        for value in self.values:
            if line.cell_len + 2 + len(value) > width:
                break
            line.append(f"  {value}")
        return line


def clock(seconds: float | None) -> str:
    """Return seconds as 0:07, 12:34 or 1:23:45; dashes for None."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def shown_values(values: Mapping[str, float]) -> list[str]:
    """Return the values of a log line in words: what was measured, the losses, rate and speed."""
    measured = [f"{words} {100 * values[name]:.1f} %" for name, words in PERCENT.items() if name in values]
    losses = [
        f"{printable(name.replace('_', ' '))} {value:.4g}"
        for name, value in values.items()
        if name not in PERCENT and name not in LAST and name != NOT_SHOWN
    ]
    return measured + losses + [form.format(values[name]) for name, form in LAST.items() if name in values]
