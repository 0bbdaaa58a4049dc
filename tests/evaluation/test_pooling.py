import math
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import (
    Embeddings,
    average_query_expansion,
    database_side_augmentation,
    evaluate,
    evaluate_single_shot,
    flip_average,
    normalised,
    pool_queries,
)
from strongreid.evaluation.single_shot import one_of_each

RNG = np.random.default_rng(4)
IMAGES = Embeddings(RNG.normal(size=(60, 5)), RNG.integers(-1, 6, 60), RNG.integers(0, 3, 60))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 40), how=st.sampled_from(["average", "max"]))
def test_pooled_queries_are_the_groups_of_person_and_camera(seed: int, count: int, how: Any) -> None:
    rng = np.random.default_rng(seed)
    images = Embeddings(rng.normal(size=(count, 3)) - 5, rng.integers(-1, 4, count), rng.integers(-1, 3, count))
    pooled = pool_queries(images, how)
    groups: dict[tuple[int, int], list[list[float]]] = {}
    for person, camera, feature in zip(images.person, images.camera, images.features.tolist(), strict=True):
        if person != -1:
            groups.setdefault((int(person), int(camera)), []).append(feature)
    assert list(zip(pooled.person.tolist(), pooled.camera.tolist(), strict=True)) == sorted(groups)
    for row, (_, group) in enumerate(sorted(groups.items())):
        columns = list(zip(*group, strict=True))
        expected = [max(column) if how == "max" else sum(column) / len(column) for column in columns]
        np.testing.assert_allclose(pooled.features[row], expected, atol=1e-5)


def test_several_images_of_a_query_find_what_one_does_not() -> None:
    """Multi-query: the mean of two images of person 1 is nearest to its match, either image alone is not."""
    gallery = Embeddings([[5.0, 5], [9, 0], [0, 9]], [1, 2, 3], [1, 1, 1])
    shots = Embeddings([[9.0, 1], [1, 9]], [1, 1], [0, 0])
    assert evaluate(shots, gallery).first_match_rank.tolist() == [2, 2]
    assert evaluate(pool_queries(shots), gallery).first_match_rank.tolist() == [1]
    with pytest.raises(InputError, match="how is 'median'"):
        pool_queries(shots, "median")  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("count", [1, 4, 100])
def test_expanded_queries_are_means_with_their_nearest_images_and_no_junk(metric: str, count: int) -> None:
    query = Embeddings(RNG.normal(size=(9, 5)), np.arange(9), np.zeros(9))
    expanded = average_query_expansion(query, IMAGES, count, metric=metric)  # type: ignore[arg-type]
    gallery = IMAGES.features.numpy()[IMAGES.person != -1].astype(np.float64)
    for row, feature in enumerate(query.features.numpy().astype(np.float64)):
        distance = ((gallery - feature) ** 2).sum(axis=1)
        if metric == "cosine":
            distance = 1 - gallery @ feature / np.linalg.norm(gallery, axis=1) / np.linalg.norm(feature)
        near = gallery[np.argsort(distance)[:count]]
        np.testing.assert_allclose(expanded.features[row], np.vstack([feature, near]).mean(axis=0), atol=1e-5)


def distance(metric: str, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> float:
    """Of vectors of whole numbers, exactly."""
    if metric == "euclidean":
        return sum((int(a) - int(b)) ** 2 for a, b in zip(first, second, strict=True))
    return 1 - float(first @ second) / math.sqrt(first @ first) / math.sqrt(second @ second)


def mean_with_nearest(
    metric: str, own: npt.NDArray[np.int64], others: npt.NDArray[np.int64], count: int, itself: int | None = None
) -> npt.NDArray[np.float64]:
    """Mean of a feature and its `count` nearest others, by loops; `itself` is its place among them, if it has one."""
    order = sorted(range(len(others)), key=lambda i: (distance(metric, own, others[i]), i))
    near = order[:count]
    if itself is not None:  # it holds one of the first count + 1 places, or takes the last of them
        first = order[: count + 1]
        near = [i for i in (first if itself in first else first[:-1]) if i != itself]
    return np.mean([own, *(others[i] for i in near)], axis=0)


AXES = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 30),
    count=st.integers(1, 8),
    metric=st.sampled_from(["cosine", "euclidean"]),
)
def test_neighbours_that_tie_are_averaged_by_index_and_junk_is_left_alone(
    seed: int, images: int, count: int, metric: Any
) -> None:
    rng = np.random.default_rng(seed)

    def drawn(number: int) -> npt.NDArray[np.int64]:
        """Features with exact distances: small whole numbers; for cosine four directions in lengths 1, 2 and 4."""
        if metric == "euclidean":
            return rng.integers(-2, 3, (number, 2))
        return AXES[rng.integers(0, 4, number)] * 2 ** rng.integers(0, 3, (number, 1))

    features, query = drawn(images), drawn(7)
    person = rng.integers(-1, 4, images)
    person[rng.integers(0, images)] = 1
    gallery = Embeddings(features, person, np.zeros(images))
    kept = features[person != -1]
    expanded = average_query_expansion(Embeddings(query, np.arange(7), np.ones(7)), gallery, count, metric=metric)
    expected = [mean_with_nearest(metric, own, kept, count) for own in query]
    np.testing.assert_allclose(expanded.features, expected, atol=1e-6)
    augmented = database_side_augmentation(gallery, count, metric=metric).features.numpy()
    np.testing.assert_array_equal(augmented[person == -1], features[person == -1])
    expected = [mean_with_nearest(metric, own, kept, count, itself) for itself, own in enumerate(kept)]
    np.testing.assert_allclose(augmented[person != -1], expected, atol=1e-6)


