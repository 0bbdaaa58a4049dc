"""A model file in the place of a run: `evaluate` and `report` on any set, with what the model says of itself."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from strongreid.cli import main
from strongreid.data import ImageTable, load_benchmark
from strongreid.evaluation import Embeddings, RetrievalResult, evaluate
from strongreid.models import ReIDModel


@pytest.fixture
def here(trained: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a run and its people."""
    shutil.copytree(trained, tmp_path / "runs" / "own")
    (tmp_path / "people").symlink_to(drawn)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ON_PEOPLE = ("--data.name", "drawn", "--data.root", "people")


@pytest.mark.parametrize("source", ["alone.safetensors", "folder", "runs/own/model.safetensors"])
def test_a_model_file_evaluates_as_its_run(here: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "folder").mkdir()
    for copy in ("alone.safetensors", "folder/model.safetensors"):
        shutil.copy("runs/own/model.safetensors", copy)
    assert main(["evaluate", source, *ON_PEOPLE, "--result", "found.npz"]) == 0
    assert f"Next: strongreid report {source} --data.name drawn --data.root people" in capsys.readouterr().err
    found, expected = RetrievalResult.load("found.npz"), RetrievalResult.load("runs/own/result.npz")
    assert np.array_equal(found.average_precision, expected.average_precision, equal_nan=True)
    assert main(["report", source, *ON_PEOPLE]) == 0
    beside = Path(source) if Path(source).is_dir() else Path(source).parent
    assert f"{100 * expected.mean_ap:.1f}" in (beside / "report.html").read_text()


@pytest.mark.parametrize("command", ["evaluate", "identify"])
def test_the_next_command_reads_the_set_and_compares_as_this_one(
    here: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["runs/own/model.safetensors", "--data.name", "folder", "--data.root", "people"]
    words += ["--data.split_seed", "2", "--data.layout", "market1501", "--metric", "euclidean"]
    assert main([command, *words, "--same_camera", "include"]) == 0
    assert f"Next: strongreid report {' '.join(words)} --same_camera include\n" in capsys.readouterr().err


def by_hand(model: ReIDModel, table: ImageTable) -> Embeddings:
    """The features of pictures that Pillow resized as the model says, one by one."""
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    height, width = model.image_size
    rows = []
    for path in table.path:
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((width, height), filters[model.interpolation])
        rows.append(model.embed(torch.from_numpy(np.array(small).transpose(2, 0, 1)[None])))
    return Embeddings(torch.cat(rows), table.person, table.camera)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("size", "unit_length"), [((48, 40), True), ((80, 36), False)])
def test_the_model_brings_its_size_its_interpolation_and_its_metric(
    here: Path, size: tuple[int, int], interpolation: str, unit_length: bool
) -> None:
    model = ReIDModel.load("runs/own")
    said = {**model.arguments, "metric": "euclidean", "image_size": size, "interpolation": interpolation}
    other = ReIDModel(**{**said, "unit_length": unit_length, "feature": "pooled"})
    other.load_state_dict(model.state_dict())
    other.eval().save("other.safetensors")
    data = load_benchmark("drawn", here / "people")
    query, gallery = by_hand(other, data.query), by_hand(other, data.gallery)
    for again in ("first", "second"):  # the second reads the pictures that the first packed
        assert main(["evaluate", "other.safetensors", *ON_PEOPLE, "--result", f"{again}.npz"]) == 0
        found = RetrievalResult.load(f"{again}.npz")
        expected = evaluate(query, gallery, metric="euclidean")
        assert np.allclose(found.average_precision, expected.average_precision, atol=1e-6, equal_nan=True)
    assert main(["evaluate", "other.safetensors", *ON_PEOPLE, "--metric", "cosine", "--result", "cosine.npz"]) == 0
    expected = evaluate(query, gallery, metric="cosine")
    found = RetrievalResult.load("cosine.npz")
    assert np.allclose(found.average_precision, expected.average_precision, atol=1e-6, equal_nan=True)


def test_where_sets_of_a_run_lie_is_not_said_of_a_model(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "runs/own/model.safetensors", *ON_PEOPLE, "--moved", "cuhk01=people"]) == 2
    assert "--moved goes with a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["alone.safetensors"], "is a model without a set: name one with --data.name NAME --data.root DIR."),
        (["runs/own/model.safetensors"], "that it is of, for the run's own set: runs/own"),
        (["alone.safetensors", "--data.root", "people"], "--data.name"),
        (["nowhere.safetensors", *ON_PEOPLE], "There is no nowhere.safetensors"),
        (["damaged.safetensors", *ON_PEOPLE], "cannot be read"),
        (["alone.safetensors", *ON_PEOPLE, "--onnx.range", "255"], "go with an ONNX file"),
        (["alone.safetensors", *ON_PEOPLE, "--embeddings", "a.npz", "b.npz"], "one of the two"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_what_cannot_be_is_refused_and_nothing_is_written(
    here: Path, command: str, words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy("runs/own/model.safetensors", "alone.safetensors")
    (here / "damaged.safetensors").write_bytes(b"no model")
    before = sorted(here.rglob("*"))
    assert main([command, *words]) == 2
    assert part in capsys.readouterr().err.replace("\n", " ")
    assert sorted(here.rglob("*")) == before
