"""Stem and weights of the backbone."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from strongreid.errors import InputError
from strongreid.models.backbones import create_backbone
from strongreid.tables.spec import read_table


def build(name, last_stride=2, stem_relu=True, weights=None, seed=0, image_size=(256, 128)):
    torch.manual_seed(seed)
    return create_backbone(name, image_size=image_size, last_stride=last_stride, stem_relu=stem_relu, weights=weights)


@pytest.mark.parametrize("name", ["resnet18", "resnet10_small", "legacy_seresnet18"])
def test_without_the_stem_relu_the_first_stage_sees_negative_values(name):
    with_relu, without = build(name).eval(), build(name, stem_relu=False).eval()
    pool = "pool0" if name.startswith("legacy") else "maxpool"
    seen = {}
    for kind, network in (("with", with_relu), ("without", without)):
        network.get_submodule(pool).register_forward_hook(
            lambda module, inputs, output, kind=kind: seen.update({kind: inputs[0]})
        )
        with torch.no_grad():
            network(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
    assert seen["without"].min() < 0
    assert torch.equal(seen["without"].relu(), seen["with"])
    assert list(without.state_dict()) == list(with_relu.state_dict())


def test_a_backbone_without_a_stem_relu_says_so():
    for name in ("densenet121", "resnetv2_50", "convnext_atto"):
        with pytest.raises(InputError, match=f"{name} has no ReLU"):
            build(name, stem_relu=False)


@pytest.mark.parametrize("name", ["resnet5O", "hf-hub:timm/resnet50", "resnet50.no_such_tag", ""])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(InputError, match="There is no backbone"):
        build(name)


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"Did you mean .*resnet50"):
        build("resnet5O")


@pytest.mark.parametrize(
    "name", ["resnet10_small", "resnet18", "resnet50", "seresnet50", "res2net50_26w_4s", "regnetx_002", "gcresnet33ts"]
)
def test_from_random_weights_every_branch_takes_part_in_the_first_forward_pass(name):
    network, silent, seen = build(name, image_size=(64, 32)), [], []
    for key, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            seen.append(key)
            module.register_forward_hook(
                lambda module, inputs, output, key=key: silent.append(key) if not output.any() else None
            )
    network(torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(1)))
    assert seen
    assert not silent


def test_weights_of_a_file_stay_as_they_are_even_where_they_are_zero(tmp_path):
    torch.manual_seed(5)
    state = timm.create_model("resnet18", num_classes=0).state_dict()
    assert not state["layer1.0.bn2.weight"].any()
    save_file(state, tmp_path / "weights.safetensors")
    loaded = build("resnet18", weights=tmp_path / "weights.safetensors").state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in state.items())


@pytest.mark.parametrize(
    "name",
    [row.values["model.backbone"] for row in read_table("backbones").rows],
)
def test_a_training_pass_of_the_papers_backbones_leaves_nothing_to_chance(name):
    network = build(name, image_size=(64, 32))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(network(images), network(images))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_local_state_dict_with_its_classifier_is_loaded(tmp_path, suffix):
    torch.manual_seed(5)
    state = timm.create_model("resnet18", num_classes=1000).state_dict()
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        # As torchvision's oldest files: without the counters.
        torch.save({key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}, file)
    else:
        save_file(state, file)
    network = build("resnet18", last_stride=1, weights=file)
    loaded = network.state_dict()
    assert set(state) - set(loaded) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(value, state[key]) for key, value in loaded.items())


def test_weights_of_another_architecture_are_refused_with_the_keys(tmp_path):
    file = tmp_path / "weights.pth"
    torch.save(build("resnet18").state_dict(), file)
    with pytest.raises(
        InputError, match=r"another architecture.*Missing: conv1\.0\.weight.*Unexpected: conv1\.weight, layer1\.1\."
    ):
        build("resnet10_small", weights=file)
    narrow = build("resnet18").state_dict()
    narrow["layer2.0.conv1.weight"] = torch.zeros(3, 3)
    torch.save(narrow, file)
    with pytest.raises(InputError, match=r"layer2\.0\.conv1\.weight \[3, 3\] in place of \[128, 64, 3, 3\]"):
        build("resnet18", weights=file)
