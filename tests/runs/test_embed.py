"""`strongreid embed`: what it writes, that a stop loses nothing, and what it refuses."""

import csv
import os
import shutil
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from strongreid.cli import main
from strongreid.cli.checks import newest_run
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings
from strongreid.export.graph import ExportGraph, GraphSettings
from strongreid.export.onnx_file import write_onnx
from strongreid.export.pixels_in import PixelInput
from strongreid.files import refuse_second_process
from strongreid.models import ReIDModel, embed
from strongreid.models.fingerprint import model_fingerprint
from strongreid.runs import embed as embedding
from strongreid.runs.feature_files import read_features

SIZE = (64, 32)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    ReIDModel(backbone="resnet10_small", people=2, image_size=SIZE).save(path)
    return path


@pytest.fixture
def pictures(drawn: Path, tmp_path: Path) -> Path:
    """A folder of 30 pictures, in it and below it, beside a file that is none."""
    folder = tmp_path / "pictures"
    (folder / "more" / "deep").mkdir(parents=True)
    for number, file in enumerate(sorted((drawn / "bounding_box_train").glob("*.jpg"))[:30]):
        shutil.copyfile(file, folder / ("more/deep" if number % 3 else ".") / file.name)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through a network, batch by batch, in batches of 8."""
    seen: list[int] = []
    inner = ReIDModel.embed

    def noted(self: ReIDModel, images: Tensor, *, batch_size: int = 64, camera: None = None) -> Tensor:
        seen.append(len(images))
        return inner(self, images, batch_size=batch_size)

    monkeypatch.setattr(ReIDModel, "embed", noted)
    monkeypatch.setattr(embedding, "BATCH", 8)
    return seen


def stop_at(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the network be interrupted at a batch, as Ctrl-C would."""
    inner, calls = ReIDModel.embed, iter(range(1000))

    def interrupted(self: ReIDModel, images: Tensor, *, batch_size: int = 64, camera: None = None) -> Tensor:
        if next(calls) == batch:
            raise KeyboardInterrupt
        return inner(self, images, batch_size=batch_size)

    monkeypatch.setattr(ReIDModel, "embed", interrupted)


def words(source: Path, output: Path, model: Path, *more: str) -> list[str]:
    return ["embed", str(source), "-o", str(output), "--model", str(model), *more]


def beside(output: Path) -> list[str]:
    return sorted(entry.name for entry in output.parent.iterdir() if output.name in entry.name)


