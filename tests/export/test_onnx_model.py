"""ONNX ReID models from anywhere: what their graphs say is obeyed, what they do not say is supposed aloud."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from strongreid.errors import InputError
from strongreid.export.onnx_model import SUPPOSED, OnnxModel
from strongreid.export.pixels_in import PixelInput

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
from onnx import TensorProto, helper  # noqa: E402

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 4), dtype=np.uint8)


def foreign(
    path: Path,
    *,
    sides: tuple[Any, ...] = ("N", 3, 6, 4),
    kind: int = TensorProto.FLOAT,
    keep: int = 0,
    axes: tuple[int, ...] = (2, 3),
    others: int = 0,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A file that gives the mean of each colour; `keep` 1 leaves the map's sides in, as [B, 3, 1, 1]."""
    inputs = [helper.make_tensor_value_info("data", kind, sides)]
    inputs += [helper.make_tensor_value_info(f"other{i}", TensorProto.FLOAT, [1]) for i in range(others)]
    nodes = [
        helper.make_node("Cast", ["data"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["cast", "axes"], ["mean"], keepdims=keep),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        inputs,
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, None)],
        [helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(proto, metadata or {})
    onnx.save(proto, str(path))
    return path


def means(pixels: PixelInput = SUPPOSED) -> np.ndarray:
    """What such a file gives for `PICTURES`, by plain loops."""
    rows = []
    for picture in PICTURES:
        row = []
        for colour in (0, 1, 2) if pixels.order == "rgb" else (2, 1, 0):
            values = [int(value) / 255 * pixels.top for value in picture[colour].reshape(-1)]
            row.append(sum((value - pixels.mean[colour]) / pixels.std[colour] for value in values) / len(values))
        rows.append(row)
    return np.array(rows)


def embedded(model: OnnxModel, batch_size: int = 2) -> np.ndarray:
    return model.embed(torch.from_numpy(PICTURES), batch_size=batch_size).numpy()


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"keep": 1},
        {"sides": (1, 3, 6, 4)},
        {"sides": (3, 3, 6, 4)},
        {"sides": (-1, 3, 6, 4)},
        {"sides": ("N", 6, 4, 3), "axes": (1, 2)},
        {"kind": TensorProto.DOUBLE},
        {"sides": ("N", "C", "H", "W")},
    ],
)
def test_any_layout_gives_the_right_features(made: dict[str, Any], tmp_path: Path) -> None:
    size = (6, 4) if "H" in made.get("sides", ()) else None
    model = OnnxModel(foreign(tmp_path / "m.onnx", **made), size=size)
    assert (model.image_size, model.width, model.metric, model.told) == ((6, 4), 3, "cosine", False)
    assert np.abs(embedded(model) - means()).max() < 1e-5
    assert "supposed" in model.words()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.UINT8])
def test_other_numbers_are_fed_too(kind: int, tmp_path: Path) -> None:
    pixels = PixelInput(255, "bgr")
    model = OnnxModel(foreign(tmp_path / "m.onnx", kind=kind), pixels=pixels)
    assert np.abs(embedded(model) - means(pixels)).max() < 0.2
    assert "supposed" not in model.words()


def test_what_a_file_says_of_itself_is_taken_and_what_is_said_of_it_more_so(tmp_path: Path) -> None:
    own = PixelInput(255, "bgr", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    said = {"strongreid.pixels": own.text(), "strongreid.metric": "euclidean"}
    path = foreign(tmp_path / "m.onnx", metadata=said)
    model = OnnxModel(path)
    assert (model.pixels, model.metric, model.told) == (own, "euclidean", True)
    assert np.abs(embedded(model) - means(own)).max() < 1e-3
    assert OnnxModel(path, pixels=PixelInput(), metric="cosine").pixels == PixelInput()


def test_pictures_of_other_sizes_are_resized_as_ours_and_frames_are_embedded(tmp_path: Path) -> None:
    model = OnnxModel(foreign(tmp_path / "m.onnx"))
    larger = np.repeat(np.repeat(PICTURES, 2, axis=2), 2, axis=3)
    assert np.abs(model.embed(torch.from_numpy(larger)).numpy() - means()).max() < 0.05
    frame = np.ascontiguousarray(PICTURES[0].transpose(1, 2, 0)[:, :, ::-1])
    assert np.abs(model.extract_embeddings([[0, 0, 4, 6]], frame)[0] - means()[0]).max() < 1e-5
    assert model.embed(torch.empty(0, 3, 9, 9, dtype=torch.uint8)).shape == (0, 3)


@pytest.mark.parametrize(
    ("made", "size", "said"),
    [
        ({"others": 1}, None, "images alone"),
        ({"sides": ("N", 3, 24), "axes": (2,)}, None, "images alone"),
        ({"kind": TensorProto.INT32}, None, "images alone"),
        ({"sides": ("N", 1, 6, 4)}, None, "three colours"),
        ({"sides": ("N", 3, "H", 4)}, None, "--onnx.size"),
        ({}, (8, 4), "not 8 x 4"),
        ({"axes": (3,)}, None, "no features"),
        ({"axes": (0, 2, 3)}, None, "no features"),
    ],
)
def test_what_embeds_no_images_is_refused(made: dict[str, Any], size: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        OnnxModel(foreign(tmp_path / "m.onnx", **made), size=size)


@pytest.mark.parametrize("content", [b"", b"no onnx", b"\x08\x0a" * 50])
def test_what_is_no_onnx_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.onnx"):
        OnnxModel(tmp_path / "m.onnx")


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    whole = foreign(tmp_path / "whole.onnx").read_bytes()
    for length in range(0, len(whole) - 1, 7):
        (tmp_path / "m.onnx").write_bytes(whole[:length])
        with pytest.raises(InputError):
            OnnxModel(tmp_path / "m.onnx")


def test_damaged_metadata_and_other_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged"):
        OnnxModel(foreign(tmp_path / "m.onnx", metadata={"strongreid.pixels": "{}"}))
    with pytest.raises(InputError, match="uint8"):
        OnnxModel(foreign(tmp_path / "n.onnx")).embed(torch.zeros(1, 3, 6, 4))
    with pytest.raises(InputError, match="no file"):
        OnnxModel(tmp_path / "nowhere.onnx")
