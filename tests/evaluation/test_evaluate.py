from typing import Any

import numpy as np
import pytest
import torch
from evaluation_oracles import distances as oracle_distances
from evaluation_oracles import evaluate as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, Reranking, distance, evaluate, evaluate_in_parts

torch.set_num_threads(1)  # the cases are tiny: more threads only wait for each other


DTYPES = (np.int8, np.int64, np.float16, np.float32, np.float64)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Small sets on an integer grid: ties, duplicates, junk, unknown people and single images are all common."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    queries, images = draw(st.integers(1, 12)), draw(st.integers(1, 25))
    people, cameras = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    width, span = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    return {
        "query": (
            rng.integers(-span, span + 1, (queries, width)),
            rng.integers(-1, people, queries),
            rng.integers(0, cameras, queries),
        ),
        "gallery": (
            rng.integers(-span, span + 1, (images, width)),
            rng.integers(-1, people, images),
            rng.integers(0, cameras, images),
        ),
        "same_camera": draw(st.sampled_from(["exclude", "include"])),
        "average_precision": draw(st.sampled_from(["rectangular", "trapezoid"])),
        "memory_mb": draw(st.sampled_from([0.0005, 0.002, 100])),
        "dtype": {part: draw(st.sampled_from(DTYPES)) for part in ("query", "gallery")},
        "torch": {part: draw(st.booleans()) for part in ("query", "gallery")},
        "crowded": draw(st.sampled_from([-1.0, 1 / 20, 1.0])),  # products always, sometimes and never in float64
    }


def embeddings(case: dict[str, Any], part: str) -> Embeddings:
    features, person, camera = case[part]
    features = features.astype(case["dtype"][part])
    return Embeddings(torch.from_numpy(features) if case["torch"][part] else features, person, camera)


@settings(max_examples=2000, deadline=None)
@given(cases())
def test_equals_plain_loops_on_an_integer_grid_where_ties_abound(case: dict[str, Any]) -> None:
    expected = oracle(
        oracle_distances(case["query"][0], case["gallery"][0], "euclidean"),
        (case["query"][1].tolist(), case["query"][2].tolist()),
        (case["gallery"][1].tolist(), case["gallery"][2].tolist()),
        case["same_camera"],
        case["average_precision"],
    )
    options = {name: case[name] for name in ("same_camera", "average_precision", "memory_mb")}
    if not any(expected):
        with pytest.raises(InputError):
            evaluate(embeddings(case, "query"), embeddings(case, "gallery"), metric="euclidean", **options)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance, "_MANY_IMAGES", case["crowded"])
        result = evaluate(embeddings(case, "query"), embeddings(case, "gallery"), metric="euclidean", **options)
    assert result.first_match_rank.tolist() == [0 if answer is None else answer[2] for answer in expected]
    ap = [np.nan if answer is None else answer[0] for answer in expected]
    np.testing.assert_allclose(result.average_precision, ap, rtol=0, atol=1e-12)
    inp = [np.nan if answer is None else answer[1] for answer in expected]
    np.testing.assert_allclose(result.inverse_negative_penalty, inp, rtol=0, atol=1e-12)
    assert result.valid_queries == sum(answer is not None for answer in expected)
    firsts = [answer[2] for answer in expected if answer is not None]
    assert result.cmc.tolist() == [np.mean([first <= k for first in firsts]) for k in range(1, 51)]