def test_an_image_crowded_out_by_copies_still_counts_itself_once() -> None:
    features = np.array([[0.0, 0], [0, 0], [0, 0], [0, 1]])
    augmented = database_side_augmentation(Embeddings(features, [1, 2, 3, 4], [0] * 4), 1, metric="euclidean")
    np.testing.assert_allclose(augmented.features, [[0, 0], [0, 0], [0, 0], [0, 0.5]])


def test_flips_are_averaged_and_lengths_become_one() -> None:
    assert flip_average([[1.0, 2.0]], torch.tensor([[3.0, 4.0]], dtype=torch.float64)).tolist() == [[2, 3]]
    with pytest.raises(InputError, match=r"\[1, 2\].*\[2, 2\]"):
        flip_average(np.zeros((1, 2)), np.zeros((2, 2)))
    with pytest.raises(InputError, match="Row 1 of the features is not finite"):
        flip_average(np.zeros((2, 2)), [[0, 0], [0, np.nan]])
    half = np.array([[6e4, 1]], dtype=np.float16)
    assert flip_average(half, half[:, ::-1]).tolist() == [[30000.5, 30000.5]]  # not added in half precision
    unit = normalised(Embeddings([[3, 4], [0, 0]], [1, 2], [0, 0])).features
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0]], atol=1e-7)


def test_single_shot_draws_one_image_of_each_person_anew_and_by_seed() -> None:
    person = np.array([3, 3, 3, 5, -1, 9, 9])
    draws = [one_of_each(person, np.random.default_rng(seed)) for seed in range(300)]
    assert {tuple(person[draw]) for draw in draws} == {(3, 5, 9)}
    counts = np.bincount(np.concatenate(draws), minlength=7)
    assert counts[3] == 300
    assert counts[4] == 0
    assert counts[:3].min() > 60
    query = Embeddings(RNG.normal(size=(20, 4)), np.arange(20) % 5, np.zeros(20))
    gallery = Embeddings(RNG.normal(size=(50, 4)), np.arange(50) % 7, np.ones(50))
    first, again = (evaluate_single_shot(query, gallery, draws=4, seed=8) for _ in range(2))
    assert len(first.results) == 4
    assert first.to_json() == again.to_json()
    assert first.to_json()["protocol"].endswith("not re-ranked, single gallery shot, mean of 4 draws")
    assert len({result.mean_ap for result in first.results}) > 1
    assert all(np.allclose(r.average_precision, 1 / r.first_match_rank) for r in first.results)
    with pytest.raises(InputError, match="draws is 0"):
        evaluate_single_shot(query, gallery, draws=0)


def test_single_shot_comes_to_the_mean_over_all_galleries_that_can_be_drawn() -> None:
    rng = np.random.default_rng(1)
    person = np.array([1, 1, 1, 2, 2, 3])
    query = Embeddings(rng.normal(size=(3, 2)), [1, 2, 3], [0, 0, 0])
    gallery = Embeddings(rng.normal(size=(6, 2)), person, [1] * 6)
    drawn = []
    for rows in product([0, 1, 2], [3, 4], [5]):
        distance = ((query.features.numpy()[:, None] - gallery.features.numpy()[None, list(rows)]) ** 2).sum(axis=2)
        drawn.append([1 + int((distance[i] < distance[i, i]).sum()) for i in range(3)])
    first = np.array(drawn)
    assert 0 < (first == 1).mean() < 1
    found = evaluate_single_shot(query, gallery, draws=800, seed=3, metric="euclidean")
    assert found.rank(1) == pytest.approx((first == 1).mean(), abs=0.04)
    assert found.mean_ap == pytest.approx((1 / first).mean(), abs=0.03)
    assert found.mean_ap_spread == pytest.approx((1 / first).mean(axis=1).std(), abs=0.03)


@pytest.mark.parametrize("count", [0, -1])
def test_counts_below_one_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="count is"):
        average_query_expansion(IMAGES, IMAGES, count)
    with pytest.raises(InputError, match="count is"):
        database_side_augmentation(IMAGES, count)
