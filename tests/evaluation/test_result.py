import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strongreid.errors import InputError
from strongreid.evaluation import RepeatedResult, RetrievalResult


def result(first: list[int], ap: list[float] | None = None, protocol: str = "test") -> RetrievalResult:
    ranks = np.array(first, dtype=np.int64)
    values = np.where(ranks > 0, 1 / np.maximum(ranks, 1), np.nan) if ap is None else np.array(ap)
    return RetrievalResult(protocol, values, values.copy(), ranks)


def test_summaries_follow_from_the_queries() -> None:
    found = result([1, 2, 0, 60])
    assert found.mean_ap == found.mean_inp == pytest.approx((1 + 1 / 2 + 1 / 60) / 3)
    assert (found.valid_queries, found.invalid_queries) == (3, 1)
    assert (found.rank(1), found.rank(2), found.rank(59), found.rank(60)) == (1 / 3, 2 / 3, 2 / 3, 1)
    assert found.cmc.dtype == np.float64
    assert found.cmc.tolist() == [found.rank(k) for k in range(1, 51)]
    with pytest.raises(InputError, match="rank-0"):
        found.rank(0)


def test_json_holds_every_figure_with_the_protocol() -> None:
    value = json.loads(json.dumps(result([1, 7, 0]).to_json(), allow_nan=False))
    assert value["protocol"] == "test"
    assert (value["rank_1"], value["rank_5"], value["rank_10"]) == (0.5, 0.5, 1.0)
    assert (value["valid_queries"], value["invalid_queries"]) == (2, 1)
    assert value["mean_ap"] == value["mean_inp"] == pytest.approx((1 + 1 / 7) / 2)
    assert len(value["cmc"]) == 50


@pytest.mark.parametrize(
    ("first", "ap"),
    [([0, 0], [np.nan, np.nan]), ([1, 0], [1.0, 0.5]), ([1, 2], [1.0, np.nan]), ([1], [1.5]), ([1], [0.0])],
)
def test_what_cannot_be_a_result_is_refused(first: list[int], ap: list[float]) -> None:
    with pytest.raises(InputError):
        result(first, ap)


def test_a_result_cannot_be_changed() -> None:
    found = result([1, 2])
    with pytest.raises(ValueError, match="read-only"):
        found.average_precision[0] = 0.5


def test_saved_results_come_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    found = result([1, 4, 0, 60], protocol="cosine distance, é")
    found.save(tmp_path / "deep" / "queries.npz")
    back = RetrievalResult.load(tmp_path / "deep" / "queries.npz")
    assert back.protocol == found.protocol
    for name in ("average_precision", "inverse_negative_penalty", "first_match_rank"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert back.to_json() == found.to_json()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["queries.npz"]


def test_files_that_are_no_result_are_named_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "queries.npz"
    with pytest.raises(InputError, match="There is no file"):
        RetrievalResult.load(file)
    result([1, 2]).save(file)
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


def test_repeated_results_give_mean_and_spread_and_refuse_a_mixture() -> None:
    repeated = RepeatedResult((result([1, 2]), result([1, 1]), result([2, 2])))
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
