"""Batch-hard mining, against plain loops and against pytorch-metric-learning."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning import distances, losses, miners, reducers

from strongreid.errors import InputError
from strongreid.losses import BatchHardTripletLoss


def slow_triplet_loss(features, person, margin):
    """Hermans et al. 2017 image by image; gives the loss, and its gradient by the chosen pairs (float64)."""
    count = len(features)

    def distance(i, j):
        return max((features[i] - features[j]).norm().item(), 1e-6)

    total, gradient = 0.0, torch.zeros_like(features)
    for anchor in range(count):
        same = [j for j in range(count) if person[j] == person[anchor]]
        other = [j for j in range(count) if person[j] != person[anchor]]
        if not other:
            continue
        far = max(same, key=lambda j: distance(anchor, j))
        near = min(other, key=lambda j: distance(anchor, j))
        gap = distance(anchor, far) - distance(anchor, near)
        if margin is None:
            total += math.log1p(math.exp(gap))
            slope = 1 / (1 + math.exp(-gap))
        else:
            total += max(gap + margin, 0)
            slope = float(gap + margin > 0)
        for j, sign in ((far, slope), (near, -slope)):
            if distance(anchor, j) > 1e-6:
                direction = (features[anchor] - features[j]) / distance(anchor, j)
                gradient[anchor] += sign * direction / count
                gradient[j] -= sign * direction / count
    return total / count, gradient


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=14),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.3, 2.0, None]),
    st.booleans(),
    st.integers(0, 999),
)
def test_loss_and_gradient_are_those_of_the_plain_loop_for_any_counts(person, dim, margin, repeated, seed):
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(len(person), dim, generator=rng, dtype=torch.float64)
    if repeated:
        features[-1] = features[0]
    ours = features.clone().requires_grad_()
    loss = BatchHardTripletLoss(margin)(ours, torch.tensor(person))
    loss.backward()
    expected, gradient = slow_triplet_loss(features, person, margin)
    assert loss.dtype == torch.float64
    assert loss.shape == ()
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    if not repeated:  # a repeated image ties with itself, and either of the two may get the gradient
        torch.testing.assert_close(ours.grad, gradient, rtol=1e-9, atol=1e-12)
    assert ours.grad.isfinite().all()


@pytest.mark.parametrize("margin", [0.3, 5.0])
def test_it_agrees_with_pytorch_metric_learning(margin):
    torch.manual_seed(0)
    features, person = torch.randn(32, 16, dtype=torch.float64), torch.arange(8).repeat_interleave(4)
    metric = distances.LpDistance(normalize_embeddings=False)
    miner = miners.BatchHardMiner(distance=metric)
    oracle = losses.TripletMarginLoss(margin=margin, distance=metric, reducer=reducers.MeanReducer())
    theirs, ours = features.clone().requires_grad_(), features.clone().requires_grad_()
    expected = oracle(theirs, person, miner(theirs, person))
    expected.backward()
    loss = BatchHardTripletLoss(margin)(ours, person)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-7, atol=1e-10)


def test_a_single_image_of_a_person_is_its_own_farthest_positive():
    features = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    loss = BatchHardTripletLoss(margin=6.0)(features, torch.tensor([7, 2]))
    assert loss.item() == pytest.approx(1e-6 - 5 + 6, abs=1e-6)


def test_repeated_images_give_finite_gradients_in_float32():
    features = torch.randn(4, 2048).relu().repeat(4, 1).requires_grad_()  # every image four times, twice as another
    person = torch.arange(8).repeat_interleave(2)
    for margin in (0.3, None):
        features.grad = None
        BatchHardTripletLoss(margin)(features, person).backward()
        assert features.grad.isfinite().all()


def test_a_batch_of_one_person_costs_nothing_and_moves_nothing():
    features = torch.randn(5, 3, requires_grad=True)
    loss = BatchHardTripletLoss(margin=None)(features, torch.zeros(5, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
    assert features.grad.eq(0).all()


def test_the_order_of_the_batch_does_not_matter():
    torch.manual_seed(3)
    features, person = torch.randn(12, 5, dtype=torch.float64), torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 3, 2])
    order = torch.randperm(12)
    loss = BatchHardTripletLoss()
    assert loss(features[order], person[order]).item() == pytest.approx(loss(features, person).item(), abs=1e-14)


def test_the_gradient_has_the_same_bits_each_time():
    # Adding up rows by index runs in parallel on CPU and in any order, unless the operation is chosen with care.
    torch.manual_seed(0)
    features, person = torch.randn(64, 2048), torch.arange(16).repeat_interleave(4)
    features[1:] += 5 * features[0]  # hubs: the same images are chosen many times
    gradients = []
    for _ in range(15):
        ours = features.clone().requires_grad_()
        BatchHardTripletLoss(margin=50.0)(ours, person).backward()
        gradients.append(ours.grad)
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_features_are_mined_and_measured_in_float32(kind):
    torch.manual_seed(0)
    features = (torch.randn(16, 512) * 30).to(kind)
    person = torch.arange(4).repeat_interleave(4)
    ours = features.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = BatchHardTripletLoss()(ours, person)
    loss.backward()
    expected, _ = slow_triplet_loss(features.double(), person.tolist(), 0.3)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert ours.grad.isfinite().all()


def test_a_nan_in_the_features_is_not_hidden():
    features = torch.randn(6, 4)
    features[2, 1] = torch.nan
    assert BatchHardTripletLoss()(features, torch.tensor([0, 0, 1, 1, 2, 2])).isnan()


@pytest.mark.parametrize("margin", [-0.1, float("nan")])
def test_a_margin_below_zero_is_refused(margin):
    with pytest.raises(InputError, match="margin"):
        BatchHardTripletLoss(margin)


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(InputError, match=r"\[4, 3\] and \[5\]"):
        BatchHardTripletLoss()(torch.zeros(4, 3), torch.zeros(5))
    with pytest.raises(InputError, match="features"):
        BatchHardTripletLoss()(torch.zeros(4), torch.zeros(4))
