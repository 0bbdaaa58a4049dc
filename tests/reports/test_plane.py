import numpy as np
import pytest
from sklearn.decomposition import PCA

from strongreid.evaluation import Embeddings
from strongreid.reports.plane import MOST_IMAGES_OF_PERSON, images_of, principal_plane, some_people


def test_the_plane_is_that_of_principal_component_analysis() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(60, 9)) * np.arange(1, 10)).astype(np.float32)
    points, share = principal_plane(features)
    oracle = PCA(2, svd_solver="full").fit(features.astype(np.float64))
    expected = oracle.transform(features.astype(np.float64))
    signs = np.sign((points * expected).sum(axis=0))
    assert np.allclose(points * signs, expected, atol=1e-6)
    assert np.allclose(share, oracle.explained_variance_ratio_)
    assert np.array_equal(points, principal_plane(features)[0])


@pytest.mark.parametrize("shape", [(1, 4), (2, 4), (5, 1)])
def test_too_few_images_or_numbers_for_two_axes_lie_on_one(shape: tuple[int, int]) -> None:
    points, share = principal_plane(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert points.shape == (shape[0], 2)
    assert np.allclose(points[:, 1], 0)
    assert share[1] == pytest.approx(0)
    assert share[0] == pytest.approx(float(shape[0] > 1))


def test_people_are_spread_evenly_and_are_on_both_sides() -> None:
    query = Embeddings(np.ones((40, 2)), np.arange(40), np.zeros(40, dtype=int))
    gallery = Embeddings(np.ones((40, 2)), np.arange(10, 50), np.zeros(40, dtype=int))
    assert some_people(query, gallery, 4) == [10, 20, 29, 39]
    assert some_people(query, gallery, 99) == list(range(10, 40))


def test_of_each_person_a_few_images_are_taken() -> None:
    side = Embeddings(np.ones((205, 2)), np.repeat([1, 2], [200, 5]), np.zeros(205, dtype=int))
    rows = images_of(side, [2, 1])
    assert rows[:5].tolist() == [200, 201, 202, 203, 204]
    assert len(rows) == 5 + MOST_IMAGES_OF_PERSON
    assert rows[5] == 0
    assert rows[-1] == 199
