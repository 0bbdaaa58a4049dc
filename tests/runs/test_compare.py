"""What is said of two results."""

import numpy as np
import pytest

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, RetrievalResult, evaluate, paired_test
from strongreid.runs.compare import comparison_sentences


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


def test_results_of_other_queries_are_not_compared() -> None:
    with pytest.raises(InputError, match="not all of the same queries"):
        comparison_sentences(
            result(0.5), evaluate(*[Embeddings(np.eye(3), np.arange(3), np.full(3, c)) for c in (0, 1)])
        )
