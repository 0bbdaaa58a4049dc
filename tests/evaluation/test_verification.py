import json

import numpy as np
import numpy.typing as npt
import pytest
import torch
from evaluation_oracles import distances as oracle_distances
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, calibrate, estimate_cost, verify


def pairs(query: Embeddings, gallery: Embeddings, metric: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Distances and "same person" of all pairs that count, by loops."""
    distance = oracle_distances(query.features.numpy(), gallery.features.numpy(), metric)
    kept, same = [], []
    for i in range(len(query)):
        for j in range(len(gallery)):
            equal = query.person[i] == gallery.person[j]
            if query.person[i] == -1 or gallery.person[j] == -1 or (equal and query.camera[i] == gallery.camera[j]):
                continue
            kept.append(np.sqrt(distance[i, j]) if metric == "euclidean" else distance[i, j])
            same.append(bool(equal))
    return np.array(kept), np.array(same)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), metric=st.sampled_from(["cosine", "euclidean"]), rate=st.floats(0, 1))
def test_thresholds_do_on_all_pairs_what_they_say(seed: int, metric: str, rate: float) -> None:
    rng = np.random.default_rng(seed)
    people = rng.normal(size=(4, 6))
    sets = []
    for count in (15, 40):
        person = rng.integers(-1, 4, count)
        features = people[np.maximum(person, 0)] + rng.normal(size=(count, 6))
        sets.append(Embeddings(features, person, rng.integers(0, 3, count)))
    distance, same = pairs(*sets, metric)
    if not same.any() or same.all():
        return
    found = verify(*sets, metric=metric, memory_mb=0.05)  # type: ignore[arg-type]
    assert (found.same_pairs, found.different_pairs) == (same.sum(), (~same).sum())
    for threshold, false, true in zip(found.threshold, found.false_match_rate, found.true_match_rate, strict=True):
        hair = 1e-5 * max(threshold, 0.01)  # float32 distances against float64 ones
        assert (distance[~same] < threshold - hair).mean() <= false <= (distance[~same] < threshold + hair).mean()
        assert (distance[same] < threshold - hair).mean() <= true <= (distance[same] < threshold + hair).mean()
    assert found.area == pytest.approx(roc_auc_score(same, -distance), abs=2e-3)

    chosen = calibrate(*sets, rate, metric=metric)  # type: ignore[arg-type]
    assert chosen.false_match_rate <= rate
    assert found.true_match_rate_at(rate) == chosen.true_match_rate
    wider = chosen.threshold * 1.0003 + 1e-6
    more = (distance[~same] < wider).mean()
    assert more >= chosen.false_match_rate - 1e-12
    following = np.sort(distance[~same])[min(int(chosen.false_match_rate * (~same).sum() + 0.5), (~same).sum() - 1)]
    if chosen.false_match_rate + 1 / (~same).sum() <= rate:
        assert following > chosen.threshold * (1 - 1e-4) - 1e-6
        assert (distance[~same] < following).mean() + 1 / (~same).sum() > rate - 1 / (~same).sum()


def test_the_equal_error_rate_is_where_both_errors_meet() -> None:
    # Distances 1 2 3 4 of the same person, 3.5 5 6 7 of others: at 3.75 one of four is wrong on both sides.
    query = Embeddings([[0.0]], [1], [0])
    gallery = Embeddings([[1.0], [2], [3], [4], [3.5], [5], [6], [7]], [1] * 4 + [2] * 4, [1] * 8)
    found = verify(query, gallery, metric="euclidean")
    assert found.equal_error_rate == pytest.approx(0.25)
    assert found.true_match_rate_at(0) == 0.75
    assert found.true_match_rate_at(0.25) == 1
    assert found.area == pytest.approx(15 / 16)
    assert 3 < found.calibrate(0).threshold <= 3.5
    assert 4 < found.calibrate(0.25).threshold <= 5
    json.dumps([found.to_json(), found.calibrate(0.1).to_json()], allow_nan=False)


def test_perfect_and_hopeless_features() -> None:
    query = Embeddings([[0.0], [9.0]], [1, 2], [0, 0])
    apart = verify(query, Embeddings([[0.5], [9.5]], [1, 2], [1, 1]), metric="euclidean")
    assert (apart.equal_error_rate, apart.area) == (0, 1)
    swapped = verify(query, Embeddings([[0.5], [9.5]], [2, 1], [1, 1]), metric="euclidean")
    assert (swapped.equal_error_rate, swapped.area) == (1, 0)


def test_the_same_image_twice_is_at_distance_0_though_rounding_says_less() -> None:
    features, person = np.random.default_rng(0).normal(size=(300, 40)), np.arange(300)
    query, gallery = Embeddings(features, person, np.zeros(300)), Embeddings(features, person, np.ones(300))
    unit = torch.nn.functional.normalize(query.features)
    assert (1 - (unit * unit).sum(dim=1)).min() < 0
    found = verify(query, gallery)
    assert (found.same_pairs, found.equal_error_rate, found.area) == (300, 0, 1)
    assert 0 < found.calibrate(0).threshold < 0.5


def test_one_person_alone_and_impossible_rates_are_refused() -> None:
    one = Embeddings([[0.0]], [1], [0]), Embeddings([[1.0]], [1], [1])
    with pytest.raises(InputError, match="no pair of different people"):
        verify(*one)
    two = Embeddings([[0.0]], [1], [0]), Embeddings([[1.0], [2.0]], [1, 2], [1, 1])
    with pytest.raises(InputError, match=r"1\.5 was asked for"):
        calibrate(*two, 1.5)


def test_costs_grow_with_the_set_and_keep_the_budget() -> None:
    small, large = estimate_cost(100, 1_000, 64), estimate_cost(10_000, 80_000, 64, memory_mb=200)
    assert 0 < small.seconds < large.seconds
    assert large.memory_mb <= 200
    reranked = estimate_cost(10_000, 80_000, 64, reranking=True)
    assert reranked.seconds > large.seconds
    assert reranked.memory_mb > 160
    assert "MB above the features" in reranked.sentence