@pytest.mark.parametrize("name", ["features.npz", "features.parquet"])
def test_a_folder_becomes_features_with_paths_and_the_model(
    pictures: Path, model_file: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out" / name
    assert main(words(pictures, output, model_file)) == 0
    said = capsys.readouterr().err
    assert "30 pictures" in said
    assert "not read: 1 .txt" in said
    assert f"Next: strongreid search {pictures}" in said
    files = sorted(str(path) for path in pictures.rglob("*.jpg"))
    model = ReIDModel.load(model_file)
    stored = read_features(output)
    assert stored.path == tuple(files)
    assert torch.equal(stored.embeddings.features, embed(model, files))
    assert set(stored.embeddings.person.tolist()) == {-1}
    assert set(stored.embeddings.camera.tolist()) == {0}
    assert stored.box is None
    assert stored.made_by.fingerprint == model_fingerprint(model)
    assert (stored.made_by.feature, stored.made_by.metric) == ("necked", "cosine")
    assert Path(stored.made_by.path) == model_file
    assert beside(output) == [name]
    moved = tmp_path / "moved"  # features and pictures together
    moved.mkdir()
    shutil.move(tmp_path / "out", moved / "out")
    shutil.move(pictures, moved / "pictures")
    assert all(Path(path).is_file() for path in read_features(moved / "out" / name).path)


@pytest.mark.parametrize("name", ["features.npz", "features.parquet"])
def test_a_table_s_people_cameras_and_boxes_stand_beside_the_features(
    pictures: Path, model_file: Path, tmp_path: Path, name: str
) -> None:
    rng = np.random.default_rng(0)
    files = sorted(pictures.rglob("*.jpg"))[:5]
    rows = []
    for number in range(12):
        frame = files[number % len(files)]
        with Image.open(frame) as opened:
            width, height = opened.size
        x, y = rng.integers(0, width // 2), rng.integers(0, height // 2)
        w, h = rng.integers(5, width), rng.integers(5, height)  # partly outside
        rows.append([frame.relative_to(tmp_path), number - 1, number % 3, x, y, w, h])
    with (tmp_path / "boxes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["file", "pid", "camera", "x", "y", "w", "h"], *rows])
    output = tmp_path / name
    renamed = "--columns=path=file,person=pid"
    assert main(words(tmp_path / "boxes.csv", output, model_file, renamed)) == 0
    stored = read_features(output)
    crops = []
    for file, *_, x, y, w, h in rows:
        with Image.open(tmp_path / file) as opened:
            crops.append(opened.convert("RGB").crop((x, y, min(x + w, opened.width), min(y + h, opened.height))))
    assert torch.equal(stored.embeddings.features, embed(ReIDModel.load(model_file), crops))
    assert stored.embeddings.person.tolist() == list(range(-1, 11))
    assert stored.embeddings.camera.tolist() == [number % 3 for number in range(12)]
    assert stored.box is not None
    assert stored.box.tolist() == [list(map(int, row[3:])) for row in rows]
    assert [Path(path) for path in stored.path] == [tmp_path / row[0] for row in rows]
    if name.endswith("npz"):
        assert len(Embeddings.load(output)) == 12  # what evaluate reads


def test_pictures_are_resized_as_the_model_wants(pictures: Path, tmp_path: Path) -> None:
    file, output = tmp_path / "model.safetensors", tmp_path / "features.npz"
    ReIDModel(backbone="resnet10_small", people=2, image_size=SIZE, interpolation="bicubic", unit_length=True).save(
        file
    )
    assert main(words(pictures, output, file)) == 0
    stored, model = read_features(output), ReIDModel.load(file)
    assert torch.equal(stored.embeddings.features, embed(model, list(stored.path)))
    assert stored.embeddings.features.norm(dim=1).tolist() == pytest.approx([1.0] * 30)
    model.interpolation = "bilinear"
    assert not torch.allclose(stored.embeddings.features, embed(model, list(stored.path)), atol=1e-4)


def test_a_name_is_one_number_in_every_table(pictures: Path, model_file: Path, tmp_path: Path) -> None:
    files = [str(path) for path in sorted(pictures.rglob("*.jpg"))]
    people = {"one": ["ann", "7", "bob", "-1"], "other": ["bob", "carl", "0", "7"]}
    numbers = {}
    for table, names in people.items():
        text = "path,person\n" + "".join(f"{file},{name}\n" for file, name in zip(files, names, strict=False))
        (tmp_path / f"{table}.csv").write_text(text)
        assert main(words(tmp_path / f"{table}.csv", tmp_path / f"{table}.npz", model_file)) == 0
        numbers[table] = read_features(tmp_path / f"{table}.npz").embeddings.person.tolist()
    assert numbers["one"][2] == numbers["other"][0]
    assert numbers["one"][1] == numbers["other"][3] == 7
    assert numbers["one"][3] == -1
    assert len({*numbers["one"], *numbers["other"]}) == 6


def test_a_stopped_command_goes_on_to_the_same_features(
    pictures: Path, model_file: Path, tmp_path: Path, counted: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    whole, output = tmp_path / "whole.npz", tmp_path / "features.npz"
    assert main(words(pictures, whole, model_file)) == 0
    assert counted == [8, 8, 8, 6]
    with pytest.MonkeyPatch.context() as patch:
        stop_at(2, patch)
        assert main(words(pictures, output, model_file)) == 130
    assert not output.exists()
    assert "the same command goes on" in capsys.readouterr().err
    (kept,) = tmp_path.glob(".features.npz.*.unfinished")
    with kept.open("r+b") as stream:  # as a kill while a record is written leaves it
        stream.truncate(kept.stat().st_size - 10)
    counted.clear()
    assert main(words(pictures, output, model_file)) == 0
    assert counted == [1, 8, 6]
    assert "15 of 30 pictures are embedded already" in capsys.readouterr().err
    one, other = (read_features(path).embeddings.features for path in (whole, output))
    assert torch.allclose(one, other, rtol=0, atol=1e-5)
    assert torch.equal(one[8:15], other[8:15])
    assert beside(output) == ["features.npz"]


def test_what_is_kept_is_of_this_model_and_of_these_pictures(
    pictures: Path, model_file: Path, tmp_path: Path, counted: list[int]
) -> None:
    output = tmp_path / "features.npz"

    def stopped(model: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            stop_at(3, patch)
            assert main(words(pictures, output, model)) == 130

    other = tmp_path / "other.safetensors"
    ReIDModel(backbone="resnet10_small", people=2, image_size=SIZE).save(other)
    stopped(other)
    counted.clear()
    stopped(model_file)  # nothing of the other model's is taken
    assert counted == [8, 8, 8]
    counted.clear()
    assert main(words(pictures, output, other)) == 0  # nor is it lost
    assert counted == [6]
    files = sorted(pictures.rglob("*.jpg"))
    Image.new("RGB", (40, 80), "red").save(files[0])
    files[9].unlink()
    Image.new("RGB", (40, 80), "blue").save(pictures / "more" / "deep" / "zz.png")
    counted.clear()
    assert main(words(pictures, output, model_file)) == 0
    assert sum(counted) == 1 + 6 + 1
    files = sorted(pictures.rglob("*.jpg")) + sorted(pictures.rglob("*.png"))
    stored = read_features(output)
    assert sorted(stored.path) == sorted(map(str, files))
    expected = embed(ReIDModel.load(model_file), list(stored.path))
    assert torch.allclose(stored.embeddings.features, expected, rtol=0, atol=1e-5)


def test_pictures_that_cannot_be_read_are_all_named_and_left_out_only_if_wanted(
    pictures: Path, model_file: Path, tmp_path: Path, counted: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    files, output = sorted(pictures.rglob("*.jpg")), tmp_path / "features.npz"
    bad = [files[1], files[11], files[29]]
    bad[0].write_bytes(bad[0].read_bytes()[:100])
    bad[1].write_bytes(b"")
    bad[2].unlink()
    bad[2].symlink_to("nowhere")
    assert main(words(pictures, output, model_file)) == 2
    said = capsys.readouterr().err
    assert all(str(path) in said for path in bad)
    assert "3 of 30 pictures cannot be read" in said
    assert "--skip_bad" in said
    assert not output.exists()
    assert sum(counted) == 27
    counted.clear()
    assert main(words(pictures, output, model_file, "--skip_bad")) == 0
    said = capsys.readouterr().err
    assert all(str(path) in said for path in bad)
    assert "Left out: 3 of 30" in said
    assert counted == []  # all was kept
    stored = read_features(output)
    assert list(stored.path) == [str(file) for file in files if file not in bad]
    expected = embed(ReIDModel.load(model_file), list(stored.path))
    assert torch.allclose(stored.embeddings.features, expected, rtol=0, atol=1e-5)


def test_a_table_s_bad_boxes_and_missing_files_are_named(
    pictures: Path, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sorted(pictures.rglob("*.jpg"))[0]
    rows = [(file, 1, 1, 9, 9), (file, 5, 5, 0, 9), (file, 9999, 1, 9, 9), ("gone.jpg", 1, 1, 9, 9)]
    text = "path,x,y,w,h\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    (tmp_path / "boxes.csv").write_text(text)
    assert main(words(tmp_path / "boxes.csv", tmp_path / "out.npz", model_file)) == 2
    said = capsys.readouterr().err
    assert "3 of 4 pictures cannot be read" in said
    for part in ("row 3 is empty", "lies outside", "gone.jpg"):
        assert part in said
    assert main(words(tmp_path / "boxes.csv", tmp_path / "out.npz", model_file, "--skip_bad")) == 0
    assert len(read_features(tmp_path / "out.npz").embeddings) == 1


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    (folder / "empty" / "notes.txt").write_text("none")
    return folder / "empty"


def no_path_column(folder: Path) -> Path:
    (folder / "wrong.csv").write_text("file,person\na.jpg,1\n")
    return folder / "wrong.csv"


def nothing_readable(folder: Path) -> Path:
    (folder / "bad").mkdir()
    (folder / "bad" / "a.jpg").write_bytes(b"no picture")
    return folder / "bad"


def negative_camera(folder: Path) -> Path:
    (folder / "camera.csv").write_text("path,camera\na.jpg,-1\n")
    return folder / "camera.csv"


SOURCES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "nowhere", "There is no"),
    "empty": (empty_folder, "holds no pictures"),
    "path": (no_path_column, "`path`"),
    "unreadable": (nothing_readable, "Nothing is left"),
    "camera": (negative_camera, "camera"),
}


@pytest.mark.parametrize(("make", "part"), SOURCES.values(), ids=SOURCES)
def test_sources_without_a_picture_are_refused(
    tmp_path: Path, model_file: Path, make: Callable[[Path], Path], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.npz"
    assert main(words(make(tmp_path), output, model_file, "--skip_bad")) == 2
    said = capsys.readouterr().err
    assert part in said
    assert "Traceback" not in said
    assert not output.exists()


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["-o", "out.csv"], ".npz or .parquet"),
        (["-o", "."], "is a folder"),
        (["-o", "out.npz", "--columns=path=file"], "is for tables"),
        (["-o", "out.npz", "--onnx.range=255"], "ONNX"),
        (["-o", "out.npz", "--engine=tensorrt"], "openvino"),
        ([], "Where shall the features go?"),
    ],
)
def test_options_that_cannot_be_are_refused(
    pictures: Path,
    model_file: Path,
    more: Sequence[str],
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["embed", str(pictures), "--model", str(model_file), *more]) == 2
    assert part in capsys.readouterr().err
    assert {entry.name for entry in tmp_path.iterdir()} == {"pictures"}


def test_a_link_stays_and_a_pipe_gets_what_was_written(pictures: Path, model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link, pipe = tmp_path / "there" / "target", tmp_path / "link.npz", tmp_path / "pipe.npz"
    target.write_text("old")
    link.symlink_to("there/target")
    assert main(words(pictures, link, model_file)) == 0
    assert link.is_symlink()
    assert [entry.name for entry in (tmp_path / "there").iterdir()] == ["target"]
    assert all(Path(path).is_file() for path in read_features(link).path)
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert main(words(pictures, pipe, model_file)) == 0
    reader.join(20)
    (tmp_path / "got.npz").write_bytes(got[0])
    assert len(read_features(tmp_path / "got.npz").path) == 30
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert not list(tmp_path.rglob("*.unfinished"))


def test_two_processes_do_not_write_one_file(
    pictures: Path, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "features.npz"
    with refuse_second_process(tmp_path / ".features.npz.lock", "embeds", lambda text: None):
        assert main(words(pictures, output, model_file)) == 2
    said = capsys.readouterr().err
    assert f"embeds into {output}" in said
    assert "Process" in said
    assert main(words(pictures, output, model_file)) == 0
    assert beside(output) == ["features.npz"]


def test_any_onnx_model_embeds_and_is_found_again(
    pictures: Path, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    model = ReIDModel.load(model_file)
    graph = ExportGraph(model, GraphSettings(PixelInput(255, "bgr"), batch=None, l2=False))
    onnx, output = tmp_path / "foreign.onnx", tmp_path / "features.npz"
    write_onnx(graph, onnx, {})
    told = ["--onnx.range=255", "--onnx.order=bgr", "--onnx.mean=[0,0,0]", "--onnx.std=[1,1,1]"]
    assert main(words(pictures, output, onnx, *told)) == 0
    stored = read_features(output)
    expected = embed(model, list(stored.path))
    assert float((stored.embeddings.features - expected).abs().max() / expected.square().mean().sqrt()) < 1e-4
    assert main(words(pictures, output, onnx, *told, "--engine=openvino")) == 2
    assert "--engine" in capsys.readouterr().err
    assert main(["search", stored.path[3], "--in", str(output), *told]) == 0
    assert "the query itself" in capsys.readouterr().err
    for otherwise in ([], [*told[:1], "--onnx.order=rgb", *told[2:]]):
        assert main(["search", stored.path[3], "--in", str(output), *otherwise]) == 2
        assert "with the same options" in capsys.readouterr().err


def test_many_pictures_run_in_the_fastest_engine(
    pictures: Path,
    model_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[int] = []

    def taken(model: ReIDModel, images: Tensor, engine: str | None, say: Callable[[str], None]) -> ReIDModel:
        asked.append(len(images))
        say("Running in a test.")
        return model

    monkeypatch.setattr(embedding, "proven", taken)
    assert main(words(pictures, tmp_path / "few.npz", model_file)) == 0
    assert asked == []
    monkeypatch.setattr(embedding, "WORTH_IT", 30)
    assert main(words(pictures, tmp_path / "many.npz", model_file)) == 0
    assert asked == [30]
    assert "Running in a test." in capsys.readouterr().err


def test_without_a_model_the_newest_finished_run_is_taken(
    pictures: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["embed", "pictures", "-o", "out.npz"]) == 2
    assert "--model" in capsys.readouterr().err
    shutil.copytree(trained, tmp_path / "runs" / "own")
    assert main(["embed", "pictures", "-o", "out.npz"]) == 0
    assert "runs/own" in capsys.readouterr().err


def test_the_newest_run_is_the_one_that_was_finished_last(tmp_path: Path) -> None:
    for number, (name, files) in enumerate(
        {
            "old": ("config.yaml", "model.safetensors", "result.json"),
            "table/new": ("config.yaml", "model.safetensors", "result.json"),
            "unfinished": ("config.yaml", "model.safetensors"),
            "bare": ("config.yaml", "result.json"),
        }.items()
    ):
        (tmp_path / name).mkdir(parents=True)
        for file in files:
            (tmp_path / name / file).touch()
            os.utime(tmp_path / name / file, (1000 + number, 1000 + number))
    assert newest_run(tmp_path) == tmp_path / "table" / "new"
    with pytest.raises(InputError, match="--model"):
        newest_run(tmp_path / "nowhere")


def test_a_model_that_gives_no_numbers_is_named(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ReIDModel(backbone="resnet10_small", people=2, image_size=SIZE)
    with torch.no_grad():
        model.neck.weight.fill_(torch.nan)
    model.save(tmp_path / "broken.safetensors")
    assert main(words(pictures, tmp_path / "out.npz", tmp_path / "broken.safetensors")) == 2
    said = capsys.readouterr().err
    assert "not finite" in said
    assert "the pictures after it" in said
