"""Features close together beside their lengths, or whose squares vanish: as plain float64 loops have them."""

from typing import Any

import evaluation_oracles as oracles
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from strongreid.evaluation import Embeddings, Reranking, average_query_expansion, evaluate, nearest, verify
from strongreid.evaluation.distance import measure
from strongreid.evaluation.ground_truth import MatchIndex
from strongreid.evaluation.search import search
from strongreid.evaluation.workers import full_precision

torch.set_num_threads(1)

OFFSETS = (0.0, 1e3, 1e4, 1e5)


def clustered(seed: int, queries: int, count: int, offset: float, scales: str) -> tuple[Embeddings, Embeddings]:
    """Images around their person; then stretched, and moved by an offset that all have in common."""
    rng = np.random.default_rng(seed)
    person = rng.integers(0, 5, count)
    features = rng.normal(size=(5, 8))[person] + rng.normal(size=(count, 8))
    if scales == "columns":
        features *= 10.0 ** rng.integers(-2, 4, 8)
    elif scales == "rows":
        features *= 10.0 ** rng.integers(0, 3, (count, 1))
    features += offset * rng.choice([-1, 0.5, 1], 8)
    images = Embeddings(features, person, rng.integers(0, 3, count))
    return images.take(np.arange(queries)), images.take(np.arange(queries, count))


def exact(query: Embeddings, gallery: Embeddings, metric: str) -> npt.NDArray[np.float64]:
    """Distances as plain loops have them, of examples without ties but for a rounding (and copies)."""
    distance = oracles.distances(query.features.numpy(), gallery.features.numpy(), metric)
    ordered = np.sort(distance, axis=1)
    gaps = np.diff(ordered, axis=1) / ordered[:, 1:]
    assume(bool((gaps > 2e-6).all()))
    return distance


SETTINGS = settings(max_examples=40, deadline=None)
CASES = {
    "seed": st.integers(0, 2**32 - 1),
    "offset": st.sampled_from(OFFSETS),
    "scales": st.sampled_from(["one", "columns", "rows"]),
}


@SETTINGS
@given(**CASES, metric=st.sampled_from(["euclidean", "cosine"]), memory_mb=st.sampled_from([0.001, 100]))
def test_ranking_and_search(seed: int, offset: float, scales: str, metric: Any, memory_mb: float) -> None:
    query, gallery = clustered(seed, 5, 30, offset, scales)
    if metric == "cosine":
        assume(offset < 1e4)  # beyond it float32 features hardly know directions
    distance = exact(query, gallery, metric)
    answers = oracles.evaluate(
        distance,
        (query.person.tolist(), query.camera.tolist()),
        (gallery.person.tolist(), gallery.camera.tolist()),
    )
    assume(any(answers))
    result = evaluate(query, gallery, metric=metric, memory_mb=memory_mb)
    ap = [np.nan if answer is None else answer[0] for answer in answers]
    np.testing.assert_allclose(result.average_precision, ap, rtol=0, atol=1e-9)
    found = nearest(query, gallery, 4, metric=metric, same_camera="include", memory_mb=memory_mb)
    assert found.tolist() == np.argsort(distance, axis=1, kind="stable")[:, :4].tolist()
    expanded = average_query_expansion(query, gallery, 3, metric=metric).features.numpy()
    for row, indices in enumerate(found[:, :3]):
        mean = np.mean([query.features[row].numpy(), *gallery.features[indices].numpy()], axis=0)
        np.testing.assert_allclose(expanded[row], mean, rtol=1e-5, atol=1e-5 * max(offset, 1))


@SETTINGS
@given(**CASES)
def test_thresholds(seed: int, offset: float, scales: str) -> None:
    query, gallery = clustered(seed, 5, 30, offset, scales)
    distance = np.sqrt(oracles.distances(query.features.numpy(), gallery.features.numpy(), "euclidean"))
    different = query.person[:, None] != gallery.person
    counted = different | (query.camera[:, None] != gallery.camera)
    assume(bool(different.any()) and bool((counted & ~different).any()))
    found = verify(query, gallery, metric="euclidean")
    for threshold, false, true in zip(found.threshold, found.false_match_rate, found.true_match_rate, strict=True):
        for rate, pairs in ((false, different), (true, counted & ~different)):
            hair = 1e-4 * threshold
            assert (distance[pairs] < threshold - hair).mean() <= rate <= (distance[pairs] < threshold + hair).mean()


