"""The objective is the plain sum of the losses that are there, each reported under its name."""

import itertools

import pytest
import torch

from strongreid.errors import InputError
from strongreid.losses import BatchHardTripletLoss, CenterLoss, IdentityLoss, Objective


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randn(8, 4), torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])


@pytest.mark.parametrize("present", [kept for kept in itertools.product([True, False], repeat=3) if any(kept)])
def test_the_total_is_the_sum_of_the_terms_that_are_there(batch, present):
    pooled, logits, person = batch
    identity = IdentityLoss() if present[0] else None
    triplet = BatchHardTripletLoss() if present[1] else None
    center = CenterLoss(4, 6) if present[2] else None
    expected = {}
    if identity is not None:
        expected["identity"] = identity(logits, person)
    if triplet is not None:
        expected["triplet"] = triplet(pooled, person)
    if center is not None:
        expected["center"] = center(pooled, person)
    total, terms = Objective(identity, triplet, center)(pooled, logits, person)
    assert list(terms) == list(expected)
    for name, term in terms.items():
        assert term.item() == pytest.approx(expected[name].item(), rel=1e-6)
        assert not term.requires_grad
    assert total.item() == pytest.approx(sum(term.item() for term in expected.values()), rel=1e-6)


def test_each_loss_sends_its_gradient_where_it_belongs(batch):
    pooled, logits, person = batch
    pooled.requires_grad_()
    logits.requires_grad_()
    identity, triplet, center = IdentityLoss(), BatchHardTripletLoss(), CenterLoss(4, 6)
    whole = Objective(identity, triplet, center)
    (centers,) = whole.center_parameters()
    assert list(whole.parameters()) == [centers]
    everything = (pooled, logits, centers)
    found = torch.autograd.grad(whole(pooled, logits, person)[0], everything)
    alone = (identity(logits, person), triplet(pooled, person), center(pooled, person))
    parts = [torch.autograd.grad(loss, everything, allow_unused=True) for loss in alone]
    assert [[part is not None for part in row] for row in parts] == [
        [False, True, False],
        [True, False, False],
        [True, False, True],
    ]
    torch.testing.assert_close(found, (parts[1][0] + parts[2][0], parts[0][1], parts[2][2]))


def test_without_a_center_loss_there_are_no_centers_to_train():
    assert Objective(IdentityLoss(), None, None).center_parameters() == []


def test_an_objective_without_a_loss_is_refused():
    with pytest.raises(InputError, match="at least one"):
        Objective(None, None, None)
