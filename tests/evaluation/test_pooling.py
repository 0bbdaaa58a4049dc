import numpy as np
import pytest
import torch

from strongreid.errors import InputError
from strongreid.evaluation import (
    Embeddings,
    average_query_expansion,
    database_side_augmentation,
    evaluate_single_shot,
    flip_average,
    normalised,
    pool_queries,
)
from strongreid.evaluation.repeated import one_of_each

RNG = np.random.default_rng(4)
IMAGES = Embeddings(RNG.normal(size=(60, 5)), RNG.integers(-1, 6, 60), RNG.integers(0, 3, 60))


@pytest.mark.parametrize("how", ["average", "max"])
def test_pooled_queries_are_the_groups_of_person_and_camera(how: str) -> None:
    pooled = pool_queries(IMAGES, how)  # type: ignore[arg-type]
    labels = sorted({(p, c) for p, c in zip(IMAGES.person.tolist(), IMAGES.camera.tolist(), strict=True) if p != -1})
    assert list(zip(pooled.person.tolist(), pooled.camera.tolist(), strict=True)) == labels
    for row, (person, camera) in enumerate(labels):
        group = IMAGES.features.numpy()[(IMAGES.person == person) & (IMAGES.camera == camera)]
        expected = group.mean(axis=0) if how == "average" else group.max(axis=0)
        np.testing.assert_allclose(pooled.features[row], expected, atol=1e-6)


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


@pytest.mark.parametrize("count", [1, 3, 100])
def test_augmented_galleries_are_means_over_neighbours_and_leave_junk_alone(count: int) -> None:
    augmented = database_side_augmentation(IMAGES, count, metric="euclidean")
    features, kept = IMAGES.features.numpy().astype(np.float64), IMAGES.person != -1
    np.testing.assert_array_equal(augmented.features[~kept], IMAGES.features[~kept])
    for row in np.flatnonzero(kept):
        distance = ((features[kept] - features[row]) ** 2).sum(axis=1)
        near = features[kept][np.argsort(distance)[: count + 1]]
        np.testing.assert_allclose(augmented.features[row], near.mean(axis=0), atol=1e-5)


def test_an_image_crowded_out_by_copies_still_counts_itself_once() -> None:
    features = np.array([[0.0, 0], [0, 0], [0, 0], [0, 1]])
    augmented = database_side_augmentation(Embeddings(features, [1, 2, 3, 4], [0] * 4), 1, metric="euclidean")
    np.testing.assert_allclose(augmented.features, [[0, 0], [0, 0], [0, 0], [0, 0.5]])


def test_flips_are_averaged_and_lengths_become_one() -> None:
    assert flip_average([[1.0, 2.0]], torch.tensor([[3.0, 4.0]], dtype=torch.float64)).tolist() == [[2, 3]]
    with pytest.raises(InputError, match=r"\[1, 2\].*\[2, 2\]"):
        flip_average(np.zeros((1, 2)), np.zeros((2, 2)))
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


@pytest.mark.parametrize("count", [0, -1])
def test_counts_below_one_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="count is"):
        average_query_expansion(IMAGES, IMAGES, count)
    with pytest.raises(InputError, match="count is"):
        database_side_augmentation(IMAGES, count)