def images(features: Any, person: Any, camera: Any = 0) -> Embeddings:
    return Embeddings(features, person, np.broadcast_to(camera, len(person)))


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 2**32 - 1))
def test_cosine_equals_float64_loops_on_features_without_near_ties(case: dict[str, Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    for part in ("query", "gallery"):
        case[part] = (rng.normal(size=(len(case[part][0]), 6)) * 10.0 ** rng.integers(-3, 4), *case[part][1:])
    case["dtype"] = {"query": np.float32, "gallery": np.float32}
    rounded = [case[part][0].astype(np.float32) for part in ("query", "gallery")]
    expected = oracle(
        oracle_distances(rounded[0], rounded[1], "cosine"),
        (case["query"][1].tolist(), case["query"][2].tolist()),
        (case["gallery"][1].tolist(), case["gallery"][2].tolist()),
        case["same_camera"],
        case["average_precision"],
    )
    if not any(expected):
        return
    options = {name: case[name] for name in ("same_camera", "average_precision", "memory_mb")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance, "_MANY_IMAGES", case["crowded"])
        result = evaluate(embeddings(case, "query"), embeddings(case, "gallery"), **options)
    ap = [np.nan if answer is None else answer[0] for answer in expected]
    np.testing.assert_allclose(result.average_precision, ap, rtol=0, atol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("width", [3, 33, 128])
def test_copies_tie_exactly_and_rank_by_index_in_blocks_of_any_size(metric: Any, width: int) -> None:
    rng = np.random.default_rng(width)
    different = rng.normal(size=(40, width)).astype(np.float32)
    which = rng.integers(0, 40, 5003)
    person = rng.integers(0, 9, 5003)
    query = images(rng.normal(size=(37, width)).astype(np.float32), rng.integers(0, 9, 37), 1)
    distances = oracle_distances(query.features.numpy(), different, metric)[:, which]
    expected = oracle(distances, (query.person.tolist(), query.camera.tolist()), (person.tolist(), [0] * 5003))
    for memory_mb in (0.1, 1, 100):
        result = evaluate(query, images(different[which], person), metric=metric, memory_mb=memory_mb)
        np.testing.assert_allclose(result.average_precision, [a[0] for a in expected if a], rtol=0, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 90), max_size=4),
    memory_mb=st.sampled_from([0.001, 100]),
    reranking=st.sampled_from([None, Reranking(4, 2)]),
)
def test_parts_of_a_gallery_count_like_the_whole(
    seed: int, cuts: list[int], memory_mb: float, reranking: Reranking | None
) -> None:
    rng = np.random.default_rng(seed)
    whole = Embeddings(rng.integers(-2, 3, (90, 3)), rng.integers(-1, 6, 90), rng.integers(0, 3, 90))
    query = Embeddings(rng.integers(-2, 3, (20, 3)), rng.integers(0, 6, 20), rng.integers(0, 3, 20))
    ends = [0, *sorted(cuts), 90]
    parts = [whole.take(np.arange(*ends[i : i + 2])) for i in range(len(ends) - 1)]
    one = evaluate(query, whole, metric="euclidean", reranking=reranking, memory_mb=memory_mb)
    several = evaluate(query, parts, metric="euclidean", reranking=reranking, memory_mb=memory_mb)
    np.testing.assert_array_equal(one.average_precision, several.average_precision)
    np.testing.assert_array_equal(one.first_match_rank, several.first_match_rank)


def test_distractors_only_make_it_harder_and_no_gallery_at_all_is_refused() -> None:
    query, gallery = images([[0.0]], [1], 0), images([[3.0], [5.0]], [1, 2], 1)
    more = images(np.arange(1.0, 9.0)[:, None], np.zeros(8, dtype=int), 2)
    assert evaluate(query, gallery, metric="euclidean").first_match_rank.tolist() == [1]
    assert evaluate_in_parts(query, [gallery, more], metric="euclidean").first_match_rank.tolist() == [3]
    assert evaluate(query, (more, gallery), metric="euclidean").first_match_rank.tolist() == [4]  # a tie
    with pytest.raises(InputError, match="gallery is empty: it has no images"):
        evaluate(query, [])


def test_an_unlimited_budget_is_a_budget() -> None:
    assert evaluate(images(np.eye(2), [1, 2], 0), images(np.eye(2), [1, 2], 1), memory_mb=float("inf")).mean_ap == 1


def test_the_callers_precision_settings_neither_matter_nor_change() -> None:
    rng = np.random.default_rng(0)
    query, gallery = (
        images(rng.normal(size=(30, 64)), np.arange(30)),
        images(rng.normal(size=(400, 64)), np.arange(400)),
    )
    expected = evaluate(query, gallery, same_camera="include")
    seen = []
    backends = torch.backends.mkldnn.matmul, torch.backends.cuda.matmul  # type: ignore[attr-defined]

    def look(done: int, total: int) -> None:
        seen.append((*(backend.fp32_precision for backend in backends), torch.is_autocast_enabled("cpu")))

    before = torch.get_float32_matmul_precision(), *(backend.fp32_precision for backend in backends)
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = evaluate(query, gallery, same_camera="include", progress=look)
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before[0])  # "highest" is "ieee" to the backends, which began with "none"
        backends[0].fp32_precision, backends[1].fp32_precision = before[1:]
    np.testing.assert_array_equal(result.first_match_rank, expected.first_match_rank)
    assert seen == [("ieee", "ieee", False)]  # most CPUs have nothing lower, so that results alone would not tell


