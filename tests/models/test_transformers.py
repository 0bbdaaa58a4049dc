"""Vision transformers: patches that overlap, positions of weights at another size, and the camera."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from strongreid.errors import InputError
from strongreid.models import ReIDModel
from strongreid.models.backbones import create_backbone
from strongreid.models.transformers import CAMERA_FACTOR, resize_positions

VIT = "vit_tiny_patch16_224"


def build(name=VIT, image_size=(64, 32), **changes):
    torch.manual_seed(0)
    arguments = {"last_stride": 2, "stem_relu": True, "weights": None, **changes}
    return create_backbone(name, image_size=image_size, **arguments).eval()


def model_of(**changes):
    torch.manual_seed(0)
    return ReIDModel(**{"backbone": VIT, "people": 3, "image_size": (64, 32), "last_stride": 2, **changes}).eval()


def pictures(count, size=(64, 32)):
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=torch.manual_seed(1))


@pytest.mark.parametrize(
    ("image_size", "stride", "grid"),
    [((256, 128), None, (16, 8)), ((256, 128), 12, (21, 10)), ((64, 48), 7, (7, 5)), ((64, 32), 16, (4, 2))],
)
def test_there_is_a_token_for_every_patch_and_one_more(image_size, stride, grid):
    network = build(image_size=image_size, patch_stride=stride)
    rows, columns = grid
    with torch.no_grad():
        tokens = network(torch.zeros(1, 3, *image_size))
    assert tokens.shape == (1, 1 + rows * columns, 192)
    assert network.pos_embed.shape == (1, 1 + rows * columns, 192)
    assert 0.015 < network.pos_embed.std() < 0.025


def test_a_patch_is_what_the_image_has_at_its_place():
    network = build(image_size=(64, 48), patch_stride=12)
    image = torch.randn(1, 3, 64, 48, generator=torch.manual_seed(2))
    with torch.no_grad():
        found = network.patch_embed(image)[0]
    projection = network.patch_embed.proj
    starts = [(top, left) for top in range(0, 64 - 15, 12) for left in range(0, 48 - 15, 12)]
    assert len(starts) == len(found) == 15
    for token, (top, left) in zip(found, starts, strict=True):
        window = image[0, :, top : top + 16, left : left + 16]
        expected = (projection.weight * window).sum((1, 2, 3)) + projection.bias
        torch.testing.assert_close(token, expected.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "stride"),
    [
        ("resnet18", 8),
        ("swin_tiny_patch4_window7_224", 2),
        ("vit_tiny_r_s16_p8_224", 4),
        (VIT, 17),
        (VIT, 0),
        (VIT, -1),
    ],
)
def test_a_patch_stride_that_cannot_be_is_refused(name, stride):
    with pytest.raises(InputError, match="`patch_stride`"):
        build(name, patch_stride=stride)


def test_positions_of_published_weights_are_resized_to_the_image(tmp_path):
    torch.manual_seed(3)
    published = timm.create_model(VIT, num_classes=1000).state_dict()
    ramp = torch.arange(14.0)[:, None].expand(14, 14).reshape(1, 196, 1).expand(1, 196, 192)
    published["pos_embed"] = torch.cat((torch.full((1, 1, 192), 5.0), ramp), dim=1)
    save_file({key: value.contiguous() for key, value in published.items()}, tmp_path / "vit.safetensors")
    for image_size, stride, grid in (
        ((256, 128), None, (16, 8)),
        ((448, 112), None, (28, 7)),
        ((256, 128), 12, (21, 10)),
    ):
        network = build(image_size=image_size, patch_stride=stride, weights=tmp_path / "vit.safetensors")
        positions = network.pos_embed.detach()
        assert torch.equal(positions[0, 0], torch.full((192,), 5.0))
        rows = positions[0, 1:].view(*grid, 192)
        torch.testing.assert_close(rows, rows[:, :1, :1].expand_as(rows))  # a ramp downwards stays one
        middles = (torch.arange(grid[0]) + 0.5) * 14 / grid[0] - 0.5
        torch.testing.assert_close(rows[2:-2, 0, 0], middles[2:-2], rtol=0, atol=0.05)
        kept = [key for key in network.state_dict() if key != "pos_embed"]
        assert all(torch.equal(network.state_dict()[key], published[key]) for key in kept)
    same = build(image_size=(224, 224), weights=tmp_path / "vit.safetensors")
    assert torch.equal(same.pos_embed, published["pos_embed"])


def test_positions_that_fit_are_left_and_others_that_cannot_be_resized_refused(tmp_path):
    state = {key: value.contiguous() for key, value in build(image_size=(128, 32)).state_dict().items()}
    save_file(state, tmp_path / "vit.safetensors")  # 8 x 2 patches, as many as 4 x 4
    again = build(image_size=(128, 32), weights=tmp_path / "vit.safetensors")
    assert torch.equal(again.pos_embed, state["pos_embed"])
    state["pos_embed"] = torch.zeros(1, 1 + 15, 192)
    save_file(state, tmp_path / "vit.safetensors")
    with pytest.raises(InputError, match=r"pos_embed \[1, 16, 192\] in place of \[1, 17, 192\]"):
        build(image_size=(128, 32), weights=tmp_path / "vit.safetensors")


@pytest.mark.parametrize("name", ["vit_small_patch14_reg4_dinov2", "deit3_small_patch16_224"])
def test_tokens_that_are_no_patches_are_left_out_of_it(name, tmp_path):
    size = timm.get_pretrained_cfg(name).input_size[1:]
    first = build(name, image_size=size)
    save_file({key: value.contiguous() for key, value in first.state_dict().items()}, tmp_path / "vit.safetensors")
    network = build(name, image_size=(112, 56), weights=tmp_path / "vit.safetensors")
    side = network.patch_embed.patch_size[0]
    rows, columns = 112 // side, 56 // side
    others = network.pos_embed.shape[1] - rows * columns
    assert others == first.pos_embed.shape[1] - (size[0] // side) ** 2
    assert torch.equal(network.pos_embed[:, :others], first.pos_embed[:, :others])


def test_a_model_of_ours_starts_from_one_of_another_size_and_stride(tmp_path):
    first = model_of(image_size=(128, 32))  # 8 x 2
    first.save(tmp_path / "model.safetensors")
    second = model_of(image_size=(64, 64), weights=tmp_path / "model.safetensors")  # 4 x 4: as many
    assert torch.equal(second.backbone.pos_embed, resize_positions(first.backbone.pos_embed, (8, 2), (4, 4)))
    assert not torch.equal(second.backbone.pos_embed, first.backbone.pos_embed)
    third = model_of(image_size=(128, 32), patch_stride=8, cameras=4, weights=tmp_path / "model.safetensors")
    third.save(tmp_path / "third.safetensors")
    assert third.backbone.network.pos_embed.shape[1] == 1 + 15 * 3
    back = model_of(image_size=(128, 32), cameras=2, weights=tmp_path / "third.safetensors")
    expected = resize_positions(third.backbone.network.pos_embed, (15, 3), (8, 2))
    assert torch.equal(back.backbone.network.pos_embed, expected)
    images = pictures(3, (128, 32))
    loaded = ReIDModel.load(tmp_path / "third.safetensors")
    assert torch.equal(loaded.embed(images, camera=[0, 3, -1]), third.embed(images, camera=[0, 3, -1]))


def test_a_model_of_ours_whose_patches_are_of_a_map_starts_at_its_own_size_only(tmp_path):
    name = "vit_tiny_r_s16_p8_224"
    model_of(backbone=name).save(tmp_path / "model.safetensors")
    again = model_of(backbone=name, weights=tmp_path / "model.safetensors")
    assert torch.equal(again.backbone.pos_embed, ReIDModel.load(tmp_path).backbone.pos_embed)
    with pytest.raises(InputError, match=r"pos_embed \[1, 3, 192\] in place of"):
        model_of(backbone=name, image_size=(128, 64), weights=tmp_path / "model.safetensors")


def test_swins_table_is_cropped_to_the_offsets_of_a_smaller_window(tmp_path):
    name = "swin_tiny_patch4_window7_224"
    published = build(name, image_size=(224, 224))
    save_file({key: value.contiguous() for key, value in published.state_dict().items()}, tmp_path / "swin.safetensors")
    network = build(name, image_size=(256, 128), weights=tmp_path / "swin.safetensors")
    ours, theirs = (net.get_submodule("layers.3.blocks.0.attn") for net in (network, published))
    assert ours.window_size == (7, 4)
    assert theirs.window_size == (7, 7)
    with torch.no_grad():
        bias, whole = ours._get_rel_pos_bias()[0], theirs._get_rel_pos_bias()[0]
    for one, other in np.ndindex(28, 28):
        (row, column), (other_row, other_column) = divmod(one, 4), divmod(other, 4)
        assert torch.equal(bias[:, one, other], whole[:, row * 7 + column, other_row * 7 + other_column])
    kept = [name for name in published.state_dict() if not name.startswith("layers.3") or "table" not in name]
    assert all(torch.equal(network.state_dict()[name], published.state_dict()[name]) for name in kept)


def test_the_cameras_embedding_is_added_to_every_token_before_the_blocks():
    network = build(cameras=3)
    images = torch.randn(4, 3, 64, 32, generator=torch.manual_seed(4))
    embedding = network.camera_embedding.detach().normal_()
    seen = []
    network.network.blocks.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        plain = network.network(images)
        with_camera = network(images, torch.tensor([2, 0, -1, 1]))
        without = network(images, None)
    before, told, not_told = seen
    for index, added in enumerate((embedding[2], embedding[0], embedding.mean(0), embedding[1])):
        torch.testing.assert_close(told[index], before[index] + CAMERA_FACTOR * added, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(not_told, before + CAMERA_FACTOR * embedding.mean(0), rtol=1e-5, atol=1e-5)
    assert with_camera.shape == plain.shape == without.shape
    with torch.no_grad():
        embedding.zero_()
        assert torch.equal(network(images, torch.tensor([2, 0, -1, 1])), plain)


def test_a_model_is_told_the_camera_and_only_those_that_it_knows():
    model, images = model_of(cameras=3), pictures(2)
    model.backbone.camera_embedding.data.normal_()
    assert model.takes_camera
    one, other = model.embed(images, camera=[0, 1]), model.embed(images, camera=[2, 1])
    assert not torch.allclose(one[0], other[0], atol=1e-3)
    assert torch.equal(one[1], other[1])
    torch.testing.assert_close(model.embed(images), model.embed(images, camera=[-1, -1]))
    assert model.embed(pictures(0), camera=[]).shape == (0, 192)
    for wrong in ([0, 3], [-2, 0]):
        with pytest.raises(InputError, match=r"knows the cameras 0 to 2, and -1"):
            model.embed(images, camera=wrong)


def test_every_cameras_embedding_learns_from_its_own_images():
    model = model_of(cameras=3).train()
    model(torch.randn(4, 3, 64, 32), torch.tensor([0, 2, 2, 0])).pooled[:, :5].sum().backward()
    gradient = model.backbone.camera_embedding.grad
    assert gradient[[0, 2]].any(1).all()
    assert not gradient[1].any()


@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224", "osnet_x0_25"])
def test_another_network_cannot_be_told_the_camera(name):
    with pytest.raises(InputError, match=f"{name} is no ViT"):
        build(name, cameras=3)
