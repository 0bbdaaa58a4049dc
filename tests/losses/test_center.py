"""The center loss, against the reference's form: weight the loss, then divide the centers' gradient by the weight."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.losses import CenterLoss


def slow_step(features, centers, person, weight, rate):
    """One step of the reference in plain loops: the weighted loss, the features' gradient, the centers after SGD."""
    count, dim = features.shape
    loss, to_features, to_centers = 0.0, torch.zeros_like(features), torch.zeros_like(centers)
    for image in range(count):
        for value in range(dim):
            gap = (features[image, value] - centers[person[image], value]).item()
            loss += weight * gap**2 / count
            to_features[image, value] += weight * 2 * gap / count
            to_centers[person[image], value] -= weight * 2 * gap / count
    to_centers *= 1 / weight  # the surgery between backward and step
    return loss, to_features, centers - rate * to_centers


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=8),
    st.integers(1, 4),
    st.sampled_from([0.0005, 0.1, 3.0]),
    st.integers(0, 999),
)
def test_several_steps_equal_the_references_surgery(person, dim, weight, seed):
    rng = torch.Generator().manual_seed(seed)
    loss_of = CenterLoss(people=4, dim=dim, weight=weight).double()
    with torch.no_grad():
        loss_of.centers.normal_(generator=rng)
    slow_centers = loss_of.centers.detach().clone()
    features = torch.randn(len(person), dim, generator=rng, dtype=torch.float64, requires_grad=True)
    slow_features = features.detach().clone()
    center_optimizer = torch.optim.SGD(loss_of.parameters(), lr=0.5)
    feature_optimizer = torch.optim.SGD([features], lr=0.2)
    for _ in range(4):
        center_optimizer.zero_grad()
        feature_optimizer.zero_grad()
        loss = loss_of(features, torch.tensor(person))
        loss.backward()
        center_optimizer.step()
        feature_optimizer.step()
        expected, to_features, slow_centers = slow_step(slow_features, slow_centers, person, weight, rate=0.5)
        assert loss.item() == pytest.approx(expected, rel=1e-12)
        torch.testing.assert_close(features.grad, to_features, rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(loss_of.centers.detach(), slow_centers, rtol=1e-10, atol=1e-12)
        slow_features = slow_features - 0.2 * to_features


def test_the_centers_start_from_a_standard_normal():
    torch.manual_seed(0)
    centers = CenterLoss(people=500, dim=400).centers
    assert centers.shape == (500, 400)
    assert abs(centers.mean().item()) < 0.01
    assert centers.std().item() == pytest.approx(1, abs=0.01)


def test_the_papers_weight_is_the_default():
    torch.manual_seed(0)
    loss_of = CenterLoss(people=2, dim=3)
    features = torch.randn(4, 3)
    person = torch.tensor([0, 1, 1, 0])
    mean = (features - loss_of.centers[person]).square().sum(1).mean()
    assert loss_of(features, person).item() == pytest.approx(0.0005 * mean.item(), rel=1e-5)


def test_the_gradient_has_the_same_bits_each_time():
    torch.manual_seed(0)
    loss_of, features, person = CenterLoss(2, 4096), torch.randn(128, 4096), torch.zeros(128, dtype=torch.int64)
    gradients = []
    for _ in range(15):
        loss_of.centers.grad = None
        loss_of(features, person).backward()
        gradients.append(loss_of.centers.grad)
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_features_are_raised(kind):
    torch.manual_seed(0)
    loss_of, features = CenterLoss(3, 64).to(kind), (torch.randn(6, 64) * 100).to(kind)
    person = torch.tensor([0, 1, 2, 0, 1, 2])
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(features, person)
    loss.backward()
    expected, _, _ = slow_step(features.double(), loss_of.centers.detach().double(), person.tolist(), 0.0005, 0.5)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert loss_of.centers.grad.isfinite().all()


def test_features_of_another_width_or_count_are_refused():
    loss_of = CenterLoss(people=3, dim=4)
    with pytest.raises(InputError, match=r"\[2, 5\]"):
        loss_of(torch.zeros(2, 5), torch.tensor([0, 1]))
    with pytest.raises(InputError, match=r"\[1, 4\]"):
        loss_of(torch.zeros(1, 4), torch.tensor([0, 1]))
    for wrong in ({"people": 0, "dim": 4}, {"people": 3, "dim": 0}, {"people": 3, "dim": 4, "weight": -1.0}):
        with pytest.raises(InputError):
            CenterLoss(**wrong)
