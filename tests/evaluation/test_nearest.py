import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.ground_truth import SameCamera
from strongreid.evaluation.nearest import find_nearest, nearest


@given(
    seed=st.integers(0, 10_000),
    galleries=st.integers(1, 12),
    count=st.integers(1, 6),
    same_camera=st.sampled_from(["exclude", "include"]),
)
@settings(max_examples=100, deadline=None)
def test_the_nearest_rows_are_those_of_a_plain_sort(
    seed: int, galleries: int, count: int, same_camera: SameCamera
) -> None:
    rng = np.random.default_rng(seed)
    query = Embeddings(rng.integers(-2, 3, (5, 3)), rng.integers(0, 3, 5), rng.integers(0, 2, 5))
    person = rng.integers(-1, 3, galleries)
    person[0] = abs(person[0])  # junk alone is refused
    gallery = Embeddings(rng.integers(-2, 3, (galleries, 3)), person, rng.integers(0, 2, galleries))
    far = find_nearest(query, gallery, count, metric="euclidean", same_camera=same_camera)
    found = nearest(query, gallery, count, metric="euclidean", same_camera=same_camera)
    assert np.array_equal(found, far.index)
    for q in range(len(query)):
        listed = []
        for g in range(len(gallery)):
            same = gallery.person[g] == query.person[q] and gallery.camera[g] == query.camera[q]
            if gallery.person[g] == -1 or (same and same_camera == "exclude"):
                continue
            listed.append((float(((query.features[q] - gallery.features[g]) ** 2).sum()), g))
        expected = [g for _, g in sorted(listed)][:count]
        assert found[q].tolist() == expected + [-1] * (count - len(expected))
        distances = [squared**0.5 for squared, _ in sorted(listed)][:count]
        assert far.distance[q].tolist() == pytest.approx(distances + [np.inf] * (count - len(distances)))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_image_is_nearest_to_itself(metric: Metric) -> None:
    features = np.random.default_rng(0).normal(size=(200, 8))
    images = Embeddings(features, np.arange(200), np.zeros(200, dtype=np.int64))
    found = nearest(images, images, 1, metric=metric, same_camera="include")
    assert found[:, 0].tolist() == list(range(200))


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e15])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_distances_are_those_that_people_mean(metric: Metric, scale: float) -> None:
    rng = np.random.default_rng(4)
    query, gallery = ((scale * rng.normal(size=(count, 6))).astype(np.float32) for count in (250, 40))
    sides = (Embeddings(side, np.zeros(len(side)), np.zeros(len(side))) for side in (query, gallery))
    found = find_nearest(*sides, 5, metric=metric, same_camera="include")
    one, other = query.astype(np.float64), gallery.astype(np.float64)
    if metric == "cosine":
        lengths = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(other, axis=1)
        expected = 1 - one @ other.T / lengths
    else:
        expected = np.linalg.norm(one[:, None] - other, axis=2)
    tolerance = 1e-5 if metric == "cosine" else 1e-5 * scale
    assert np.allclose(found.distance, np.sort(expected, axis=1)[:, :5], rtol=1e-5, atol=tolerance)
    assert np.allclose(np.take_along_axis(expected, found.index, 1), found.distance, rtol=1e-5, atol=tolerance)


@pytest.mark.parametrize("count", [0, -3])
def test_counts_below_one_are_refused(count: int) -> None:
    images = Embeddings(np.eye(2), [1, 2], [0, 0])
    with pytest.raises(InputError, match=f"count is {count}; it must be at least 1"):
        nearest(images, images, count)
