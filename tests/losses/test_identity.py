"""The identity loss, against the formula of Luo et al. 2019, section 3.3, in plain loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.losses import IdentityLoss


def slow_identity_loss(logits, person, smoothing):
    total = 0.0
    for row, truth in zip(logits, person, strict=True):
        top = max(row)
        log_sum = top + math.log(sum(math.exp(value - top) for value in row))
        for index, value in enumerate(row):
            target = (1 - smoothing) * (index == truth) + smoothing / len(row)
            total -= target * (value - log_sum)
    return total / len(logits)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.floats(0, 0.9), st.sampled_from([0.1, 1.0, 100.0]), st.integers(0, 999))
def test_it_is_the_smoothed_cross_entropy(images, people, smoothing, scale, seed):
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, people, generator=rng, dtype=torch.float64) * scale
    person = torch.randint(people, (images,), generator=rng)
    loss = IdentityLoss(smoothing)(logits, person)
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(slow_identity_loss(logits.tolist(), person.tolist(), smoothing), abs=1e-10)


def test_the_papers_smoothing_is_the_default():
    logits, person = torch.randn(4, 5), torch.tensor([0, 4, 2, 2])
    assert torch.equal(IdentityLoss()(logits, person), IdentityLoss(label_smoothing=0.1)(logits, person))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_logits_are_raised(kind):
    logits, person = torch.randn(8, 700).to(kind), torch.arange(8)
    with torch.autocast("cpu", torch.bfloat16):
        loss = IdentityLoss()(logits, person)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(slow_identity_loss(logits.tolist(), person.tolist(), 0.1), rel=1e-5)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_a_smoothing_outside_its_range_is_refused(smoothing):
    with pytest.raises(InputError, match="label_smoothing"):
        IdentityLoss(smoothing)
