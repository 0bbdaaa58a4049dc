import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.evaluation.ground_truth import Pairs
from strongreid.evaluation.ranking import _keys, match_ranks, most_queries

HOSTILE = [0.0, -0.0, 1e-45, -1e-7, 1.0, float(np.nextafter(np.float32(1), np.float32(2))), 3e38, -3e38, np.inf]


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 60),
    queries=st.integers(1, 7),
    kind=st.sampled_from(["hostile", "normal", "steps", "one far", "equal"]),
)
def test_ranks_are_places_in_a_stable_sort(seed: int, images: int, queries: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    shape = (images, queries)
    distances = {
        "hostile": lambda: rng.choice(HOSTILE, shape),
        "normal": lambda: rng.normal(size=shape),
        "steps": lambda: rng.integers(0, 4, shape),
        "one far": lambda: np.where(rng.random(shape) < 0.1, 1e30, rng.random(shape)),
        "equal": lambda: np.full(shape, 0.7),
    }[kind]().astype(np.float32)
    match = rng.random(shape) < 0.3
    match[rng.integers(0, images), :] = True
    distances[match & np.isinf(distances)] = 2.0
    gallery, query = (index.astype(np.int64) for index in np.nonzero(match))
    order = np.argsort(query, kind="stable")
    pairs = Pairs(query[order], gallery[order])
    expected = []
    for q, g in zip(pairs.query, pairs.gallery, strict=True):
        keys = sorted((float(d), i) for i, d in enumerate(distances[:, q]))
        expected.append(keys.index((float(distances[g, q]), g)) + 1)
    ranks = match_ranks(torch.from_numpy(distances), pairs).tolist()
    assert list(zip(pairs.query, ranks, strict=True)) == sorted(zip(pairs.query, expected, strict=True))


@pytest.mark.parametrize("images", [1, 2, 15_913, 2**20 + 1, 2**28])
def test_keys_of_the_largest_block_fit_into_64_bits_and_order_as_they_should(images: int) -> None:
    queries, bits = most_queries(images), max(images - 1, 1).bit_length()
    places = [
        (query, distance, image)
        for query in sorted({0, queries - 1})
        for distance in (-3e38, -0.0, 0.0, 3e38, math.inf)
        for image in sorted({0, images - 1})
    ]
    query, distance, image = zip(*places, strict=True)
    keys = _keys(torch.tensor(query), torch.tensor(distance), torch.tensor(image), bits).tolist()
    assert sorted(range(len(keys)), key=keys.__getitem__) == sorted(range(len(places)), key=places.__getitem__)
    assert queries >= 1


@pytest.mark.parametrize("kind", ["near", "far", "found"])
def test_ranks_in_large_blocks_are_those_of_a_sort(kind: str) -> None:
    rng = torch.Generator().manual_seed(0)
    distances = torch.rand((9_000, 300), generator=rng)
    distances = (distances * 4096).round() / 4096  # ties
    if kind == "far":
        distances[:8_000] += 1
    gallery = torch.randint(8_000 if kind == "far" else 0, 9_000, (300, 9), generator=rng)
    pairs = Pairs(np.repeat(np.arange(300), 9), gallery.numpy().reshape(-1))
    if kind == "found":  # hardly any image is nearer than a query's last match
        distances[pairs.gallery, pairs.query] = (torch.rand(len(pairs.query), generator=rng) * 64).round() / 1024
    place = torch.empty((9_000, 300), dtype=torch.int64)
    place.scatter_(0, distances.sort(dim=0, stable=True).indices, torch.arange(1, 9_001)[:, None].expand(-1, 300))
    expected = place[pairs.gallery, pairs.query].view(300, 9).sort(dim=1).values
    assert match_ranks(distances, pairs).tolist() == expected.view(-1).tolist()
