import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.ground_truth import SameCamera
from strongreid.evaluation.nearest import nearest


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
    found = nearest(query, gallery, count, metric="euclidean", same_camera=same_camera)
    for q in range(len(query)):
        listed = []
        for g in range(len(gallery)):
            same = gallery.person[g] == query.person[q] and gallery.camera[g] == query.camera[q]
            if gallery.person[g] == -1 or (same and same_camera == "exclude"):
                continue
            listed.append((float(((query.features[q] - gallery.features[g]) ** 2).sum()), g))
        expected = [g for _, g in sorted(listed)][:count]
        assert found[q].tolist() == expected + [-1] * (count - len(expected))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_image_is_nearest_to_itself(metric: Metric) -> None:
    features = np.random.default_rng(0).normal(size=(200, 8))
    images = Embeddings(features, np.arange(200), np.zeros(200, dtype=np.int64))
    found = nearest(images, images, 1, metric=metric, same_camera="include")
    assert found[:, 0].tolist() == list(range(200))


@pytest.mark.parametrize("count", [0, -3])
def test_counts_below_one_are_refused(count: int) -> None:
    images = Embeddings(np.eye(2), [1, 2], [0, 0])
    with pytest.raises(InputError, match=f"count is {count}; it must be at least 1"):
        nearest(images, images, count)
