"""Conditions as people write them, read into values:

    camera != 3 and time > 2026-11-01T12:00 and person in ('anna', 2)
    camera != query

`or` binds least, then `and`, then `not`. Of a text that is no condition it is said what was not understood.
"""

import re
from typing import Final, NoReturn, final

from strongreid.errors import InputError, did_you_mean
from strongreid.gallery.labels import label, numbers_of
from strongreid.gallery.times import microseconds
from strongreid.gallery.where import Column, Compare, Joined, Not, OfQuery, Operator, Where

LONGEST: Final = 2_000
"""Most characters of a condition."""
_DEEPEST: Final = 50
_COLUMNS: Final[tuple[Column, ...]] = ("person", "camera", "track", "time")
_HOW: Final = (
    "Write conditions such as: camera != 3 and time > 2026-11-01T12:00 and person in ('anna', 2), names in quotes; "
    "camera != query leaves out the query's own camera. Columns are person, camera, track and time; and, or, not and "
    "parentheses join them."
)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<sign><=|>=|!=|<>|==|[=<>(),])|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<value>[+-]?\d[\d:T.Z+-]*)|'(?P<quoted>(?:[^']|'')*)'|\"(?P<double>(?:[^\"]|\"\")*)\")",
    re.ASCII,
)


def parse_where(text: str) -> Where:
    """Read a condition; `InputError` says what of it is not understood."""
    if len(text) > LONGEST:
        raise InputError(f"The condition has {len(text):,} characters; it may have {LONGEST:,}.")
    return _Reader(text).whole()


@final
class _Reader:
    """Recursive descent: or, and, not, then a comparison or parentheses."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            found = _TOKEN.match(text, position)
            if found is None:
                self._fail(f"{text[position:].strip()[:40]!r} is not understood")
            kind = str(found.lastgroup)
            quote = {"quoted": "'", "double": '"'}.get(kind)  # twice within a text, it stands for itself
            self._tokens.append(
                (kind, found[kind]) if quote is None else ("text", found[kind].replace(2 * quote, quote))
            )
            position = found.end()
        self._next = 0
        self._depth = 0

    def whole(self) -> Where:
        condition = self._either()
        if self._next < len(self._tokens):
            self._fail(f"{self._tokens[self._next][1]!r} was not expected after a whole condition")
        return condition

    def _either(self) -> Where:
        condition = self._both()
        while self._takes("or"):
            condition = Joined("or", condition, self._both())
        return condition

    def _both(self) -> Where:
        condition = self._one()
        while self._takes("and"):
            condition = Joined("and", condition, self._one())
        return condition

    def _one(self) -> Where:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(f"it is nested more than {_DEEPEST} deep")
        if self._takes("not"):
            condition: Where = Not(self._one())
        elif self._takes("("):
            condition = self._either()
            self._expect(")")
        else:
            condition = self._comparison()
        self._depth -= 1
        return condition

    def _comparison(self) -> Where:
        kind, name = self._take("a column")
        column = next((known for known in _COLUMNS if known == name.lower()), None) if kind == "word" else None
        if column is None:
            self._fail(f"{name!r} is no column.{did_you_mean(name, _COLUMNS)}")
        negated = self._takes("not")
        if negated or self._peek() == "in":
            self._expect("in")
            return Compare(column, "not in" if negated else "in", self._list(column))
        kind, sign = self._take("a comparison")
        operators: dict[str, Operator] = {"=": "in", "==": "in", "!=": "not in", "<>": "not in"}
        operators |= {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
        if kind != "sign" or sign not in operators:
            self._fail(f"after {column} comes =, !=, <, <=, >, >= or in, not {sign!r}")
        operator = operators[sign]
        if self._peek() == "query":
            self._next += 1
            if column != "camera" or operator not in ("in", "not in"):
                self._fail("only the camera is compared with the query's, by = or !=")
            return OfQuery(operator == "in")
        return Compare(column, operator, self._value(column, ordered=operator not in ("in", "not in")))

    def _list(self, column: Column) -> tuple[int, ...]:
        self._expect("(")
        values = self._value(column)
        while self._takes(","):
            values += self._value(column)
        self._expect(")")
        return values

    def _value(self, column: Column, ordered: bool = False) -> tuple[int, ...]:
        """A value as numbers, any of which it may have; one for an ordered comparison."""
        kind, text = self._take(f"a value for {column}")
        if kind not in ("value", "text"):
            name = f"; a name stands in quotes: '{text}'" if kind == "word" and column != "time" else ""
            self._fail(f"{text!r} is no value for {column}{name}")
        if kind == "value" and column != "time":
            if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or abs(int(text)) >= 2**63:
                self._fail(f"{text!r} is no whole number, which {column} is")
            return (int(text),)
        try:
            found = microseconds(text) if column == "time" else label(column, text)
        except InputError as error:
            self._fail(str(error).rstrip("."))
        if ordered and isinstance(found, str):
            self._fail(f"{found[:40]!r} is a name, which no other comes before or after")
        return numbers_of(found)

    def _peek(self) -> str:
        kind, text = self._tokens[self._next] if self._next < len(self._tokens) else ("", "")
        return text.lower() if kind in ("sign", "word") else ""

    def _takes(self, word: str) -> bool:
        if self._peek() != word:
            return False
        self._next += 1
        return True

    def _take(self, what: str) -> tuple[str, str]:
        if self._next >= len(self._tokens):
            self._fail(f"{what} is missing at the end")
        self._next += 1
        return self._tokens[self._next - 1]

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            came = repr(self._tokens[self._next][1]) if self._next < len(self._tokens) else "the end"
            self._fail(f"{word!r} is missing before {came}")

    def _fail(self, reason: str) -> NoReturn:
        end = "" if reason.endswith((".", "?")) else "."
        raise InputError(f"The condition {self._text.strip()[:200]!r} cannot be read: {reason}{end} {_HOW}")
