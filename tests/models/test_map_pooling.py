"""Poolings by plain loops, in float64, and what they must not do with half types."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.models import ReIDModel
from strongreid.models.pooling import GeMPooling, MaxAveragePooling, create_pooling


def pooled(values, kind, p):
    """One channel of one image, by loops."""
    numbers = [float(value) for value in values.reshape(-1)]
    average = sum(numbers) / len(numbers)
    match kind:
        case "average":
            return average
        case "max_average":
            return max(numbers) + average
        case "gem":
            return (sum(max(number, 1e-6) ** p for number in numbers) / len(numbers)) ** (1 / p)


@given(
    st.sampled_from(["average", "gem", "max_average"]),
    st.tuples(*(st.integers(1, 4) for _ in range(4))),
    st.floats(0.5, 8),
    st.sampled_from([1e-4, 1.0, 30.0]),
    st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_each_pooling_is_what_its_name_says(kind, shape, p, scale, seed):
    pooling = create_pooling(kind)
    if kind == "gem":
        assert pooling.p.item() == 3
        pooling.p.data.fill_(p)
    values = torch.randn(shape, dtype=torch.float64, generator=torch.manual_seed(seed)) * scale
    found = pooling.double()(values).detach()
    expected = [
        [pooled(channel.numpy(), kind, pooling.p.item() if kind == "gem" else p) for channel in image]
        for image in values
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_gems_power_is_learned_and_its_gradient_is_right():
    pooling = GeMPooling().double()
    values = torch.rand(2, 3, 4, 2, dtype=torch.float64, generator=torch.manual_seed(0)).requires_grad_()
    assert [key for key, value in pooling.named_parameters() if value.requires_grad] == ["p"]
    assert torch.autograd.gradcheck(
        lambda values, p: torch.func.functional_call(pooling, {"p": p}, values), (values, pooling.p)
    )


@pytest.mark.parametrize("kind", ["average", "gem", "max_average"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_come_out_as_float32_without_overflow(kind, dtype):
    values = (torch.rand(2, 3, 16, 8, generator=torch.manual_seed(0)) * 60 + 30).to(
        dtype
    )  # its cube is too much for float16
    with torch.autocast("cpu", torch.bfloat16):
        found = create_pooling(kind)(values)
    assert found.dtype == torch.float32
    expected = create_pooling(kind).double()(values.double())
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("kind", "made"), [("gem", GeMPooling), ("max_average", MaxAveragePooling)])
def test_a_model_pools_so_and_its_file_keeps_it(kind, made, tmp_path):
    torch.manual_seed(0)
    model = ReIDModel(backbone="resnet10_small", people=3, image_size=(64, 32), pooling=kind)
    if kind == "gem":
        model.pooling.p.data.fill_(4.5)
    images = torch.randint(0, 256, (3, 3, 64, 32), dtype=torch.uint8, generator=torch.manual_seed(1))
    model.save(tmp_path / "model.safetensors")
    loaded = ReIDModel.load(tmp_path)
    assert type(loaded.pooling) is made
    assert torch.equal(loaded.embed(images), model.embed(images))
    average = ReIDModel(backbone="resnet10_small", people=3, image_size=(64, 32))
    average.load_state_dict(model.state_dict(), strict=False)
    assert not torch.allclose(average.embed(images), model.embed(images), rtol=1e-2)
    with pytest.raises(InputError, match="Leave `pooling` out"):
        ReIDModel.load(tmp_path, pooling=made())
