"""What each consumer's file is: sizes, names, metadata, side files; and what is refused, with nothing written."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
import yaml

from strongreid.errors import InputError
from strongreid.export import Card, Consumer, card_path, export_model, profile_for, settings_for
from strongreid.export.consumers.boxmot import BOXMOT
from strongreid.export.consumers.ultralytics import ULTRALYTICS
from strongreid.export.graph import ExportGraph
from strongreid.export.onnx_model import OnnxModel
from strongreid.export.pixels_in import PixelInput
from strongreid.export.profile import Exported, Format, Profile
from strongreid.export.proof import drawn_pictures
from strongreid.models import Calibrated, CalibratedOn, ReIDModel
from strongreid.models.model_file import Metric
from strongreid.runs.used_model import used_onnx
from tests.export.models import SIZE, lively

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

CARD = Card("small", "A small network.", threshold="Below 0.31.")


def written(
    consumer: Consumer, folder: Path, model: ReIDModel | None = None, name: str = "person", **choices: Any
) -> Path:
    profile = profile_for(consumer)
    model = model or lively()
    path = folder / f"{name}{profile.format.suffix}"
    export_model(model, profile, settings_for(profile, model, **choices), path, CARD, source=Path("runs/own"))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three ONNX files, each with a name that its consumer may stumble over; read them, never write to them."""
    folder, model = tmp_path_factory.mktemp("exported"), lively()
    model.calibrated = Calibrated(0.31, 0.001, 0.9, "drawn")
    names: dict[Consumer, str] = {"ultralytics": "a: 'b' #c", "boxmot": "veri776", "deepstream": 'a "b"'}
    return {consumer: written(consumer, folder, model, name) for consumer, name in names.items()}


