import json
from pathlib import Path
from typing import Any

import evaluation_oracles as oracles
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import (
    METRICS,
    Embeddings,
    MatchRanks,
    QueryFigures,
    RepeatedResult,
    RetrievalMetric,
    RetrievalResult,
    bootstrap_interval,
    evaluate,
    paired_test,
)


def result(*ranks: list[int], protocol: str = "test") -> RetrievalResult:
    """A result from the ranks of each query's matches."""
    flat = [rank for some in ranks for rank in some]
    return RetrievalResult(protocol, MatchRanks(np.array(flat, dtype=int), np.array([len(some) for some in ranks])))


def test_summaries_follow_from_the_queries() -> None:
    found = result([1], [2], [], [60])
    assert found.mean_ap == found.mean_inp == pytest.approx((1 + 1 / 2 + 1 / 60) / 3)
    assert (found.valid_queries, found.invalid_queries) == (3, 1)
    assert (found.rank(1), found.rank(2), found.rank(59), found.rank(60)) == (1 / 3, 2 / 3, 2 / 3, 1)
    assert found.cmc.dtype == np.float64
    assert found.cmc.tolist() == [found.rank(k) for k in range(1, 51)]
    with pytest.raises(InputError, match="rank-0"):
        found.rank(0)


def test_both_average_precisions_by_hand() -> None:
    rectangular = result([1, 2, 4], [3])
    np.testing.assert_allclose(rectangular.average_precision, [(1 / 1 + 2 / 2 + 3 / 4) / 3, 1 / 3])
    trapezoid = rectangular.reading("trapezoid")
    by_hand = [((1 + 1) / 2 + (2 / 2 + 1 / 1) / 2 + (3 / 4 + 2 / 3) / 2) / 3, (1 / 3 + 0) / 2]
    np.testing.assert_allclose(trapezoid.average_precision, by_hand)
    np.testing.assert_allclose(trapezoid.inverse_negative_penalty, [3 / 4, 1 / 3])
    assert trapezoid.first_match_rank.tolist() == [1, 3]
    with pytest.raises(InputError, match=r"average_precision is 'mean'; it must be one of 'rectangular', 'trapezoid'"):
        rectangular.reading("mean")  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.booleans(), max_size=30), min_size=1, max_size=8), st.integers(1, 9))
def test_average_precision_is_that_of_a_walk_down_each_list(lists: list[list[bool]], at_once: int) -> None:
    lists = [*lists, [True]]
    found = result(*([place for place, hit in enumerate(hits, start=1) if hit] for hits in lists))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strongreid.evaluation.facts._MATCHES_AT_ONCE", at_once)
        for rule in ("rectangular", "trapezoid"):
            expected = [oracles.average_precision(hits, rule) if any(hits) else np.nan for hits in lists]
            np.testing.assert_allclose(found.reading(rule).average_precision, expected, rtol=0, atol=1e-12)


def test_a_result_is_read_by_either_rule_as_if_it_had_been_evaluated_so() -> None:
    rng = np.random.default_rng(0)
    query, gallery = (
        Embeddings(rng.normal(size=(count, 4)), rng.integers(0, 6, count), np.full(count, camera))
        for camera, count in enumerate((20, 90))
    )
    rectangular, trapezoid = (evaluate(query, gallery, average_precision=rule) for rule in ("rectangular", "trapezoid"))
    assert rectangular.reading("trapezoid").to_json() == trapezoid.to_json() != rectangular.to_json()
    assert trapezoid.reading("rectangular").to_json() == rectangular.to_json()
    assert "trapezoid average precision" in rectangular.reading("trapezoid").protocol


def test_json_holds_every_figure_with_the_protocol() -> None:
    value = json.loads(json.dumps(result([1], [7], []).to_json(), allow_nan=False))
    assert list(value) == ["protocol", *METRICS, "valid_queries", "invalid_queries", "cmc"]
    assert value["protocol"] == "test"
    assert (value["rank_1"], value["rank_5"], value["rank_10"]) == (0.5, 0.5, 1.0)
    assert (value["valid_queries"], value["invalid_queries"]) == (2, 1)
    assert value["mean_ap"] == value["mean_inp"] == pytest.approx((1 + 1 / 7) / 2)
    assert len(value["cmc"]) == 50


