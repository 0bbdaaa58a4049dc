"""Hardest pairs, recomputed by plain loops over all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.ground_truth import SameCamera
from strongreid.reports.confusions import Pair, hardest_pairs


def some(rng: np.random.Generator, count: int, people: int) -> Embeddings:
    return Embeddings(rng.normal(size=(count, 5)), rng.integers(-1, people, count), rng.integers(0, 3, count))


def distance(a: np.ndarray, b: np.ndarray, metric: Metric) -> float:
    if metric == "euclidean":
        return float(np.sqrt(((a - b) ** 2).sum()))
    return float(1 - a @ b / np.sqrt((a @ a) * (b @ b)))


def by_loops(query: Embeddings, gallery: Embeddings, metric: Metric, same_camera: SameCamera) -> tuple[dict, dict]:
    """Over each query's nearest other person, the smallest distance of each two people; the largest of each person."""
    different: dict[tuple[int, ...], float] = {}
    same: dict[int, float] = {}
    q, g = query.features.double().numpy(), gallery.features.double().numpy()
    nearest: dict[int, tuple[float, int]] = {}
    for i, (person, camera) in enumerate(zip(query.person.tolist(), query.camera.tolist(), strict=True)):
        for j, (other, view) in enumerate(zip(gallery.person.tolist(), gallery.camera.tolist(), strict=True)):
            if person == -1 or other == -1 or (person == other and camera == view and same_camera == "exclude"):
                continue
            d = distance(q[i], g[j], metric)
            if person == other:
                same[person] = max(d, same.get(person, -1))
            else:
                nearest[i] = min((d, other), nearest.get(i, (np.inf, -1)))
    for i, (d, other) in nearest.items():
        key = tuple(sorted((int(query.person[i]), other)))
        different[key] = min(d, different.get(key, np.inf))
    return different, same


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["cosine", "euclidean"]),
    st.sampled_from(["exclude", "include"]),
    st.sampled_from([0.01, 160]),
)
def test_hardest_pairs_are_those_of_plain_loops(
    seed: int, metric: Metric, same_camera: SameCamera, memory: float
) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = some(rng, 30, 4), some(rng, 40, 4)
    found = hardest_pairs(query, gallery, 3, metric=metric, same_camera=same_camera, memory_mb=memory)
    different, same = by_loops(query, gallery, metric, same_camera)

    def people(pair: Pair) -> tuple[int, int]:
        return int(query.person[pair.query]), int(gallery.person[pair.gallery])

    assert np.allclose([pair.distance for pair in found.different], sorted(different.values())[:3], atol=1e-5)
    assert np.allclose([pair.distance for pair in found.same], sorted(same.values(), reverse=True)[:3], atol=1e-5)
    for pair in found.different:
        assert pair.distance == pytest.approx(different[tuple(sorted(people(pair)))], abs=1e-5)
    for pair in found.same:
        assert people(pair)[0] == people(pair)[1]
        assert pair.distance == pytest.approx(same[people(pair)[0]], abs=1e-5)
    assert len({tuple(sorted(people(pair))) for pair in found.different}) == len(found.different)


def test_progress_ends_with_everything_done_and_bad_choices_are_refused() -> None:
    rng = np.random.default_rng(0)
    query, gallery = some(rng, 30, 4), some(rng, 40, 4)
    steps: list[tuple[int, int]] = []
    hardest_pairs(query, gallery, 3, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1]
    with pytest.raises(InputError, match="metric"):
        hardest_pairs(query, gallery, 3, metric="manhattan")  # type: ignore[arg-type]
