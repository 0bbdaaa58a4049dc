"""The warning that a training has collapsed: said once, of a whole epoch at both levels, never of one that learns."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongreid.cli import main
from strongreid.losses import BatchHardTripletLoss, CenterLoss, IdentityLoss, Objective, Term
from strongreid.models.pooling import AveragePooling
from strongreid.training.collapse import CollapseWatch
from strongreid.training.loop import StepReport
from tests.conftest import SMALL

PEOPLE = 110


def objective(margin: float | None = 0.3, triplet_weight: float = 1.0, **more: Term) -> Objective:
    terms = {
        "identity": Term(IdentityLoss(), on="logits"),
        "triplet": Term(BatchHardTripletLoss(margin), on="pooled", weight=triplet_weight),
    }
    return Objective({**terms, **more})


def said_of(
    losses: list[list[dict[str, float]]], watched: Objective | None = None, warmup_epochs: int = 0
) -> list[str]:
    """What is said of epochs, each a list of lines of the log; three steps to a line."""
    said: list[str] = []
    watch = CollapseWatch(watched or objective(), PEOPLE, warmup_epochs, said.append)
    values: dict[str, float] = {}
    for epoch, lines in enumerate(losses, start=1):
        for step in range(1, 3 * len(lines) + 1):
            if step % 3 == 0:
                values = {"epoch": epoch, "rate": 1e-3, **lines[step // 3 - 1]}
            watch(StepReport(epoch, step, 3 * len(lines), values))
    return said


STUCK = {"identity": math.log(PEOPLE) + 0.02, "triplet": 0.301}
LEARNING = {"identity": 4.1, "triplet": 0.31}


def test_a_whole_epoch_at_both_levels_is_said_once() -> None:
    (said,) = said_of([[LEARNING, STUCK], [STUCK, STUCK], [STUCK, STUCK]])
    assert "collapsed: for all of epoch 2" in said
    assert "identity at 4.7" in said
    assert "triplet at 0.3" in said
    assert "schedule.base_rate" in said


@pytest.mark.parametrize(
    "line",
    [
        LEARNING,
        {"identity": math.log(PEOPLE), "triplet": 0.8},
        {"identity": math.log(PEOPLE), "triplet": 0.2},
        {"identity": 6.8, "triplet": 0.3},
        {"identity": 1.3, "triplet": 0.3},
    ],
)
def test_one_line_that_is_elsewhere_makes_an_epoch_one_that_learns(line: dict[str, float]) -> None:
    assert not said_of([[STUCK, line, STUCK], [line, STUCK], [STUCK, line]])


def test_nothing_is_said_in_warm_up() -> None:
    assert not said_of([[STUCK], [STUCK]], warmup_epochs=2)
    assert len(said_of([[STUCK], [STUCK], [STUCK]], warmup_epochs=2)) == 1


def test_levels_follow_margin_and_weight() -> None:
    soft = {"identity": math.log(PEOPLE), "triplet": 2 * math.log(2)}
    assert said_of([[soft]], objective(margin=None, triplet_weight=2.0))
    assert not said_of([[soft]])


def test_other_losses_take_no_part_and_without_a_triplet_loss_nothing_is_watched() -> None:
    center = {"center": Term(CenterLoss(PEOPLE, 8), on="pooled")}
    assert said_of([[{**STUCK, "center": 0.4}]], objective(**center))
    alone = Objective({"identity": Term(IdentityLoss(), on="logits")})
    assert not said_of([[{"identity": math.log(PEOPLE)}]], alone)


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=1, max_size=6), st.integers(0, 4))
def test_it_is_said_of_the_first_epoch_that_is_stuck_throughout(epochs: list[list[bool]], warmup_epochs: int) -> None:
    said = said_of([[STUCK if stuck else LEARNING for stuck in lines] for lines in epochs], None, warmup_epochs)
    first = next((n for n, lines in enumerate(epochs, start=1) if n > warmup_epochs and all(lines)), None)
    assert len(said) == (first is not None)
    assert not said or f"epoch {first} " in said[0]


def test_train_says_it_of_a_network_that_gives_one_feature(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(AveragePooling, "forward", lambda self, maps: 0 * maps.mean(dim=(2, 3)))
    words = ["train", "--recipe=standard_baseline_small", "--data.name=market1501", f"--data.root={drawn}"]
    assert main([*words, *SMALL, "--schedule.base_rate=1e-9", f"--output={tmp_path}"]) == 0
    assert capsys.readouterr().err.count("seems to have collapsed") == 1
