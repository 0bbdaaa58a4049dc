"""The commands: what the user can fix ends with exit code 2, one message, no traceback and nothing half-written."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.cli import main
from strongreid.data import BENCHMARKS
from strongreid.drawn import draw_people
from strongreid.models import ReIDModel
from tests.conftest import small_training


def refused(words: list[str], capsys: pytest.CaptureFixture[str], *parts: str) -> None:
    """The command must end with 2 and say every one of `parts`."""
    assert main(words) == 2
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    for part in parts:
        assert part in errors.replace("\n", " ")


@pytest.fixture
def broken(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the drawn set, to break."""
    return Path(shutil.copytree(drawn, tmp_path / "broken"))


def test_a_missing_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = small_training(tmp_path / "nowhere", tmp_path / "runs")
    refused(words, capsys, str(tmp_path / "nowhere"))
    assert not (tmp_path / "runs").exists()


def test_no_folder_at_all_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["train", f"--output={tmp_path / 'runs'}"], capsys, "data.root")


def test_a_folder_one_level_off_is_told_the_right_one(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(small_training(drawn.parent, drawn.parent / "runs"), capsys, "one level off", str(drawn))


def test_a_corrupt_image_is_named(broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = sorted((broken / "bounding_box_train").glob("*.jpg"))[3]
    image.write_bytes(image.read_bytes()[:200])
    refused(small_training(broken, tmp_path / "runs"), capsys, str(image))
    runs = tmp_path / "runs"
    assert not runs.exists() or [entry.name for entry in runs.iterdir()] == ["packed"]


def test_no_images_is_refused(broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for image in (broken / "bounding_box_train").glob("*.jpg"):
        image.unlink()
    (broken / "drawn.json").unlink()
    refused(small_training(broken, tmp_path / "runs"), capsys, "bounding_box_train")


def test_one_person_is_refused(broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = sorted((broken / "bounding_box_train").glob("*.jpg"))
    first = images[0].name[:4]
    for image in images:
        if not image.name.startswith(first):
            image.unlink()
    (broken / "drawn.json").unlink()
    refused(small_training(broken, tmp_path / "runs"), capsys, "person")


def test_more_people_in_a_batch_than_there_are_name_the_field(
    train_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    refused([*train_words, "--batch.people_per_batch=64"], capsys, "batch.people_per_batch", "10 people")


def test_a_query_without_a_person_in_the_gallery_is_not_counted_or_refused(
    broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for image in (broken / "bounding_box_test").glob("00[0-9]*.jpg"):
        if not image.name.startswith("0000"):
            image.unlink()
    (broken / "drawn.json").unlink()
    refused(small_training(broken, tmp_path / "runs"), capsys, "query")


def test_an_existing_run_is_not_overwritten(
    train_words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    refused([*train_words, "--name=mine"], capsys, "mine", "--resume")


def test_resume_takes_no_other_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["train", "--resume", str(tmp_path), "--seed=1"], capsys, "--resume", "--seed=1")


def test_resume_needs_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["train", "--resume", str(tmp_path)], capsys, "config.yaml")


def test_reproduce_is_one_process(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused(["reproduce", "tricks"], capsys, "without torchrun")


def test_a_run_is_trained_written_down_and_evaluated_again(trained: Path, tmp_path: Path) -> None:
    result = json.loads((trained / "result.json").read_text())
    record = json.loads((trained / "run.json").read_text())
    assert {"seed", "config", "data", "label_map", "environment"} <= record.keys()
    assert record["label_map"] == sorted(record["label_map"])
    curve = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in curve if "mean_ap" in line] == [1, 2]
    assert any((trained / "tensorboard").iterdir())
    assert main(["evaluate", str(trained), f"--json={tmp_path / 'again.json'}"]) == 0
    again = json.loads((tmp_path / "again.json").read_text())
    assert {name: again[name] for name in again.keys() & result.keys()} == {
        name: result[name] for name in again.keys() & result.keys()
    }
    assert again.keys() - result.keys() == {"mean_ap_interval", "rank_1_interval", "interval_confidence"}
    assert 0 < again["mean_ap"] <= 1


def test_a_model_of_another_architecture_is_refused(
    train_words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "other.safetensors"
    ReIDModel(backbone="resnet10_small", people=10).save(weights)
    refused([*train_words, "--model.backbone=resnet18", f"--model.weights={weights}"], capsys, str(weights))
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == ["packed"]


def test_an_output_that_is_no_folder_is_named(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    refused(small_training(drawn, tmp_path / "file"), capsys, str(tmp_path / "file"), "Not a directory")


def test_features_of_any_model_are_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    person = np.arange(6).repeat(2)
    files = []
    for camera, name in enumerate(("query", "gallery")):
        features = np.eye(6)[person] + 0.01 * rng.normal(size=(12, 6))
        files.append(tmp_path / f"{name}.npz")
        np.savez(files[-1], features=features, person=person, camera=np.full(12, camera))
    out = tmp_path / "out.json"
    assert main(["evaluate", "--embeddings", *map(str, files), f"--json={out}"]) == 0
    metrics = json.loads(out.read_text())
    assert metrics["mean_ap"] == 1.0
    assert metrics["rank_1"] == 1.0
    assert "cosine" in metrics["protocol"]
    refused(["evaluate"], capsys, "--embeddings")
    refused(["evaluate", "--embeddings", str(files[0]), str(tmp_path / "none.npz")], capsys, "none.npz")


def test_data_check_says_ready_or_what_to_fix(
    drawn: Path, broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    assert main(["data", "check", "market1501", str(drawn), f"--sheet={sheet}"]) == 0
    said = capsys.readouterr().err
    assert said.splitlines()[-2:] == ["ready", f"Next: strongreid train drawn {drawn}"]
    assert "median 128 x 64" in said
    counts = json.loads((drawn / "drawn.json").read_text())["splits"]["query"]
    assert f"{counts['images']} of {counts['images']}" in said  # found beside expected
    with Image.open(sheet) as picture:
        assert picture.size[0] > 100
    wrong = tmp_path / "sheet.psd"
    refused(["data", "check", "market1501", str(drawn), f"--sheet={wrong}"], capsys, "sheet.psd", ".png or .jpg")
    removed = sorted((broken / "bounding_box_train").glob("*.jpg"))[0]
    removed.unlink()
    removed.with_name("0000_c1s1_000001_00.jpg").write_bytes(b"no image")
    refused(
        ["data", "check", "market1501", str(broken), f"--sheet={tmp_path / 'broken.png'}"],
        capsys,
        "bounding_box_train",
        "cannot be decoded",
        "Not ready",
    )
    assert (tmp_path / "broken.png").is_file(), "a set that is not ready can be looked at"


def test_data_draw_pack_and_list_work(
    tmp_path: Path, drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = partial(draw_people, distractors=2, junk=2)  # the command's own 160 take their time
    monkeypatch.setattr("strongreid.drawn.draw_people", fewer)
    small = ["--train_people=4", "--test_people=3", "--images_per_person=4"]
    assert main(["data", "draw", str(tmp_path / "people"), *small]) == 0
    assert json.loads((tmp_path / "people" / "drawn.json").read_text())["seed"] == 0
    refused(["data", "draw", str(tmp_path / "people")], capsys, str(tmp_path / "people"))
    words = ["data", "pack", "market1501", str(drawn), "--size=[64,32]", f"--cache={tmp_path / 'packed'}"]
    assert main(words) == 0
    packs = list((tmp_path / "packed").glob("*.npy"))
    assert len(packs) == 3
    needed = sum(pack.stat().st_size for pack in packs)
    assert f"{needed / 1e6:.1f} MB in" in capsys.readouterr().err
    assert main(words) == 0
    assert "MB in" not in capsys.readouterr().err
    assert main(["data", "list"]) == 0
    listed = capsys.readouterr().err
    for spec in BENCHMARKS.values():
        for part in (spec.name, spec.terms, spec.source, spec.url, spec.note):
            assert part in listed