def test_one_image_on_either_side() -> None:
    result = evaluate(images([[1.0, 0]], [7], 0), images([[0.0, 1]], [7], 1))
    assert (result.mean_ap, result.rank(1), result.mean_inp, result.valid_queries) == (1, 1, 1, 1)
    assert result.cmc.tolist() == [1.0] * 50


def test_features_of_length_zero_are_far_from_everything_and_no_nan() -> None:
    result = evaluate(images([[0.0, 0]], [1], 0), images([[0.0, 0], [1, 0], [0, 0]], [2, 1, 1], 1))
    assert result.first_match_rank.tolist() == [2]


def test_queries_without_a_match_are_reported_and_not_counted() -> None:
    result = evaluate(images(np.eye(3), [1, 2, -1], 0), images(np.eye(3), [1, 3, -1], 1))
    assert np.isnan(result.average_precision).tolist() == [False, True, True]
    assert (result.valid_queries, result.invalid_queries) == (1, 2)


ONE = images(np.eye(2), [1, 2], 0)


@pytest.mark.parametrize(
    ("query", "gallery", "options", "message"),
    [
        (ONE, images(np.zeros((0, 2)), []), {}, "gallery is empty: it has no images. Give"),
        (ONE, images(np.eye(2), [-1, -1], 1), {}, "gallery is empty: all its 2 images are junk"),
        (images(np.zeros((0, 2)), []), ONE, {}, "no queries.*Give at least one"),
        (images(np.eye(2), [-1, -1]), ONE, {}, "all 2 are junk"),
        (ONE, images(np.eye(3), [1, 2, 3], 1), {}, "2 wide but gallery features 3"),
        (ONE, ONE, {}, 'every image has camera 0.*same_camera="include"'),
        (images(np.eye(2), [1, 2], [0, 1]), images(np.eye(2), [1, 2], [0, 1]), {}, "all of the query's own camera"),
        (ONE, images(np.eye(2), [8, 9], 1), {}, r"no person of the queries is in the gallery \(1, 2 against 8, 9\)"),
        (ONE, images(np.eye(2), [1, 2], 1), {"metric": "manhattan"}, "metric is 'manhattan'.*'cosine', 'euclidean'"),
        (ONE, images(np.eye(2), [1, 2], 1), {"same_camera": "drop"}, "same_camera is 'drop'"),
        (ONE, images(np.eye(2), [1, 2], 1), {"average_precision": "mean"}, "average_precision is 'mean'"),
        (ONE, images(np.eye(2), [1, 2], 1), {"memory_mb": 0}, "memory_mb is 0; it must be above 0"),
        (ONE, images(np.eye(2), [1, 2], 1), {"memory_mb": np.nan}, "memory_mb is nan"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_with_the_reason(
    query: Embeddings, gallery: Embeddings, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(query, gallery, **options)


def test_progress_counts_the_valid_queries() -> None:
    rng = np.random.default_rng(0)
    steps: list[tuple[int, int]] = []
    evaluate(
        images(rng.normal(size=(50, 3)), np.arange(50), 0),
        images(rng.normal(size=(40, 3)), np.arange(40), 1),
        memory_mb=0.01,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert len(steps) > 1
    assert steps[-1] == (40, 40)
    assert steps == sorted(steps)
