"""Text on the terminal: nothing in a name moves the cursor, and a stream that fails ends nothing."""

import io
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strongreid.reports.terminal import Outlet, printable

HOSTILE = (
    "\x1b[2J\x1b]0;title\x07\r\x08\x00\x7f\x9b31m\x85\u202e\u2066\u2069\u200b\u200d\ufeff\u2028\u2029\u00a0\u00ad\u061c"
    "\ud800\U000e0041"
)
"""What moves the cursor, hides text, turns its order or is not there to be seen."""


@given(st.text(max_size=50))
@example(HOSTILE)
def test_what_a_terminal_would_obey_is_shown_as_repr_does(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    for letter in shown:
        assert unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode()
    expected = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    assert shown == expected


def test_names_of_people_anywhere_stay_as_they_are() -> None:
    for name in ("Zoë Ñandú", "李小龙", "محمد", "Ольга", "שלום", "ประเทศไทย", "a-b_c.d [x] :smile: 100 %"):
        assert printable(name) == name


def test_a_stream_for_other_writers_keeps_lines_and_nothing_else() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream, harmless=True)
    assert outlet.write("one\ntwo\x1b[1m\rthree\n") == len("one\ntwo\x1b[1m\rthree\n")
    assert stream.getvalue() == "one\ntwo\\x1b[1m\\rthree\n"


class Failing(io.StringIO):
    """A stream that takes nothing."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error

    def isatty(self) -> bool:
        raise self.error


@pytest.mark.parametrize("error", [OSError(28, "full"), BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_stream_that_fails_ends_nothing(error: Exception) -> None:
    for outlet in (Outlet(Failing(error), harmless=True), Outlet(None, harmless=True)):
        assert outlet.write("text") == 4
        outlet.flush()
        assert not outlet.isatty()


def test_letters_that_an_encoding_lacks_are_spelt_out() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    outlet = Outlet(stream, harmless=False)
    outlet.write("Zoë ß 2\n")
    outlet.flush()
    assert stream.buffer.getvalue() == b"Zo\\xeb \\xdf 2\n"  # type: ignore[attr-defined]
