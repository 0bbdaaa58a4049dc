"""What was shown and confirmed: which matches wait for another person, and in which order."""

from dataclasses import fields
from typing import Any

from strongreid.service.confirmations import Confirmations, Shown
from strongreid.service.searching import Hit


def hit(key: str) -> Hit:
    values: dict[str, Any] = dict.fromkeys(field.name for field in fields(Hit))
    return Hit(**values | {"key": key})


def test_what_waits_is_newest_first_also_where_a_photograph_is_searched_with_again() -> None:
    confirmations = Confirmations(needed=2)
    for search, query, key in (("s1", "photograph", "A"), ("s2", "other", "B"), ("s3", "photograph", "A")):
        shown = Shown(query, None, b"", {key: hit(key)})
        confirmations.remember(search, shown)
        confirmations.add(shown.match(key), "anna")
    assert [(search, one.key) for search, _, one in confirmations.waiting()] == [("s3", "A"), ("s2", "B")]
    confirmations.add(shown.match("A"), "ben")
    assert [search for search, _, _ in confirmations.waiting()] == ["s2"]