def precision_at_5(found: RetrievalResult) -> npt.NDArray[np.float64]:
    """Share of matches among the first five, of each query."""
    query = np.repeat(np.arange(len(found.match_count)), found.match_count)
    among = np.bincount(query[found.match_rank <= 5], minlength=len(found.match_count)) / 5
    return np.where(found.match_count > 0, among, np.nan)


def last_rank(found: RetrievalResult) -> npt.NDArray[np.float64]:
    last = np.full(len(found.match_count), np.nan)
    valid = np.flatnonzero(found.match_count)
    last[valid] = found.match_rank[np.cumsum(found.match_count)[valid] - 1]
    return last


def test_a_metric_of_ones_own_is_an_object_and_goes_wherever_the_others_go() -> None:
    own = {
        **METRICS,
        "precision_at_5": RetrievalMetric.mean_of("precision@5", precision_at_5),
        "last_rank": RetrievalMetric.mean_of("mean rank of the last match", last_rank, fraction=False),
        "most_matches": RetrievalMetric("most matches", lambda found: float(found.match_count.max()), fraction=False),
    }
    first, second = result([1, 2, 9], [], [4]), result([2, 3, 4], [], [5])
    value = json.loads(json.dumps(second.to_json(own)))
    assert (value["precision_at_5"], value["last_rank"], value["most_matches"]) == (0.4, 4.5, 3)
    assert {name: value[name] for name in METRICS} == {name: second.to_json()[name] for name in METRICS}
    interval = bootstrap_interval(second, own["last_rank"], resamples=50)
    assert (interval.low, interval.value, interval.high) == (4, 4.5, 5)
    assert "+10.00 points precision@5 (" in paired_test(first, second, own["precision_at_5"], resamples=50).sentence
    assert "-2.00 mean rank of the last match (" in paired_test(first, second, own["last_rank"], resamples=50).sentence
    repeated = RepeatedResult((first, second))
    assert (repeated.mean(own["last_rank"]), repeated.spread(own["most_matches"])) == (5.5, 0)
    assert repeated.to_json(own)["last_rank_spread"] == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize(
    ("rank", "count"),
    [
        ([], [0, 0]),
        ([1, 2], [1]),
        ([1], [2]),
        ([0], [1]),
        ([2, 2], [2]),
        ([3, 2], [2]),
        ([1, 2], [3, -1]),
        ([1.5], [1]),
        ([[1]], [1]),
        (["1"], [1]),
    ],
)
def test_what_cannot_be_ranks_is_refused(rank: list[Any], count: list[int]) -> None:
    with pytest.raises(InputError):
        MatchRanks(np.array(rank, dtype=None if rank else np.int64), np.array(count))


@pytest.mark.parametrize(
    ("first", "ap"),
    [([0, 0], [np.nan, np.nan]), ([1, 0], [1.0, 0.5]), ([1, 2], [1.0, np.nan]), ([1], [1.5]), ([1], [0.0])],
)
def test_what_cannot_be_figures_is_refused(first: list[int], ap: list[float]) -> None:
    with pytest.raises(InputError):
        QueryFigures(np.array(ap), np.array(ap), np.array(first))


