"""Tables on the console: whole words on a narrow terminal, nothing cut."""

from hypothesis import given
from hypothesis import strategies as st

from strongreid.reports.console import BETWEEN, WHOLE_WORD, column_widths

WORD = st.text("abcd", min_size=1, max_size=WHOLE_WORD)
CELL = st.lists(WORD, max_size=4).map(" ".join)


@given(st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=6), st.integers(1, 200))
def test_columns_keep_their_words_and_take_no_more_room_than_there_is(cells: list[list[str]], room: int) -> None:
    widths = column_widths(cells, room)
    needed = [max((len(word) for cell in column for word in cell.split()), default=0) for column in cells]
    full = [max(len(cell) for cell in column) for column in cells]
    for width, least, most in zip(widths, needed, full, strict=True):
        assert least <= width <= most
    if sum(full) + BETWEEN * len(cells) <= room:
        assert widths == full
    elif sum(needed) + BETWEEN * len(cells) <= room:
        assert sum(widths) + BETWEEN * len(cells) == room
    else:
        assert widths == needed


def test_a_word_too_long_for_a_table_may_be_broken() -> None:
    assert column_widths([["x" * 100], ["mAP"]], 30) == [30 - 3 - 2 * BETWEEN, 3]
