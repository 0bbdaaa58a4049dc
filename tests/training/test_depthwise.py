"""Depthwise convolutions under a CPU's autocast: computed in float32, everything else in bfloat16."""

import copy

import pytest
import torch
from torch import Tensor, nn

from strongreid.training.depthwise import depthwise_in_float32


def network() -> nn.Sequential:
    """A pointwise, a depthwise and a grouped convolution."""
    torch.manual_seed(0)
    depthwise = nn.Conv2d(8, 16, 3, padding=1, groups=8)
    return nn.Sequential(nn.Conv2d(6, 8, 1), depthwise, nn.Conv2d(16, 8, 3, padding=1, groups=4))


def outputs_in_bfloat16(model: nn.Module, images: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """What goes into and comes out of each convolution, by name."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda _, given, made, name=name: seen.__setitem__(name, (given[0].detach(), made.detach()))
            )
    with torch.autocast("cpu", torch.bfloat16):
        model(images)
    return seen


def test_a_depthwise_convolution_computes_in_float32_and_gives_what_the_others_give() -> None:
    model, images = network(), torch.randn(4, 6, 9, 5, generator=torch.Generator().manual_seed(1))
    depthwise_in_float32(model)
    depthwise_in_float32(model)
    weights = {name: value.detach().clone() for name, value in model.named_parameters()}
    seen = outputs_in_bfloat16(model, images)
    assert {made.dtype for _, made in seen.values()} == {torch.bfloat16}
    for name, groups in (("1", 8), ("2", 4)):
        given, made = seen[name]
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        exact = torch.nn.functional.conv2d(given.double(), weight.double(), bias.double(), padding=1, groups=groups)
        rounded_weight = torch.nn.functional.conv2d(
            given.double(), weight.bfloat16().double(), bias.bfloat16().double(), padding=1, groups=groups
        )
        nearer = (made.double() - exact).abs().mean() < (made.double() - rounded_weight).abs().mean()
        assert bool(nearer) is (name == "1")  # bfloat16 rounds the weights, float32 does not


def test_weights_learn_through_it_and_names_stay() -> None:
    model = network()
    names = list(model.state_dict())
    depthwise_in_float32(model)
    assert list(model.state_dict()) == names
    with torch.autocast("cpu", torch.bfloat16):
        model(torch.randn(2, 6, 9, 5)).float().square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.abs().sum() > 0


def test_without_autocast_nothing_changes() -> None:
    model, images = network(), torch.randn(2, 6, 9, 5)
    as_it_was = copy.deepcopy(model)
    depthwise_in_float32(model)
    copied = copy.deepcopy(model)
    for one in (model, copied):
        assert torch.equal(one(images), as_it_was(images))
        assert one.double()(images.double()).dtype == torch.float64
    assert copied[1].forward.args[0] is copied[1]  # an average of the weights copies the network


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_network_that_is_made_half_as_precise_later_computes_as_ever(dtype: torch.dtype, autocast: bool) -> None:
    as_it_was, images = network().to(dtype), torch.randn(2, 6, 9, 5).to(dtype)
    model = network()
    depthwise_in_float32(model)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert torch.equal(model.to(dtype)(images), as_it_was(images))
    assert model.to("meta")(images.to("meta")).shape == as_it_was(images).shape
