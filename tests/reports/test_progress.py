"""Progress: in one line at any width, and in plain lines where there is no terminal."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongreid.reports import progress
from strongreid.reports.console import Console
from strongreid.reports.progress import Work, clock, shown_values
from tests.terminal import in_terminal

VALUES = {"epoch": 2, "rate": 3.5e-4, "total": 4.25, "identity": 3.125, "triplet": 1.0, "images_per_second": 312.5}


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@given(
    st.text(min_size=1, max_size=80),
    st.integers(20, 250),
    st.integers(1, 999),
    st.floats(0, 1),
    st.lists(st.text("abc 1.", min_size=1, max_size=20), max_size=6),
)
def test_a_line_fits_and_has_epoch_and_time_left(
    title: str, width: int, epochs: int, share: float, values: list[str]
) -> None:
    work = Work(title)
    work.update(share, f"epoch {epochs}/{epochs}", values)
    line = work.line(width)
    assert line.cell_len <= max(width, len(f"x  epoch {epochs}/{epochs}  -:-- left"))
    assert f"  epoch {epochs}/{epochs}  " in line.plain
    assert " left" in line.plain
    assert line.plain[0] in (work.title[0], "…")
    ends = ["".join(f"  {value}" for value in values[:count]) for count in range(len(values) + 1)]
    shown = max(count for count, end in enumerate(ends) if line.plain.endswith(end))
    if shown < len(values):
        assert line.cell_len + 2 + len(values[shown]) > width, "a value is left out that fits"


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_usual_run_has_name_epoch_time_and_then_losses(width: int) -> None:
    work = Work("bag_of_tricks_small-folder-seed0")
    work.update(0.4, "epoch 12/24", shown_values(VALUES))
    line = work.line(width).plain
    assert line.startswith("bag_of_tricks_small-folder-seed0  epoch 12/24  -:-- left")
    assert ("total 4.25" in line) == (width >= 80)
    assert ("identity 3.125" in line) == (width >= 100)


def test_time_left_counts_what_was_done_since_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Clock(monkeypatch)
    work = Work("resumed")
    work.update(0.50, "epoch 5/10")
    assert work.left() == "-:-- left"
    time.now += 60
    work.update(0.60, "epoch 6/10")
    assert work.left() == "4:00 left"
    time.now += 30
    assert work.left() == "3:30 left", "it goes on between two reports"
    time.now += 1000
    assert work.left() == "0:00 left"
    assert work.finished() == "resumed: epoch 6/10 in 18:10"


def test_durations_and_values_read_like_words() -> None:
    assert [clock(seconds) for seconds in (None, 0, 7.4, 754, 5025)] == ["-:--", "0:00", "0:07", "12:34", "1:23:45"]
    assert shown_values({**VALUES, "rank_1": 0.5, "mean_ap": 0.25}) == [
        "rank-1 50.0 %",
        "mAP 25.0 %",
        "total 4.25",
        "identity 3.125",
        "triplet 1",
        "rate 0.00035",
        "312.5 images/s",
    ]
    assert shown_values({"my_\x1bloss": 1.0}) == [r"my \x1bloss 1"]


def test_without_a_terminal_an_epoch_is_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Clock(monkeypatch)
    console = Console()

    def epoch(number: int, steps: int, metrics: Mapping[str, float]) -> None:
        for step in range(1, steps + 1):
            time.now += 10 / steps
            report(number, step / steps, VALUES)
        if metrics:
            with console.bar("Embedding query images") as show:
                show(1, 1)
            report(number, 1.0, {**VALUES, **metrics})

    with console.training_bar("own", 4) as report:
        epoch(1, 4, {})
        assert capsys.readouterr().err == ""
        epoch(2, 4, {"rank_1": 0.5, "mean_ap": 0.25})
        assert re.fullmatch(r"own: epoch 1/4, total 4.25, .*, 312.5 images/s, 0:30 left\n", capsys.readouterr().err)
        epoch(3, 1, {})
        assert re.fullmatch(r"own: epoch 2/4, rank-1 50.0 %, mAP 25.0 %, total .* left\n", capsys.readouterr().err)
        epoch(4, 1, {})
        assert capsys.readouterr().err.count("\n") == 1
    assert re.fullmatch(r"own: epoch 4/4, .*, 0:00 left\n", capsys.readouterr().err)


def test_an_epoch_that_ended_before_an_interrupt_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), Console().training_bar("own", 3) as report:
        report(1, 1.0, {})
        raise KeyboardInterrupt
    assert capsys.readouterr().err.startswith("own: epoch 1/3")


def test_without_a_terminal_other_work_is_a_line_at_its_end_and_every_half_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Clock(monkeypatch)
    with Console().bar("Decoding images") as report:
        for done in range(1, 801):
            time.now += 0.125
            report(done, 800)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Decoding images: 240/800, 1:10 left"
    assert lines[1:] == [
        "Decoding images: 480/800, 0:40 left",
        "Decoding images: 720/800, 0:10 left",
        "Decoding images: 800/800 in 1:40",
    ]
    with Console().bar("Nothing to do"):
        pass
    with Console(quiet=True).bar("Quiet") as report, Console(quiet=True).training_bar("quiet", 1) as epoch:
        report(1, 1)
        epoch(1, 1.0, {})
    assert capsys.readouterr().err == ""


TRAINING = """
import sys
from strongreid.reports.console import Console
from strongreid.reports.terminal import guarded_streams
with guarded_streams():
    console = Console()
    with console.training_bar("bag_of_tricks_small-folder\\x1b[2J-seed0", 3) as report:
        for epoch in (1, 2, 3):
            for step in (1, 2):
                report(epoch, step / 2, {"total": 4.25, "identity": 3.125})
            with console.bar("Embedding \\x1b[31mimages") as show:
                show(1, 1)
            print("printed \\x1b[2J\\rover", file=sys.stderr)
    console.say("said \\x1b[2J", "[red]and[/red] :smile:")
    console.table("title \\x1b[2J", ("\\x1b[2J", "b"), [["[red]\\x1b[2J", "2"]])
    console.suggest("report", "my run\\x1b[2J")
"""


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_on_a_terminal_a_line_is_drawn_again_and_nothing_hostile_reaches_it(columns: int) -> None:
    sent = in_terminal(columns, f"import time; time.sleep(0.2)\n{TRAINING}", TERM="xterm-256color")
    assert "\x1b[2K" in sent, "a line is erased to be drawn again"
    assert "\x1b[2J" not in sent
    assert r"\x1b[2J" in sent
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sent)
    assert "epoch 3/3" in plain
    assert " left" in plain
    assert r"printed \x1b[2J\rover" in plain
    assert "[red]and[/red] :smile:" in plain
    lines = [line for part in plain.split("\r\n") for line in part.split("\r")]
    assert max(len(line) for line in lines if "epoch" in line) <= columns


def test_a_dumb_terminal_gets_plain_lines() -> None:
    sent = in_terminal(80, TRAINING, TERM="dumb")
    assert "\x1b" not in sent
    assert "epoch 3/3" in sent