def dimensions(value: Any) -> list[Any]:
    return [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("consumer", ["ultralytics", "boxmot", "deepstream"])
def test_an_onnx_file_has_static_sides_a_named_batch_and_says_nothing_of_this_machine(
    consumer: str, files: dict[str, Path]
) -> None:
    proto = onnx.load(str(files[consumer]))
    assert [dimensions(one) for one in proto.graph.input] == [["batch", 3, *SIZE]]
    assert [dimensions(one) for one in proto.graph.output] == [["batch", 256]]
    assert all(entry.key.startswith("strongreid.") for entry in proto.metadata_props)
    for trace in (b"site-packages", str(Path(__file__).parents[2]).encode(), str(files[consumer].parent).encode()):
        assert trace not in proto.SerializeToString()


def test_a_fixed_batch_is_fixed_and_ultralytics_is_told(tmp_path: Path) -> None:
    proto = onnx.load(str(written("ultralytics", tmp_path, batch=3, l2=True, precision="float16")))
    assert dimensions(proto.graph.input[0]) == [3, 3, *SIZE]
    assert {entry.key: entry.value for entry in proto.metadata_props if "." not in entry.key} == {"batch": "3"}
    said = {entry.key: entry.value for entry in proto.metadata_props}
    assert said["strongreid.l2"] == "true"
    assert said["strongreid.precision"] == "float16"
    assert PixelInput.parse(said["strongreid.pixels"]) == PixelInput()


def test_ultralytics_tracker_has_the_calibrated_similarity(files: dict[str, Path]) -> None:
    path = files["ultralytics"]
    tracker = yaml.safe_load(path.with_suffix(".yaml").read_text())
    assert tracker["with_reid"] is True
    assert tracker["model"] == str(path)
    assert tracker["appearance_thresh"] == pytest.approx(1 - 0.31 / 2)
    assert "largest difference" in card_path(path).read_text()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("l2", [False, True])
def test_a_file_carries_the_threshold_where_its_distances_are_the_model_s(
    metric: Metric, l2: bool, tmp_path: Path
) -> None:
    model = lively()
    model.metric = metric
    model.calibrated = Calibrated(0.31, 0.001, 0.9, "drawn", CalibratedOn(40, 3, 1000, False, (0.0, 0.004)))
    path = written("onnx", tmp_path, model, l2=l2)
    same = metric == "cosine" or not l2
    kept = model.calibrated if same else None
    read = OnnxModel(path)
    assert read.calibrated == kept
    assert used_onnx(read).calibrated == kept
    assert ("0.31" in card_path(path).read_text()) is same
    assert OnnxModel(path, pixels=PixelInput(255)).calibrated is None
    assert OnnxModel(path, metric="euclidean" if metric == "cosine" else "cosine").calibrated is None
    proto = onnx.load(str(path))
    onnx.helper.set_model_props(proto, {"strongreid.pixels": PixelInput().text(), "strongreid.calibrated": "{}"})
    onnx.save(proto, str(path))
    with pytest.raises(InputError, match=r"strongreid\.calibrated of .* is damaged"):
        OnnxModel(path)


def test_boxmot_is_told_the_size_and_warned_of_vehicles(files: dict[str, Path]) -> None:
    path = files["boxmot"]
    said = json.loads(path.with_name("veri776.onnx.metadata.json").read_text())
    assert said["img_size"] == said["model_kwargs"]["img_size"] == list(SIZE)
    assert said["preprocess"] == "resize"
    assert "veri" in doubts("veri776.onnx")
    assert "vehicleid" in doubts("my_vehicleid_net.onnx")
    assert doubts("person.onnx") == ""


def doubts(name: str) -> str:
    return " ".join(
        BOXMOT.doubts(Exported(Path("runs/own"), Path(name), SIZE, 256, "cosine", None, None, False, False))
    )


def test_deepstream_is_told_one_scale(files: dict[str, Path]) -> None:
    path = files["deepstream"]
    reid = yaml.safe_load(path.with_name(f"{path.stem}_tracker.yml").read_text())["ReID"]
    assert reid["inferDims"] == [3, *SIZE]
    assert (reid["netScaleFactor"], reid["offsets"], reid["reidFeatureSize"]) == (1.0, [0.0, 0.0, 0.0], 256)
    assert (path.parent / reid["onnxFile"]).is_file()
    said = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    assert PixelInput.parse(said["strongreid.pixels"]) == PixelInput(255)


def test_openvino_takes_one_image_blue_first(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="needs the extra openvino")
    model = lively()
    path = written("openvino", tmp_path, model)
    read = openvino.Core().read_model(str(path))
    assert list(read.inputs[0].shape) == [1, 3, *SIZE]
    picture = drawn_pictures(SIZE, 1)
    blue_first = np.ascontiguousarray(picture[:, ::-1]).astype(np.float32)
    found = openvino.Core().compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([blue_first])[0]
    expected = model.embed(torch.from_numpy(picture)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.sqrt((expected**2).mean())


def test_a_pt2_runs_without_us(tmp_path: Path) -> None:
    model = lively()
    program = torch.export.load(written("torch", tmp_path, model)).module()
    pictures = torch.from_numpy(drawn_pictures(SIZE, 3))
    found = program(pictures.float() / 255)
    expected = model.embed(pictures)
    assert (found - expected).abs().max() <= 1e-4 * expected.square().mean().sqrt()


def test_roboflow_gets_exactly_what_it_rebuilds(tmp_path: Path) -> None:
    own = {"mean": (0.5, 0.4, 0.3), "std": (0.5, 0.25, 0.2)}
    model = lively("resnet18", neck="none", feature="pooled", **own)
    profile = profile_for("roboflow")
    path = tmp_path / "reid" / "reid_config.json"
    export_model(model, profile, settings_for(profile, model), path, CARD, source=tmp_path)
    config = json.loads(path.read_text())
    assert config["architecture"] == "timm:resnet18"
    assert config["preprocessing"]["mean"] == list(own["mean"])
    assert {entry.name for entry in path.parent.iterdir()} == {"reid_config.json", "weights.safetensors", "README.md"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"last_stride": 1}, "stride is 1"),
        ({"stem_relu": False}, "no ReLU"),
        ({"neck": "bnneck", "feature": "necked"}, "neck"),
        ({"pooling": "gem"}, "pooling"),
        ({"backbone": "resnet10_small"}, "timm does not have"),
        ({"backbone": "osnet_x0_25"}, "timm"),
    ],
)
def test_roboflow_is_refused_whatever_else_it_would_load(
    arguments: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    model = lively(**{"backbone": "resnet18", "neck": "none", "feature": "pooled", **arguments})
    profile, path = profile_for("roboflow"), tmp_path / "reid" / "reid_config.json"
    with pytest.raises(InputError, match=reason) as refused:
        export_model(model, profile, settings_for(profile, model), path, CARD, source=Path("runs/own"))
    assert "ReIDModel.load('runs/own')" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_what_a_consumer_does_by_itself_cannot_be_chosen() -> None:
    model = lively()
    for consumer in get_args(Consumer):
        profile = profile_for(consumer)
        other = "outside" if profile.normalisation == "inside" else "inside"
        if profile.free:
            assert settings_for(profile, model, normalisation="outside").pixels.normalised
        else:
            with pytest.raises(InputError, match="without a word"):
                settings_for(profile, model, normalisation=other)  # type: ignore[arg-type]
    assert settings_for(ULTRALYTICS, lively(unit_length=True), l2=False).l2  # the network's own, not to be left out
    for batch in (0, -1, 10**6):
        with pytest.raises(InputError, match="batch"):
            settings_for(ULTRALYTICS, model, batch=batch)


def breaking(change: Any) -> Profile:
    """boxmot's profile with a file that gives something else than it should; nothing is traced."""
    graphs = []

    def write(graph: ExportGraph, path: Path, metadata: Mapping[str, str]) -> None:
        path.write_bytes(b"a file")
        graphs.append(graph)

    @torch.no_grad()
    def infer(images: Any) -> Any:
        return change(graphs[-1](torch.from_numpy(images)).numpy())

    return replace(BOXMOT, format=Format(".onnx", write, lambda path: infer))


def from_14(features: Any) -> Any:
    return features * (1.01 if len(features) >= 14 else 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda features: features + 1e-3,
        lambda features: features * 1.001,
        lambda features: features[::-1],
        lambda features: features * np.nan,
        lambda features: features[:, :-1],
        lambda features: features[:1],
        from_14,
    ],
)
def test_a_file_that_is_not_the_model_is_not_written(change: Any, tmp_path: Path) -> None:
    profile, model = breaking(change), lively()
    path = tmp_path / "new" / "person.onnx"
    with pytest.raises(InputError):
        export_model(model, profile, settings_for(profile, model), path, CARD, source=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_float16_may_differ_in_length_but_not_in_direction(tmp_path: Path) -> None:
    model = lively()
    settings, longer = settings_for(BOXMOT, model, precision="float16"), breaking(lambda features: features * 1.001)
    rng = np.random.default_rng(0)

    def turned(features: Any) -> Any:
        return features + rng.normal(size=features.shape) * 0.1 * np.sqrt((features**2).mean())

    export_model(model, longer, settings, tmp_path / "right.onnx", CARD, source=tmp_path)
    with pytest.raises(InputError, match="--precision float32"):
        export_model(model, breaking(turned), settings, tmp_path / "wrong.onnx", CARD, source=tmp_path)
    assert not (tmp_path / "wrong.onnx").exists()


def test_an_older_file_stays_where_the_new_one_is_refused(tmp_path: Path) -> None:
    model = lively()
    path, right = tmp_path / "person.onnx", breaking(lambda features: features)
    export_model(model, right, settings_for(right, model), path, CARD, source=tmp_path)
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    profile = breaking(lambda features: features * 2)
    with pytest.raises(InputError):
        export_model(model, profile, settings_for(profile, model), path, CARD, source=tmp_path)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before
