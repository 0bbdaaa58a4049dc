"""The short form of `make break`: ten kills and a few refusals of the disk at random changes of files."""

from pathlib import Path

import pytest

from tests.breaking.injection import KILLS, REFUSALS, Effect
from tests.breaking.trials import Trials


@pytest.fixture(scope="module")
def trials(drawn: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return Trials(drawn, tmp_path_factory.mktemp("broken"), trained)


@pytest.mark.parametrize(("breaks", "effects"), [(10, KILLS), (6, tuple(REFUSALS))])
def test_a_training_broken_anywhere_comes_out_as_if_it_were_not(
    trials: Trials, breaks: int, effects: tuple[Effect, ...]
) -> None:
    assert len(list(trials.run(breaks, effects, seed=0))) == breaks
