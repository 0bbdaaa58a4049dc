"""The model: pooling, neck, classifier, embedding, and its file."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from strongreid.errors import InputError
from strongreid.models import ReIDModel, embed, read_header
from strongreid.pixels import normalise, read_image, resize


def small(**changes):
    torch.manual_seed(0)
    arguments = {"backbone": "resnet10_small", "people": 5, "image_size": (64, 32), **changes}
    model = ReIDModel(**arguments)
    for module in model.modules():  # as after some training: nothing is at its first value
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
    return model


def pictures(count, height=50, width=30, seed=0):
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=torch.manual_seed(seed))


def test_pooled_is_the_mean_of_the_map_and_necked_is_its_batch_norm():
    model = small().train()
    images = torch.randn(6, 3, 64, 32)
    with torch.no_grad():
        features = model(images)
        maps = model.backbone(images)
    pooled = np.array([[channel.double().mean().item() for channel in image] for image in maps])
    np.testing.assert_allclose(features.pooled, pooled, rtol=1e-5, atol=1e-6)
    weight = model.neck.weight.detach().double().numpy()
    necked = weight * (pooled - pooled.mean(0)) / np.sqrt(pooled.var(0) + 1e-5)
    np.testing.assert_allclose(features.necked, necked, rtol=1e-3, atol=1e-4)
    logits = necked @ model.classifier.weight.detach().double().numpy().T
    np.testing.assert_allclose(features.logits, logits, rtol=1e-3, atol=1e-5)


def test_without_a_neck_necked_is_pooled_and_the_classifier_is_pytorchs_own():
    torch.manual_seed(0)
    model = ReIDModel(backbone="resnet10_small", people=700, neck="none")
    features = model(torch.randn(2, 3, 64, 32))
    assert features.necked is features.pooled
    assert model.classifier.bias is not None
    bound = 256**-0.5
    assert model.classifier.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert model.classifier.bias.abs().max().item() == pytest.approx(bound, rel=0.05)


def test_bnneck_starts_as_in_the_paper():
    torch.manual_seed(0)
    model = ReIDModel(backbone="resnet10_small", people=700)
    assert model.neck.weight.eq(1).all()
    assert model.neck.bias.eq(0).all()
    assert model.classifier.bias is None
    assert model.classifier.weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert abs(model.classifier.weight.mean().item()) < 1e-5


def test_the_necks_bias_stays_zero_after_optimiser_steps():
    model = small().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    before = model.neck.weight.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(6, 3, 64, 32)).logits, torch.arange(6) % 5).backward()
        optimizer.step()
    assert model.neck.bias.eq(0).all()
    assert not model.neck.bias.requires_grad
    assert not torch.equal(model.neck.weight, before)


def test_pooled_and_necked_are_float32_under_autocast():
    model = small().eval()
    images = torch.randn(3, 3, 64, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = model(images)
        average = model.backbone(images).double().mean((2, 3))
    assert features.pooled.dtype == features.necked.dtype == torch.float32
    torch.testing.assert_close(features.pooled.double(), average, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("feature", ["pooled", "necked"])
def test_embed_resizes_normalises_and_gives_the_feature_asked_for(feature):
    model = small(feature=feature).eval()
    images = pictures(5)
    rows = [resize(Image.fromarray(image.permute(1, 2, 0).numpy()), (64, 32)) for image in images]
    with torch.no_grad():
        expected = getattr(model(normalise(torch.from_numpy(np.stack(rows)))), feature)
    found = model.embed(images, batch_size=2)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert not torch.equal(
        model(normalise(torch.from_numpy(np.stack(rows)))).pooled, model(torch.zeros(5, 3, 64, 32))[0]
    )


def test_embed_changes_nothing_in_the_model_and_puts_its_modes_back():
    model = small().train()
    model.backbone.eval()  # a user's own choice
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.embed(pictures(3))
    assert model.training
    assert model.neck.training
    assert not model.backbone.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_embed_of_no_images_is_empty_and_of_other_things_is_refused():
    model = small()
    assert model.embed(pictures(0)).shape == (0, 256)
    assert embed(model, []).shape == (0, 256)
    for wrong in (torch.zeros(1, 3, 8, 8), pictures(1)[0], pictures(1)[:, :2]):
        with pytest.raises(InputError, match="uint8"):
            model.embed(wrong)
    with pytest.raises(InputError, match="batch size"):
        model.embed(pictures(1), batch_size=0)


def test_embed_of_files_keeps_their_order_and_reports_progress(tmp_path):
    model = small()
    paths = [tmp_path / f"{index}.png" for index in range(7)]
    for index, path in enumerate(paths):
        Image.fromarray(pictures(1, 40 + index, 20, seed=index)[0].permute(1, 2, 0).numpy()).save(path)
    done = []
    found = embed(model, paths, batch_size=3, progress=done.append)
    assert done == [3, 6, 7]
    for path, row in zip(paths, found, strict=True):
        alone = model.embed(torch.from_numpy(read_image(path))[None])[0]
        torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-5)


def test_embed_names_the_image_that_cannot_be_read(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"broken\.jpg"):
        embed(small(), [tmp_path / "broken.jpg"])
    with pytest.raises(InputError, match=r"missing\.jpg"):
        embed(small(), [str(tmp_path / "missing.jpg")])
    with pytest.raises(InputError, match="brackets"):
        embed(small(), str(tmp_path / "one.jpg"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"last_stride": 2, "stem_relu": False, "neck": "none", "feature": "pooled", "metric": "euclidean"},
        {"backbone": "resnet18", "image_size": (96, 48), "feature": "pooled"},
    ],
)
def test_a_saved_model_comes_back_bit_for_bit_from_its_file_alone(tmp_path, changes, monkeypatch):
    model = small(**changes).to(memory_format=torch.channels_last)
    model.save(tmp_path / "run" / "model.safetensors", {"note": "as saved"})
    monkeypatch.setattr("strongreid.models.weights.answers", lambda address: pytest.fail("asked the network"))
    state = torch.get_rng_state()
    for path in (tmp_path / "run", str(tmp_path / "run" / "model.safetensors")):
        loaded = ReIDModel.load(path)
        assert loaded.arguments == model.arguments
        assert (loaded.image_size, loaded.feature, loaded.metric) == (model.image_size, model.feature, model.metric)
        assert not any(module.training for module in loaded.modules())
        assert list(loaded.state_dict()) == list(model.state_dict())
        assert all(torch.equal(value, model.state_dict()[key]) for key, value in loaded.state_dict().items())
        frozen = [key for key, value in loaded.named_parameters() if not value.requires_grad]
        assert frozen == [key for key, value in model.named_parameters() if not value.requires_grad]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(loaded.embed(pictures(2)), model.to(memory_format=torch.contiguous_format).embed(pictures(2)))
    header = read_header(tmp_path / "run")
    assert header["note"] == "as saved"
    assert json.loads(header["strongreid"])["arguments"]["image_size"] == list(model.image_size)


def test_a_failed_save_leaves_nothing_behind(tmp_path):
    with pytest.raises(InputError, match="strongreid"):
        small().save(tmp_path / "model.safetensors", {"strongreid": "mine"})
    with pytest.raises(TypeError):
        small().save(tmp_path / "model.safetensors", {"epoch": 3})
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_no_model_are_clear_errors(tmp_path):
    file = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="It holds: nothing"):
        ReIDModel.load(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"holds no model\.safetensors\. It holds: notes\.txt"):
        ReIDModel.load(tmp_path)
    with pytest.raises(InputError, match="There is no model"):
        ReIDModel.load(file)
    save_file({"weight": torch.zeros(2)}, file)
    with pytest.raises(InputError, match="was not written by strongreid"):
        ReIDModel.load(file)
    small().save(file)
    content = file.read_bytes()
    for bad in (b"", content[:4], content[:100], content[: len(content) // 2], content[:-1]):
        file.write_bytes(bad)
        with pytest.raises(InputError, match="cut short"):
            ReIDModel.load(file)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": 1}', "damaged"),
        ('{"format": 1, "arguments": {"image_size": 3}}', "damaged"),
        ('{"format": 2, "arguments": {}}', "format 2"),
        ('{"format": 1, "arguments": {"image_size": [4, 2], "new": 1}}', "lacks the arguments backbone, people .* new"),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": 2, "a": 1, "b": 2}}', "unknown arguments a, b"),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": "2"}}', "people cannot be"),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": true}}', "people cannot be"),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": 2, "neck": []}}', "neck cannot be"),
        (
            '{"format": 1, "arguments": {"backbone": ["a"], "people": 2, "image_size": "ab"}}',
            "backbone, image_size cannot",
        ),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": 2, "mean": [0.5, 0.5]}}', "mean cannot be"),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": 2, "std": [1, 1, "1"]}}', "std cannot be"),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": 2, "std": [1, 1, 0]}}', "`std` is .*above 0"),
        ('{"format": 1, "arguments": 3}', "damaged"),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": 2}, "objects": 3}', "damaged"),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": 2}, "objects": ["head"]}', "unknown .* head"),
        ('{"format": 1, "arguments": {"backbone": "resnet18", "people": 2}, "objects": [5]}', "objects cannot be"),
        (
            '{"format": 1, "arguments": {"backbone": "resnet18", "people": 2}, "objects": ["a", []]}',
            "objects cannot be",
        ),
        (
            '{"format": 1, "arguments": {"backbone": "resnet18", "people": 2}, "objects": "pooling"}',
            "objects cannot be",
        ),
        ('{"format": 1, "arguments": {"backbone": [5], "people": 2}, "objects": ["backbone"]}', "backbone cannot be"),
    ],
)
def test_a_foreign_header_is_a_clear_error(tmp_path, header, message):
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors", metadata={"strongreid": header})
    with pytest.raises(InputError, match=message):
        ReIDModel.load(tmp_path)


def test_arguments_with_defaults_may_be_missing_from_a_header(tmp_path):
    file = tmp_path / "model.safetensors"
    model = small(image_size=(256, 128))
    model.save(file)
    arguments = json.loads(read_header(file)["strongreid"])["arguments"]
    later = ("pooling", "mean", "std", "patch_stride", "cameras", "interpolation", "unit_length")
    first_version = {name: value for name, value in arguments.items() if name not in later}
    assert set(first_version) == {
        "backbone", "people", "last_stride", "stem_relu", "neck", "image_size", "feature", "metric"
    }  # fmt: skip
    for kept in (first_version, {"backbone": "resnet10_small", "people": 5}):
        header = json.dumps({"format": 1, "arguments": kept})
        save_file(model.state_dict(), file, metadata={"strongreid": header})
        loaded = ReIDModel.load(file)
        assert loaded.arguments == model.arguments
        assert torch.equal(loaded.embed(pictures(2)), model.embed(pictures(2)))


class Half(nn.Module):
    """A pooling that makes shorter features: the first half of the channels, at one place."""

    def forward(self, feature_map):
        return feature_map[:, : feature_map.shape[1] // 2, 0, 0]


def test_objects_are_given_again_when_a_model_is_loaded(tmp_path):
    file = tmp_path / "model.safetensors"
    own = small(backbone=nn.Conv2d(3, 8, 3, stride=2), pooling=Half())
    assert own.width == 4
    own.save(file)
    header = json.loads(read_header(file)["strongreid"])
    assert header["objects"] == ["backbone", "pooling"]
    assert (header["arguments"]["backbone"], header["arguments"]["pooling"]) == ("Conv2d", "Half")
    loaded = ReIDModel.load(file, backbone=nn.Conv2d(3, 8, 3, stride=2), pooling=Half())
    assert torch.equal(loaded.embed(pictures(3)), own.embed(pictures(3)))
    with pytest.raises(InputError, match=r"made with Half as its pooling.*pooling=\.\.\."):
        ReIDModel.load(file, backbone=nn.Conv2d(3, 8, 3, stride=2))
    with pytest.raises(InputError, match=r"made with Conv2d as its backbone.*backbone=\.\.\."):
        ReIDModel.load(file, pooling=Half())
    with pytest.raises(InputError, match="another architecture"):
        ReIDModel.load(file, backbone=nn.Conv2d(3, 8, 5), pooling=Half())
    small().save(file)
    with pytest.raises(InputError, match=r"average as its pooling.*Leave `pooling` out"):
        ReIDModel.load(file, pooling=Half())


def test_parts_that_do_not_fit_together_are_refused():
    class Flat(nn.Module):
        def forward(self, feature_map):
            return feature_map.mean((1, 2, 3))

    with pytest.raises(InputError, match=r"pooling Flat makes \[1\]"):
        small(pooling=Flat())
    with pytest.raises(InputError, match="pooling Linear does not take maps"):
        small(pooling=nn.Linear(3, 4))
    for changes in ({"stem_relu": False}, {"weights": "imagenet"}):
        with pytest.raises(InputError, match=r"`weights` and `stem_relu`.*Conv2d"):
            small(backbone=nn.Conv2d(3, 8, 3), **changes)
    with pytest.raises(InputError, match="Conv2d does not take images of 64 x 32"):
        small(backbone=nn.Conv2d(4, 8, 3))


class Seen(nn.Module):
    """A backbone that adds the camera to the mean colour."""

    takes_camera = True

    def forward(self, images, camera):
        colors = images.mean((2, 3))
        return colors if camera is None else colors + camera[:, None]


def test_the_camera_goes_to_a_backbone_that_wants_it_and_past_others(tmp_path):
    model = small(backbone=Seen(), neck="none", feature="pooled").eval()
    images = pictures(5)
    plain = model.embed(images)
    for camera in (np.array([0, 1, 2, 3, 4]), torch.arange(5, dtype=torch.int32), [0, 1, 2, 3, 4]):
        assert torch.equal(model.embed(images, camera=camera, batch_size=2), plain + torch.arange(5)[:, None])
    paths = []
    for index, image in enumerate(images):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(paths[-1])
    assert torch.equal(
        embed(model, paths, camera=[4, 3, 2, 1, 0], batch_size=2), plain + torch.arange(4, -1, -1)[:, None]
    )
    usual = small()
    assert not usual.takes_camera
    assert torch.equal(usual.embed(images, camera=[0, 1, 2, 3, 4]), usual.embed(images))
    for wrong in ([0, 1], [0.5] * 5, [[0]] * 5):
        with pytest.raises(InputError, match=r"`camera` must be integers \[5\]"):
            model.embed(images, camera=wrong)


@pytest.mark.parametrize("changes", [{"people": 6}, {"backbone": "resnet18"}, {"neck": "none"}])
def test_weights_of_another_architecture_than_the_headers_are_refused(tmp_path, changes):
    small(**changes).save(tmp_path / "other.safetensors")
    state = small().state_dict()
    header = read_header(tmp_path / "other.safetensors")
    save_file(state, tmp_path / "model.safetensors", metadata=header)
    with pytest.raises(InputError, match="another architecture"):
        ReIDModel.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"last_stride": 3}, "`last_stride` is 3"),
        ({"neck": "batchnorm"}, "`neck` is 'batchnorm'"),
        ({"feature": "f_t"}, "`feature` is 'f_t'"),
        ({"metric": "l1"}, "`metric` is 'l1'"),
        ({"people": 0}, "people"),
        ({"image_size": (0, 64)}, "image_size"),
        ({"pooling": "max"}, "`pooling` is 'max'"),
    ],
)
def test_arguments_outside_their_range_are_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        small(**changes)