@SETTINGS
@given(**CASES, k1=st.integers(2, 12))
def test_reranking(seed: int, offset: float, scales: str, k1: int) -> None:
    query, gallery = clustered(seed, 5, 30, offset, scales)
    everything = Embeddings(torch.cat([query.features, gallery.features]), np.arange(30), np.zeros(30))
    distance = exact(everything, everything, "euclidean")
    expected = oracles.rerank(distance, 5, k1, 3, 0.3)
    truth = MatchIndex(query, gallery, "include")
    blocks = search(
        query,
        [gallery],
        truth,
        lambda block: block.distances.T.clone(),
        metric="euclidean",
        reranking=Reranking(k1, 3),
    )
    np.testing.assert_allclose(torch.cat(blocks).numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("length", [1e-6, 1e-11, 1e-13, 1e-20, 1e-30, 1e-37, 1e-41, 1e12, 1e18])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_features_of_any_length_have_a_direction_and_a_distance(length: float, mixed: bool, metric: Any) -> None:
    """The figures are those of the same features at a usual length; `mixed`, each has a length of its own."""
    rng = np.random.default_rng(3)
    person = rng.integers(0, 12, 200)
    features = rng.normal(size=(12, 16))[person] + rng.normal(size=(200, 16))
    features /= 8
    scale = np.full((200, 1), length)
    if mixed and metric == "cosine":
        scale[rng.random(200) < 0.5] = 1
    scaled = (features * scale).astype(np.float32)
    camera = rng.integers(0, 3, 200)
    usual, other = (Embeddings(rows, person, camera) for rows in (scaled.astype(np.float64) / scale, scaled))
    chosen = np.arange(50), np.arange(50, 200)
    sets = [[images.take(rows) for rows in chosen] for images in (usual, other)]
    expected, found = (evaluate(query, gallery, metric=metric) for query, gallery in sets)
    np.testing.assert_array_equal(found.match_rank, expected.match_rank)
    expected_pairs, pairs = (verify(query, gallery, metric=metric) for query, gallery in sets)
    assert pairs.area == pytest.approx(expected_pairs.area, abs=1e-3)
    unit = 1 if metric == "cosine" else length
    assert pairs.threshold[-1] == pytest.approx(expected_pairs.threshold[-1] * unit, rel=1e-3)
    reranked, as_usual = (evaluate(*pair, metric=metric, reranking=Reranking(5, 3)).mean_ap for pair in sets)
    assert reranked == pytest.approx(as_usual, abs=1e-3)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [1e3, 1e4, 1e5])
@pytest.mark.parametrize("few", [4, 12, 40])
def test_a_few_images_with_an_offset_of_their_own_are_ranked_as_plain_loops_do(
    metric: Any, offset: float, few: int
) -> None:
    rng = np.random.default_rng(few)
    person = np.concatenate([rng.integers(0, 30, 1_500), rng.integers(0, 2, few)])
    features = rng.normal(size=(30, 16))[person] + rng.normal(size=(len(person), 16))
    features[-few:] += offset if metric == "euclidean" else offset * np.eye(16)[0]
    images = Embeddings(features, person, np.zeros(len(person), dtype=int))
    query, gallery = images.take(np.arange(1_500, len(person), 2)), images.take(np.r_[0:1_500, 1_501 : len(person) : 2])
    distance = oracles.distances(query.features.numpy(), gallery.features.numpy(), metric)
    assert distance.shape == (few // 2, 1_500 + few // 2)
    found = nearest(query, gallery, few // 2, metric=metric, same_camera="include")
    expected = np.argsort(distance, axis=1, kind="stable")[:, : few // 2]
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("others", [1.0, 1e-30])
def test_features_of_0_are_at_a_cosine_distance_of_1_from_everything(others: float) -> None:
    gallery = Embeddings(others * np.array([[1.0, 0], [0, 0], [-1, 0], [0.6, 0.8]]), [1, 1, 1, 1], [1] * 4)
    query = Embeddings(others * np.array([[0.0, 0], [1, 0]]), [1, 1], [0, 0])
    truth = MatchIndex(query, gallery, "include")
    (found,) = search(query, [gallery], truth, lambda block: block.distances.T.clone(), metric="cosine")
    np.testing.assert_allclose(found.numpy(), [[1, 1, 1, 1], [0, 1, 2, 0.4]], atol=1e-6)


def test_usual_features_are_multiplied_in_float32_and_crowded_ones_in_float64() -> None:
    def in_float64(features: npt.NDArray[np.float64]) -> bool:
        rows = torch.from_numpy(features.astype(np.float32))
        with full_precision(rows.device):
            return measure(rows[:300], [rows[300:]], "euclidean")[1].float64

    rng = np.random.default_rng(5)
    person = rng.integers(0, 200, 2_000)
    usual = rng.normal(size=(200, 64))[person] + 0.1 * rng.normal(size=(2_000, 64))  # people far apart, images close
    assert not in_float64(usual)
    assert not in_float64(np.maximum(usual, 0))
    assert in_float64(usual + 20)
    assert in_float64(usual + 1_000 * (rng.random((2_000, 1)) < 0.1))  # one in ten is far from the others
