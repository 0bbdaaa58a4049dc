"""Conditions as people write them, read into values:

    camera != 3 and time > 2026-11-01T12:00 and person in (1, 2)
    camera != query

`or` binds least, then `and`, then `not`. Of a text that is no condition it is said what was not understood.
"""

import re
from typing import Final, NoReturn, final

from strongreid.errors import InputError, did_you_mean
from strongreid.gallery.times import microseconds
from strongreid.gallery.where import Column, Compare, Joined, Not, OfQuery, Operator, Where

LONGEST: Final = 2_000
"""Most characters of a condition."""
_DEEPEST: Final = 50
_COLUMNS: Final[tuple[Column, ...]] = ("person", "camera", "track", "time")
_HOW: Final = (
    'Write conditions such as: camera != 3 and time > 2026-11-01T12:00 and person in (1, 2); "camera != query" leaves '
    "out the query's own camera. Columns are person, camera, track and time; and, or, not and parentheses join them."
)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<sign><=|>=|!=|<>|==|[=<>(),])|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<value>[+-]?\d[\d:T.Z+-]*)|'(?P<quoted>[^']*)'|\"(?P<double>[^\"]*)\")",
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
            self._tokens.append(("value" if kind in ("quoted", "double") else kind, found[kind]))
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
        _, sign = self._take("a comparison")
        operators: dict[str, Operator] = {"=": "in", "==": "in", "!=": "not in", "<>": "not in"}
        operators |= {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
        if sign not in operators:
            self._fail(f"after {column} comes =, !=, <, <=, >, >= or in, not {sign!r}")
        operator = operators[sign]
        if self._peek() == "query":
            self._next += 1
            if column != "camera" or operator not in ("in", "not in"):
                self._fail("only the camera is compared with the query's, by = or !=")
            return OfQuery(operator == "in")
        return Compare(column, operator, (self._value(column),))

    def _list(self, column: Column) -> tuple[int, ...]:
        self._expect("(")
        values = [self._value(column)]
        while self._takes(","):
            values.append(self._value(column))
        self._expect(")")
        return tuple(values)

    def _value(self, column: Column) -> int:
        kind, text = self._take(f"a value for {column}")
        if kind != "value":
            self._fail(f"{text!r} is no value for {column}")
        if column == "time":
            try:
                return microseconds(text)
            except InputError as error:
                self._fail(str(error).rstrip("."))
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or abs(int(text)) >= 2**63:
            self._fail(f"{text!r} is no whole number, which {column} is")
        return int(text)

    def _peek(self) -> str:
        return self._tokens[self._next][1].lower() if self._next < len(self._tokens) else ""

    def _takes(self, word: str) -> bool:
        if self._peek() != word or self._tokens[self._next][0] == "value":
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
