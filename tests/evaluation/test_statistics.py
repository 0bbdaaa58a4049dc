import numpy as np
import numpy.typing as npt
import pytest

from strongreid.errors import InputError
from strongreid.evaluation import RetrievalResult, bootstrap_interval, paired_test


def result(ap: npt.NDArray[np.float64], protocol: str = "rectangular") -> RetrievalResult:
    first = np.where(np.isnan(ap), 0, np.where(ap > 0.5, 1, 2)).astype(np.int64)
    return RetrievalResult(protocol, ap, ap.copy(), first)


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


def test_what_cannot_be_compared_is_refused() -> None:
    ap = np.full(10, 0.5)
    with pytest.raises(InputError, match="not of the same queries"):
        paired_test(result(ap), result(ap[:9]))
    other = ap.copy()
    other[0] = np.nan
    with pytest.raises(InputError, match="not of the same queries"):
        paired_test(result(ap), result(other))
    with pytest.raises(InputError, match="different average precisions"):
        paired_test(result(ap), result(ap, "trapezoid"))
    with pytest.raises(InputError, match="figure is 'rank_5'"):
        bootstrap_interval(result(ap), "rank_5")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="confidence is 95"):
        bootstrap_interval(result(ap), confidence=95)
