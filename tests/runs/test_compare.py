"""What is said of two results."""

from pathlib import Path

import numpy as np
import pytest

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, RetrievalResult, evaluate, paired_test
from strongreid.reports.console import Console
from strongreid.runs.compare import compare_runs, comparison_sentences


def result(noise: float, seed: int = 5) -> RetrievalResult:
    """A result of one set of queries and gallery images, whose features are as bad as `noise` says."""
    rng = np.random.default_rng(seed)
    sides, people = [], 12
    for camera, count in enumerate((40, 90)):
        person = np.arange(count) % people
        features = np.eye(people)[person] + noise * rng.normal(size=(count, people))
        sides.append(Embeddings(features, person, np.full(count, camera)))
    return evaluate(*sides)


def test_queries_that_got_better_worse_and_stayed_are_counted() -> None:
    before, after = result(0.25, seed=5), result(0.2, seed=6)
    better = worse = equal = 0
    for first, second in zip(before.average_precision.tolist(), after.average_precision.tolist(), strict=True):
        better, worse, equal = better + (second > first), worse + (second < first), equal + (second == first)
    assert min(better, worse, equal) > 0
    *tests, counts = comparison_sentences(before, after)
    assert tests == [paired_test(before, after, name).sentence for name in ("mean_ap", "rank_1")]
    assert counts == f"{better} of 40 queries got better, {worse} worse, {equal} equal."
    assert comparison_sentences(after, before)[-1].startswith(f"{worse} of 40 queries got better, {better} worse")


def test_results_of_any_model_are_compared_with_each_other_and_with_a_run(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Console, "say", lambda console, *lines: said.extend(lines))
    before, after = tmp_path / "before.npz", tmp_path / "after.npz"
    result(0.25).save(before)
    result(0.2, seed=6).save(after)
    compare_runs([before, after], Console(quiet=True))
    for sentence in comparison_sentences(result(0.25), result(0.2, seed=6)):
        assert f"after.npz against before.npz: {sentence}" in said
    assert not any("ettings" in line for line in said)
    said.clear()
    compare_runs([trained, trained / "result.npz"], Console(quiet=True))
    queries = len(RetrievalResult.load(trained / "result.npz").average_precision)
    assert any(f"0 of {queries} queries got better, 0 worse, {queries} equal." in line for line in said)
    compare_runs([trained, before], Console(quiet=True))
    assert "no paired test" in said[-2]
    np.savez(before, features=np.eye(3), person=np.arange(3), camera=np.zeros(3))
    with pytest.raises(InputError, match=r"before\.npz .* missing: .* --embeddings .* --result FILE\.npz"):
        compare_runs([before, after], Console(quiet=True))


def test_results_of_other_queries_are_not_compared() -> None:
    with pytest.raises(InputError, match="not all of the same queries"):
        comparison_sentences(
            result(0.5), evaluate(*[Embeddings(np.eye(3), np.arange(3), np.full(3, c)) for c in (0, 1)])
        )