def test_a_result_cannot_be_changed() -> None:
    found = result([1], [2])
    for array in (found.average_precision, found.first_match_rank, found.match_rank, found.match_count):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_saved_results_come_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    found = result([1, 4], [2], [], [60], protocol="cosine distance, é").reading("trapezoid")
    found.save(tmp_path / "deep" / "queries.npz")
    back = RetrievalResult.load(tmp_path / "deep" / "queries.npz")
    assert (back.protocol, back.rule) == (found.protocol, "trapezoid")
    for name in ("match_rank", "match_count", "average_precision", "inverse_negative_penalty", "first_match_rank"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert back.to_json() == found.to_json()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["queries.npz"]


@pytest.mark.parametrize("rule", ["rectangular", "trapezoid"])
def test_files_of_version_01_tell_what_they_hold_and_refuse_the_rest(rule: Any, tmp_path: Path) -> None:
    same = result([1, 4], [2], [], [60, 61, 62]).reading(rule)
    file, again = tmp_path / "old.npz", tmp_path / "again.npz"
    arrays = {
        "average_precision": same.average_precision,
        "inverse_negative_penalty": same.inverse_negative_penalty,
        "first_match_rank": same.first_match_rank,
    }
    np.savez(file, protocol=np.array(f"cosine distance, {rule} average precision, not re-ranked"), **arrays)
    old = RetrievalResult.load(file)
    assert {**old.to_json(), "protocol": "test"} == same.to_json()
    assert (old.valid_queries, old.reading(rule).mean_ap) == (3, same.mean_ap)
    assert paired_test(old, same, resamples=20).difference.value == 0
    other = "trapezoid" if rule == "rectangular" else "rectangular"
    for ask in (
        lambda: old.match_rank,
        lambda: old.match_count,
        lambda: old.reading(other).mean_ap,
        lambda: precision_at_5(old),
    ):
        with pytest.raises(InputError, match=r"written by an older version, which did not keep .* Evaluate"):
            ask()
    old.save(again)
    assert RetrievalResult.load(again).to_json() == old.to_json()


def test_files_that_are_no_result_are_named_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "queries.npz"
    with pytest.raises(InputError, match="There is no file"):
        RetrievalResult.load(file)
    result([1], [2]).save(file)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"queries\.npz cannot be read"):
        RetrievalResult.load(file)
    np.savez(file, protocol="test", average_precision=np.ones(2))
    with pytest.raises(InputError, match="missing: inverse_negative_penalty, first_match_rank"):
        RetrievalResult.load(file)
    figures = {"average_precision": np.ones(2), "inverse_negative_penalty": np.ones(2)}
    np.savez(file, protocol="test", first_match_rank=np.array([1, 0]), **figures)
    with pytest.raises(InputError, match=r"queries\.npz: A result's figures"):
        RetrievalResult.load(file)
    np.savez(file, protocol=3, first_match_rank=np.array([1, 1]), **figures)
    with pytest.raises(InputError, match="its protocol is no text"):
        RetrievalResult.load(file)
    np.savez(file, protocol=np.array(["test"], dtype=object), first_match_rank=np.array([1, 1]), **figures)
    with pytest.raises(InputError, match="plain arrays"):
        RetrievalResult.load(file)
    ranks = {"match_rank": np.array([1, 2]), "match_count": np.array([1, 1])}
    np.savez(file, protocol="test", rule="mean", **ranks)
    with pytest.raises(InputError, match=r"queries\.npz: average_precision is 'mean'"):
        RetrievalResult.load(file)
    np.savez(file, protocol="test", rule="rectangular", match_rank=np.array([2, 0]), match_count=np.array([1, 1]))
    with pytest.raises(InputError, match=r"queries\.npz: The ranks"):
        RetrievalResult.load(file)


def test_repeated_results_give_mean_and_spread_and_refuse_a_mixture() -> None:
    repeated = RepeatedResult((result([1], [2]), result([1], [1]), result([2], [2])))
    assert repeated.rank(1) == pytest.approx(0.5)
    assert repeated.rank_spread(1) == pytest.approx(np.std([0.5, 1, 0], ddof=1))
    assert repeated.mean_ap == pytest.approx((0.75 + 1 + 0.5) / 3)
    assert repeated.mean_ap_spread == pytest.approx(0.25)
    assert (repeated.mean_inp, repeated.mean_inp_spread) == (repeated.mean_ap, repeated.mean_ap_spread)
    assert RepeatedResult((result([1]),)).mean_ap_spread == 0
    value: dict[str, Any] = json.loads(json.dumps(repeated.to_json()))
    assert value["protocol"] == "test, mean of 3 draws"
    assert (value["draws"], value["rank_1"], value["mean_inp"]) == (3, repeated.rank(1), repeated.mean_inp)
    assert value["rank_1_spread"] == repeated.rank_spread(1)
    with pytest.raises(InputError, match="no result"):
        RepeatedResult(())
    with pytest.raises(InputError, match="different protocols"):
        RepeatedResult((result([1]), result([1], protocol="other")))
