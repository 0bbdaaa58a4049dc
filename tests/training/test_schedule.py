import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongreid.training.schedule import warmup_multistep


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [
        (1, 3.815e-5),
        (9, 3.1535e-4),
        (10, 3.5e-4),
        (39, 3.5e-4),
        (40, 3.5e-5),
        (69, 3.5e-5),
        (70, 3.5e-6),
        (120, 3.5e-6),
    ],
)
def test_the_papers_rates(epoch: int, rate: float) -> None:
    assert warmup_multistep(epoch, 3.5e-4) == pytest.approx(rate, rel=1e-12)


def test_without_warm_up_the_first_epoch_runs_at_the_base_rate() -> None:
    assert warmup_multistep(1, 3.5e-4, warmup_epochs=0) == 3.5e-4


@given(
    epoch=st.integers(1, 300),
    warmup=st.integers(0, 50),
    milestones=st.lists(st.integers(1, 300), unique=True).map(sorted),
    base=st.floats(1e-6, 1.0),
)
def test_every_epoch_follows_the_formula(epoch: int, warmup: int, milestones: list[int], base: float) -> None:
    factor = 1.0
    if epoch < warmup:
        factor = 0.01 * (1 - epoch / warmup) + epoch / warmup
    for milestone in milestones:
        if milestone <= epoch:
            factor *= 0.1
    assert warmup_multistep(epoch, base, warmup, milestones) == pytest.approx(base * factor, rel=1e-9)


def test_epochs_count_from_one() -> None:
    with pytest.raises(ValueError, match="count from 1"):
        warmup_multistep(0, 3.5e-4)
