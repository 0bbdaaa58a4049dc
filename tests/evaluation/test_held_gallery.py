"""A gallery that is searched again and again gives what `find_nearest` gives, also where distances are hard to get."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.evaluation import Embeddings, find_nearest
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.held_gallery import HeldGallery

KINDS = ("usual", "whole", "offset", "tiny", "far", "zeros", "copies")


def features(kind: str, count: int, width: int, seed: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, width))
    match kind:
        case "whole":
            rows = np.rint(rows)  # many ties
        case "offset":
            rows = 1000 + rows * 1e-2  # float32 products would be mostly rounding
        case "tiny":
            rows *= 1e-22
        case "far":
            rows[: count // 8] = 1e4 + rows[: count // 8] * 1e-2
        case "zeros":
            rows[::3] = 0
        case "copies":
            rows = rows[rng.integers(0, max(count // 3, 1), count)]
    return rows.astype(np.float32)


def nobody(rows: npt.NDArray[np.float32]) -> Embeddings:
    return Embeddings(rows, np.zeros(len(rows)), np.zeros(len(rows)))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(["cosine", "euclidean"]),
    st.integers(1, 300),
    st.integers(1, 12),
    st.integers(1, 20),
    st.lists(st.integers(1, 299), max_size=3),
    st.integers(0, 1000),
)
def test_it_finds_what_find_nearest_finds(
    kind: str, metric: Metric, images: int, queries: int, count: int, cuts: list[int], seed: int
) -> None:
    gallery, query = features(kind, images, 6, seed), features(kind, queries, 6, seed + 1)
    query[0] = gallery[images // 2]
    parts = [torch.from_numpy(part) for part in np.split(gallery, sorted({cut for cut in cuts if cut < images}))]
    found = HeldGallery(parts, metric).nearest(torch.from_numpy(query), count)
    expected = find_nearest(nobody(query), nobody(gallery), count, metric=metric, same_camera="include")
    scale = max(float(expected.distance[np.isfinite(expected.distance)].max()), 1e-30)
    np.testing.assert_allclose(found.distance / scale, expected.distance / scale, atol=2e-3, rtol=0)
    far = np.where(np.isfinite(expected.distance), expected.distance / scale, 2)  # 2 where there is no row
    gaps = np.diff(far, axis=1, prepend=-1, append=2)
    apart = np.minimum(gaps[:, 1:], gaps[:, :-1]) > 5e-3
    apart[:, -1] = False  # what comes next is not known
    assert (found.index == expected.index)[apart].all()
    for row in found.index.tolist():
        there = [one for one in row if one >= 0]
        assert len(set(there)) == len(there) == min(count, images)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", ["whole", "copies"])
def test_equal_distances_rank_by_index(kind: str, metric: Any) -> None:
    gallery, query = features(kind, 400, 3, 1), features(kind, 5, 3, 2)
    found = HeldGallery([torch.from_numpy(gallery)], metric).nearest(torch.from_numpy(query), 400)
    equal = np.diff(found.distance, axis=1) == 0
    assert equal.any()
    assert (np.diff(found.index, axis=1)[equal] > 0).all()
    assert (np.diff(found.distance, axis=1) >= 0).all()


@pytest.mark.parametrize("kind", ["usual", "copies", "offset"])
def test_only_what_is_allowed_is_found(kind: str) -> None:
    gallery, query = features(kind, 3000, 8, 3), features(kind, 200, 8, 4)  # several pieces, two blocks of queries
    rng = np.random.default_rng(5)
    mask = rng.random((3000, 200)) < 0.02
    mask[1024:2048] = False  # a whole piece
    held = HeldGallery([torch.from_numpy(gallery[:1100]), torch.from_numpy(gallery[1100:])], "cosine")
    found = held.nearest(torch.from_numpy(query), 5, lambda rows, queries: mask[rows][:, queries])
    everything = held.nearest(torch.from_numpy(query), 3000)
    for row in range(200):
        expected = [one for one in everything.index[row].tolist() if mask[one, row]][:5]
        assert found.index[row].tolist() == expected + [-1] * (5 - len(expected))
    nothing = held.nearest(
        torch.from_numpy(query), 5, lambda rows, queries: np.zeros((rows.stop - rows.start, 1), bool)
    )
    assert (nothing.index == -1).all()
    assert np.isinf(nothing.distance).all()
