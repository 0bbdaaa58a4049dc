import numpy as np
import numpy.typing as npt
import pytest

from strongreid.errors import InputError
from strongreid.evaluation import (
    METRICS,
    MatchRanks,
    QueryFigures,
    RetrievalMetric,
    RetrievalResult,
    bootstrap_interval,
    paired_test,
)
from strongreid.evaluation.facts import AveragePrecision


def result(ap: npt.NDArray[np.float64], rule: AveragePrecision = "rectangular") -> RetrievalResult:
    first = np.where(np.isnan(ap), 0, np.where(ap > 0.5, 1, 2)).astype(np.int64)
    return RetrievalResult("test", QueryFigures(ap, ap, first, rule), rule)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        interval = bootstrap_interval(result(rng.uniform(0.01, 1, 150)), confidence=0.9, resamples=400, seed=seed)
        assert interval.low < interval.value < interval.high
        hits += interval.low <= 0.505 <= interval.high
    assert 165 <= hits <= 195


def test_the_interval_is_that_of_the_normal_distribution_for_many_queries() -> None:
    ap = np.random.default_rng(1).uniform(0.01, 1, 2_000)
    interval = bootstrap_interval(result(ap), resamples=4_000)
    half = 1.96 * ap.std() / np.sqrt(len(ap))
    assert interval.value == pytest.approx(ap.mean())
    assert interval.low == pytest.approx(ap.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(ap.mean() + half, abs=0.1 * half)
    rank = bootstrap_interval(result(ap), "rank_1", resamples=500)
    assert rank.value == pytest.approx((ap > 0.5).mean())


def test_queries_without_a_match_do_not_count_and_seeds_repeat() -> None:
    ap = np.random.default_rng(2).uniform(0.1, 1, 50)
    with_invalid = np.insert(ap, [3, 20], np.nan)
    assert bootstrap_interval(result(ap), seed=5) == bootstrap_interval(result(with_invalid), seed=5)
    assert bootstrap_interval(result(ap), seed=5) != bootstrap_interval(result(ap), seed=6)


def test_p_values_are_uniform_without_a_difference_and_small_with_one() -> None:
    rng = np.random.default_rng(3)
    values = []
    for seed in range(150):
        base = rng.uniform(0.3, 0.7, 80)
        first, second = (base + 0.2 * rng.uniform(-1, 1, 80) for _ in range(2))
        values.append(paired_test(result(first), result(second), resamples=300, seed=seed).p_value)
    assert 0.02 < np.mean(np.array(values) < 0.1) < 0.2
    assert 0.4 < np.mean(values) < 0.6
    base = rng.uniform(0.3, 0.7, 400)
    better = paired_test(result(base), result(base + 0.03 + 0.05 * rng.uniform(-1, 1, 400)), resamples=2_000)
    assert better.p_value == pytest.approx(1 / 2_001)
    assert better.difference.low > 0.02
    assert better.difference.value == pytest.approx(0.03, abs=0.01)


def test_the_answer_is_one_line() -> None:
    ap = np.random.default_rng(4).uniform(0.3, 0.6, 300)
    sentence = paired_test(result(ap), result(ap + 0.003), resamples=1_000).sentence
    assert sentence == "+0.30 points mAP (95% interval +0.30 to +0.30, p = 0.001): more than chance over these queries."
    same = paired_test(result(ap), result(ap), "rank_1", resamples=100)
    assert (same.p_value, same.difference.value) == (1, 0)
    assert "+0.00 points rank-1" in same.sentence
    assert "may well be chance" in same.sentence


def test_several_seeds_on_a_side_count_by_their_mean_for_each_query() -> None:
    rng = np.random.default_rng(5)
    firsts = [np.insert(rng.uniform(0.2, 0.8, 40), [7, 30], np.nan) for _ in range(3)]
    seconds = [np.insert(rng.uniform(0.25, 0.85, 40), [7, 30], np.nan) for _ in range(2)]
    for figure in ("mean_ap", "rank_1"):
        differences = []
        for query in range(42):
            if query not in (7, 31):
                sides = [
                    [float(ap[query]) if figure == "mean_ap" else float(ap[query] > 0.5) for ap in side]
                    for side in (firsts, seconds)
                ]
                differences.append(sum(sides[1]) / 2 - sum(sides[0]) / 3)
        found = paired_test([result(ap) for ap in firsts], tuple(map(result, seconds)), figure, resamples=300)
        assert found.difference.value == pytest.approx(sum(differences) / 40)
        rng = np.random.default_rng((0, 0))
        drawn = [np.mean([differences[i] for i in draw]) for draw in rng.integers(0, 40, (300, 40))]
        assert found.difference.low == pytest.approx(np.quantile(drawn, 0.025))
        signs = np.random.default_rng((0, 1)).integers(0, 2, (300, 40), dtype=np.int8)
        flipped = [sum(d if s == 0 else -d for s, d in zip(row, differences, strict=True)) for row in signs]
        as_large = sum(abs(total) >= abs(sum(differences)) - 1e-9 for total in flipped)
        assert found.p_value == pytest.approx((as_large + 1) / 301)


def test_one_result_is_the_same_as_a_list_of_one() -> None:
    rng = np.random.default_rng(6)
    first, second = (result(rng.uniform(0.1, 1, 60)) for _ in range(2))
    assert paired_test([first], [second], resamples=50) == paired_test(first, second, resamples=50)
    assert paired_test(first, [second], resamples=50) == paired_test(first, second, resamples=50)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_an_interval_and_a_test_around_its_own_figure(name: str) -> None:
    rng = np.random.default_rng(7)
    first, second = (RetrievalResult("test", random_ranks(rng, 50)) for _ in range(2))
    assert bootstrap_interval(first, name, resamples=50).value == pytest.approx(METRICS[name](first))
    found = paired_test(first, second, name, resamples=50)
    assert found.difference.value == pytest.approx(METRICS[name](second) - METRICS[name](first))
    assert f" points {METRICS[name].label} (" in found.sentence


def random_ranks(rng: np.random.Generator, queries: int) -> MatchRanks:
    """Random ranks of 1 to 5 matches for each query."""
    ranks = [np.sort(rng.choice(np.arange(1, 40), rng.integers(1, 6), replace=False)) for _ in range(queries)]
    return MatchRanks(np.concatenate(ranks), np.array([len(some) for some in ranks]))


def test_what_cannot_be_compared_is_refused() -> None:
    ap = np.full(10, 0.5)
    with pytest.raises(InputError, match="not all of the same queries"):
        paired_test(result(ap), result(ap[:9]))
    other = ap.copy()
    other[0] = np.nan
    with pytest.raises(InputError, match="not all of the same queries"):
        paired_test(result(ap), result(other))
    with pytest.raises(InputError, match="different average precisions"):
        paired_test(result(ap), result(ap, "trapezoid"))
    with pytest.raises(InputError, match="not all of the same queries"):
        paired_test(result(ap), [result(ap), result(other)])
    with pytest.raises(InputError, match="different average precisions"):
        paired_test([result(ap), result(ap, "trapezoid")], result(ap))
    with pytest.raises(InputError, match="side of the comparison is empty"):
        paired_test([], result(ap))
    with pytest.raises(InputError, match=r"no metric 'rank_3'; it must be one of 'mean_ap', 'rank_1', 'rank_5'"):
        bootstrap_interval(result(ap), "rank_3")
    with pytest.raises(InputError, match="median is no mean over queries"):
        bootstrap_interval(
            result(ap), RetrievalMetric("median", lambda found: float(np.median(found.first_match_rank)))
        )
    with pytest.raises(InputError, match="confidence is 95"):
        bootstrap_interval(result(ap), confidence=95)
