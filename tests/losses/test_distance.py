"""Distances between features, against plain loops in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.losses import pairwise_euclidean


def slow_distances(a, b):
    return [[max(math.sqrt(sum((x - y) ** 2 for x, y in zip(p, q, strict=True))), 1e-6) for q in b] for p in a]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 40), st.sampled_from([1e-3, 1.0, 1e4]), st.integers(0, 999))
def test_each_distance_is_the_root_of_the_summed_squares(n, m, dim, scale, seed):
    rng = torch.Generator().manual_seed(seed)
    a = torch.randn(n, dim, generator=rng, dtype=torch.float64) * scale
    b = torch.randn(m, dim, generator=rng, dtype=torch.float64) * scale
    expected = torch.tensor(slow_distances(a.tolist(), b.tolist()), dtype=torch.float64)
    found = pairwise_euclidean(a, b)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    single = pairwise_euclidean(a.float(), b.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=1e-9)


def test_equal_rows_far_from_the_origin_stay_exactly_at_the_clamp():
    rows = (100 + torch.randn(3, 2048)).repeat(2, 1)
    distance = pairwise_euclidean(rows, rows)
    assert distance.diagonal().eq(1e-6).all()
    assert distance[:3, 3:].diagonal().eq(1e-6).all()


def test_the_gradient_is_that_of_the_plain_formula_and_zero_where_rows_are_equal():
    torch.manual_seed(1)
    rows = torch.randn(5, 7, dtype=torch.float64)
    rows[3] = rows[0]
    slope = torch.randn(5, 5, dtype=torch.float64)
    ours = rows.clone().requires_grad_()
    (pairwise_euclidean(ours, ours) * slope).sum().backward()
    expected = torch.zeros_like(rows)
    for i in range(5):
        for j in range(5):
            gap = rows[i] - rows[j]
            if (length := gap.norm()) > 1e-6:
                expected[i] += slope[i, j] * gap / length
                expected[j] -= slope[i, j] * gap / length
    torch.testing.assert_close(ours.grad, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_types_are_raised_before_they_overflow(kind):
    rows = torch.full((2, 2048), 40.0, dtype=kind)
    rows[1] = -40  # the squared distance is 13 million: beyond float16
    assert pairwise_euclidean(rows, rows)[0, 1] == pytest.approx(80 * 2048**0.5, rel=1e-5)


def test_autocast_does_not_lower_the_precision():
    rows = torch.randn(6, 33)
    with torch.autocast("cpu", torch.bfloat16):
        inside = pairwise_euclidean(rows, rows)
    assert torch.equal(inside, pairwise_euclidean(rows, rows))
