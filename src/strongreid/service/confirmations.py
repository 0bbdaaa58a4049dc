"""Which matches people have confirmed: what was shown is remembered, and two people may have to say the same.

A match is a query picture (its hash, and the box in it) with a row of the gallery. Confirmations are read from the
audit log when the service starts, so a restart loses none; what was shown, with the query's small picture, is in memory
only, and the oldest is forgotten.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strongreid.gallery.audit_line import AuditLine
from strongreid.service.searching import Hit

MOST_SHOWN: Final = 2000
"""Searches whose hits can still be confirmed."""
CONFIRM: Final = "confirm"
"""What the audit log calls a confirmation."""


@dataclass(frozen=True)
class Shown:
    """What one search has shown."""

    query: str
    """SHA-256 of the photograph's file, in hexadecimal."""
    box: Sequence[int] | None
    """x, y, width, height of the part that was searched with; None for all of it."""
    picture: bytes
    """The photograph, or its part, as a small JPEG."""
    hits: Mapping[str, Hit]
    """By key."""

    def match(self, key: str) -> str:
        """Return what tells a match of this query from others."""
        return _match(self.query, self.box, key)


class Confirmations:
    """What was shown and what was confirmed.

    Args:
        needed: how many people must confirm a match before it counts.
    """

    def __init__(self, needed: int) -> None:
        self.needed = needed
        self._shown: OrderedDict[str, Shown] = OrderedDict()
        self._by: dict[str, list[str]] = {}

    def replay(self, lines: Iterable[AuditLine], gallery: str) -> None:
        """Take over what the audit log says was confirmed in a gallery."""
        for line in lines:
            said = line.details
            box = said.get("box")
            if line.event == CONFIRM and said.get("gallery") == gallery and isinstance(box, list | None):
                self.add(_match(said.get("query"), box, said.get("key")), line.who)

    def remember(self, search: str, shown: Shown) -> None:
        """Keep what a search has shown."""
        self._shown[search] = shown
        if len(self._shown) > MOST_SHOWN:
            self._shown.popitem(last=False)

    def shown(self, search: str) -> Shown | None:
        """Return what a search has shown; None where that is forgotten."""
        return self._shown.get(search)

    def hit(self, key: str) -> Hit | None:
        """Return a hit that one of these searches has shown; None where none has."""
        return next((shown.hits[key] for shown in reversed(self._shown.values()) if key in shown.hits), None)

    def by(self, match: str) -> tuple[str, ...]:
        """Return who has confirmed a match, in order."""
        return tuple(self._by.get(match, ()))

    def add(self, match: str, who: str) -> None:
        """Note that somebody has confirmed a match; twice is once."""
        names = self._by.setdefault(match, [])
        if who not in names:
            names.append(who)

    def waiting(self) -> list[tuple[str, Shown, Hit]]:
        """Return the matches that need another person and are remembered: search, what it showed, hit; newest first."""
        found = dict[str, tuple[str, Shown, Hit]]()
        for search, shown in self._shown.items():
            for key, hit in shown.hits.items():
                match = shown.match(key)
                if 0 < len(self._by.get(match, ())) < self.needed:
                    found.pop(match, None)  # shown again it is as new as that; a key that stays would keep its place
                    found[match] = (search, shown, hit)
        return list(found.values())[::-1]


def _match(query: Any, box: Any, key: Any) -> str:
    return f"{query} {list(box) if box else 'whole'} {key}"
