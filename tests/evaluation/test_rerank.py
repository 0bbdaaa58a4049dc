import numpy as np
import numpy.typing as npt
import pytest
import torch
from evaluation_oracles import evaluate as oracle_evaluate
from evaluation_oracles import rerank as oracle_rerank
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, Reranking, evaluate, topk
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.ground_truth import MatchIndex
from strongreid.evaluation.search import search

torch.set_num_threads(1)
Features = npt.NDArray[np.float32]


def clustered(rng: np.random.Generator, people: int, count: int, width: int) -> tuple[Features, npt.NDArray[np.int64]]:
    person = rng.integers(0, people, count)
    centers = rng.normal(size=(people, width))
    return (centers[person] + 0.7 * rng.normal(size=(count, width))).astype(np.float32), person


def squared(features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    features = features.astype(np.float64)
    return ((features[:, None] - features[None]) ** 2).sum(axis=2)


def reranked(query: Features, gallery: Features, metric: Metric, settings: Reranking) -> npt.NDArray[np.float32]:
    sets = [Embeddings(part, np.arange(len(part)), np.zeros(len(part))) for part in (query, gallery)]
    truth = MatchIndex(*sets, "include")
    found = search(sets[0], sets[1:], truth, lambda block: block.distances.T.clone(), metric=metric, reranking=settings)
    return torch.cat(found).numpy()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 12),
    images=st.integers(1, 45),
    k1=st.integers(1, 25),
    k2=st.integers(1, 8),
    weight=st.sampled_from([0.0, 0.3, 1.0]),
    metric=st.sampled_from(["cosine", "euclidean"]),
)
def test_distances_equal_a_slow_float64_form(
    seed: int, queries: int, images: int, k1: int, k2: int, weight: float, metric: Metric
) -> None:
    features, _ = clustered(np.random.default_rng(seed), 4, queries + images, 16)
    if metric == "cosine":
        lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
        expected = oracle_rerank(squared(features / lengths), queries, k1, k2, weight)
    else:
        expected = oracle_rerank(squared(features), queries, k1, k2, weight)
    found = reranked(features[:queries], features[queries:], metric, Reranking(k1, k2, weight))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), k1=st.integers(1, 8), k2=st.integers(1, 4), span=st.integers(0, 3))
def test_ties_among_neighbours_are_ordered_by_index(seed: int, k1: int, k2: int, span: int) -> None:
    features = np.random.default_rng(seed).integers(-span, span + 1, (30, 2)).astype(np.float32)
    expected = oracle_rerank(squared(features), 8, k1, k2, 0.3)
    found = reranked(features[:8], features[8:], "euclidean", Reranking(k1, k2))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [7, 32, 1000])
def test_neighbours_do_not_depend_on_the_blocks(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = clustered(np.random.default_rng(3), 6, 150, 24)
    expected = oracle_rerank(squared(features), 30, 10, 4, 0.3)
    monkeypatch.setattr(topk, "_ROWS_ON_CPU", rows)
    found = reranked(features[:30], features[30:], "euclidean", Reranking(10, 4))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "metric"), [("whole numbers", "euclidean"), ("signs", "cosine"), ("real numbers", "cosine")]
)
def test_more_images_than_a_block_holds_equal_the_slow_form(kind: str, metric: Metric) -> None:
    """250 queries, 1,250 images. Products of whole numbers and signs are exact in float32: neighbours that tie do so in
    both forms. Of real numbers a neighbour in thousands may change places with the next by a rounding."""
    features, person = clustered(np.random.default_rng(7), 60, 1_500, 64)
    if kind == "whole numbers":
        features = np.round(8 * features)
    elif kind == "signs":
        features = np.where(features > 0, 1, -1).astype(np.float32)
    else:
        features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    camera = np.random.default_rng(8).integers(0, 6, 1_500)
    exact = features.astype(np.float64)
    if metric == "cosine":
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    lengths = (exact**2).sum(axis=1)
    expected = oracle_rerank(lengths[:, None] + lengths - 2 * exact @ exact.T, 250, 20, 6, 0.3)
    found = reranked(features[:250], features[250:], metric, Reranking())
    assert np.mean(np.abs(found - expected) <= 1e-5) >= (0.999 if kind == "real numbers" else 1)
    answers = oracle_evaluate(
        expected,
        (person[:250].tolist(), camera[:250].tolist()),
        (person[250:].tolist(), camera[250:].tolist()),
    )
    query, gallery = (
        Embeddings(features[rows], person[rows], camera[rows]) for rows in (slice(None, 250), slice(250, None))
    )
    result = evaluate(query, gallery, metric=metric, reranking=Reranking())
    assert result.mean_ap == pytest.approx(np.mean([answer[0] for answer in answers if answer]), abs=1e-4)
    assert result.mean_ap != evaluate(query, gallery, metric=metric).mean_ap


@pytest.mark.parametrize("memory_mb", [0.01, 100])
def test_metrics_are_those_of_the_slow_distances_with_junk_dropped_first(memory_mb: float) -> None:
    rng = np.random.default_rng(11)
    features, person = clustered(rng, 8, 160, 12)
    camera = rng.integers(0, 3, 160)
    junk = rng.choice(np.arange(40, 160), 15, replace=False)
    person[junk] = -1
    kept = np.flatnonzero(person != -1)
    expected = oracle_evaluate(
        oracle_rerank(squared(features[kept]), 40, 20, 6, 0.3),
        (person[:40].tolist(), camera[:40].tolist()),
        (person[kept[40:]].tolist(), camera[kept[40:]].tolist()),
    )
    result = evaluate(
        Embeddings(features[:40], person[:40], camera[:40]),
        Embeddings(features[40:], person[40:], camera[40:]),
        metric="euclidean",
        reranking=Reranking(),
        memory_mb=memory_mb,
    )
    ap = [np.nan if answer is None else answer[0] for answer in expected]
    np.testing.assert_allclose(result.average_precision, ap, rtol=0, atol=1e-4)
    assert "re-ranked (k1 20, k2 6, distance weight 0.3)" in result.protocol


def test_progress_runs_through_the_search_for_neighbours_and_then_the_ranking() -> None:
    features, person = clustered(np.random.default_rng(5), 300, 2_500, 4)
    images = Embeddings(features, person, np.zeros(2_500, dtype=np.int64))
    steps: list[tuple[int, int]] = []
    evaluate(
        images.take(np.arange(200)),
        images,
        reranking=Reranking(3, 2),
        same_camera="include",
        memory_mb=1,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert {total for _, total in steps} == {4 * 200}
    assert steps == sorted(steps)
    assert len([done for done, _ in steps if done < 600]) >= 4
    assert len([done for done, _ in steps if done >= 600]) >= 4
    assert (600, 800) in steps
    assert steps[-1] == (800, 800)


@pytest.mark.parametrize(("name", "value"), [("k1", 0), ("k2", 0), ("distance_weight", 1.5)])
def test_impossible_settings_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        Reranking(**{name: value})  # type: ignore[arg-type]


def test_too_few_images_for_k1_are_said() -> None:
    assert Reranking(k1=20).warning(21) is None
    assert "the 21 nearest images" in str(Reranking(k1=20).warning(20))
