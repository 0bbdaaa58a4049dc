"""The objective is the plain weighted sum of the losses that are there, each reported under its name."""

import itertools

import pytest
import torch
from torch import nn

from strongreid.errors import InputError
from strongreid.losses import BatchHardTripletLoss, CenterLoss, IdentityLoss, Objective, Term


class Norm(nn.Module):
    """A loss of one's own, with a parameter and a buffer."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, features, person):
        return self.scale * features.square().mean() + 0 * person.sum()


@pytest.fixture
def batch():
    torch.manual_seed(0)
    features = {"pooled": torch.randn(8, 6), "necked": torch.randn(8, 6), "logits": torch.randn(8, 4)}
    return features, torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])


def paper():
    return {
        "identity": Term(IdentityLoss(), on="logits"),
        "triplet": Term(BatchHardTripletLoss(), on="pooled"),
        "center": Term(CenterLoss(4, 6), on="pooled"),
    }


@pytest.mark.parametrize("present", [kept for kept in itertools.product([True, False], repeat=3) if any(kept)])
def test_the_total_is_the_sum_of_the_terms_that_are_there(batch, present):
    features, person = batch
    terms = {name: term for (name, term), kept in zip(paper().items(), present, strict=True) if kept}
    objective = Objective(terms)
    expected = {name: term.loss(features[term.on], person).item() for name, term in terms.items()}
    total, found = objective({name: features[name] for name in objective.inputs}, person)
    assert objective.names == tuple(found) == tuple(expected)
    for name, term in found.items():
        assert term.item() == pytest.approx(expected[name], rel=1e-6)
        assert not term.requires_grad
    assert total.item() == pytest.approx(sum(expected.values()), rel=1e-6)


def test_terms_of_weight_1_are_added_up_in_their_order_bit_for_bit(batch):
    features, person = batch
    terms = paper()
    for order in itertools.permutations(terms):
        total, found = Objective({name: terms[name] for name in order})(features, person)
        first, second, third = (terms[name].loss(features[terms[name].on], person) for name in order)
        assert total.equal(first + second + third)
        assert tuple(found) == order


def test_a_weight_multiplies_the_loss_and_its_gradient(batch):
    features, person = batch
    pooled = features["pooled"].requires_grad_()
    plain, weighted = (Objective({"own": Term(Norm(), on="pooled", weight=weight)}) for weight in (1.0, 0.25))
    totals = [objective(features, person) for objective in (plain, weighted)]
    gradients = [torch.autograd.grad(total, pooled)[0] for total, _ in totals]
    assert totals[1][0].item() == totals[1][1]["own"].item() == 0.25 * totals[0][0].item()
    assert gradients[1].equal(0.25 * gradients[0])


def test_each_loss_sends_its_gradient_where_it_belongs(batch):
    features, person = batch
    for feature in features.values():
        feature.requires_grad_()
    terms = paper()
    whole = Objective(terms)
    centers = terms["center"].loss.centers
    assert list(whole.parameters()) == [centers]
    everything = (features["pooled"], features["logits"], centers)
    found = torch.autograd.grad(whole(features, person)[0], everything)
    alone = [term.loss(features[term.on], person) for term in terms.values()]
    parts = [torch.autograd.grad(loss, everything, allow_unused=True) for loss in alone]
    assert [[part is not None for part in row] for row in parts] == [
        [False, True, False],
        [True, False, False],
        [True, False, True],
    ]
    torch.testing.assert_close(found, (parts[1][0] + parts[2][0], parts[0][1], parts[2][2]))


def test_a_loss_of_ones_own_brings_its_parameters_and_buffers_under_its_name():
    state = Objective({"identity": Term(IdentityLoss(), on="logits"), "own": Term(Norm(), on="necked")}).state_dict()
    assert set(state) == {"losses.own.scale", "losses.own.seen"}


def test_what_is_no_objective_is_refused(batch):
    features, person = batch
    with pytest.raises(InputError, match="at least one"):
        Objective({})
    for name in ("", "a.b", "total", "rate", "epoch", "total_steps", "images_per_second", "keys", "training"):
        with pytest.raises(InputError, match="cannot be called"):
            Objective({name: Term(Norm(), on="pooled")})
    for weight in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="`weight`"):
            Term(Norm(), on="pooled", weight=weight)
    with pytest.raises(InputError, match=r"own.*'f_t'.*pooled, necked, logits"):
        Objective({"own": Term(Norm(), on="f_t")})(features, person)
