"""Models of the hub by name, wherever a command takes a model. A cache in the hub's layout stands for it, offline."""

import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest

from strongreid.cli import main
from strongreid.evaluation import RetrievalResult
from strongreid.models import hub
from strongreid.runs.feature_files import read_features
from strongreid.runs.finding import is_on_hub

COMMIT = "1" * 40
NAME = "hf:someone/person.onnx"  # a name, whatever it ends with
ON_PEOPLE = ("--data.name", "drawn", "--data.root", "people")


@pytest.fixture
def here(trained: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a run and its people; the hub's cache has the run's model. Nobody answers."""
    cache = tmp_path / "cache"
    for owner in ("huggingface_hub.constants", "huggingface_hub.file_download.constants"):
        monkeypatch.setattr(f"{owner}.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "answers", lambda address: False)
    repository = cache / "models--someone--person.onnx"
    (repository / "snapshots" / COMMIT).mkdir(parents=True)
    shutil.copy(trained / "model.safetensors", repository / "snapshots" / COMMIT / "model.safetensors")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    working = tmp_path / "working"
    shutil.copytree(trained, working / "runs" / "own")
    (working / "people").symlink_to(drawn)
    monkeypatch.chdir(working)
    return working


def test_a_model_of_the_hub_is_evaluated_and_reported_on_a_set(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", NAME, *ON_PEOPLE, "--result", "found.npz"]) == 0
    said = capsys.readouterr().err
    assert f"Model: {NAME} (commit {COMMIT}), resnet10_small, " in said
    assert f"Next: strongreid report {NAME} --data.name" in said
    found, expected = RetrievalResult.load("found.npz"), RetrievalResult.load("runs/own/result.npz")
    assert np.array_equal(found.average_precision, expected.average_precision, equal_nan=True)
    assert main(["report", NAME, *ON_PEOPLE]) == 0
    assert COMMIT in (here / "report.html").read_text()


def test_its_features_are_searched_only_with_its_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [str(path) for path in sorted((here / "people/query").glob("*.jpg"))[:3]]
    assert main(["embed", "people/query", "-o", "hub.npz", "--model", NAME]) == 0
    assert f"--model {NAME}" in capsys.readouterr().err
    assert main(["embed", "people/query", "-o", "run.npz", "--model", "runs/own"]) == 0
    by_hub, by_run = read_features(here / "hub.npz"), read_features(here / "run.npz")
    assert by_hub.made_by.path == NAME
    assert np.array_equal(by_hub.embeddings.features, by_run.embeddings.features)
    assert main(["search", *pictures, "--in", "hub.npz", "--model", NAME]) == 0
    assert main(["search", *pictures, "--in", "hub.npz", "--model", "runs/own"]) == 0
    capsys.readouterr()
    assert main(["search", *pictures, "--in", "hub.npz"]) == 2, "a file's word downloads nothing"
    assert f"name it with --model {NAME}" in capsys.readouterr().err


def test_it_is_exported_into_the_working_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript")
    assert main(["export", NAME, "--for", "onnx"]) == 0
    assert f"Model: {NAME} (commit {COMMIT})" in capsys.readouterr().err.replace("\n", " ")
    assert (here / "person.onnx_onnx.onnx").is_file()
    assert main(["evaluate", "person.onnx_onnx.onnx", *ON_PEOPLE, "--result", "found.npz"]) == 0
    found, expected = RetrievalResult.load("found.npz"), RetrievalResult.load("runs/own/result.npz")
    assert found.mean_ap == pytest.approx(expected.mean_ap, abs=1e-3)


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "{name}", *ON_PEOPLE],
        ["report", "{name}", *ON_PEOPLE],
        ["embed", "people/query", "-o", "out.npz", "--model", "{name}"],
        ["search", "people/query", "--in", "people/query", "--model", "{name}"],
        ["export", "{name}", "--for", "onnx"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize(
    ("name", "part"),
    [("hf:someone/other", "not in the hub's cache"), ("hf:name", "no name on the hub"), ("hf:a/../..", "no name on")],
)
def test_what_the_hub_does_not_have_is_refused_everywhere(
    here: Path, command: list[str], name: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(here.rglob("*"))
    assert main([word.format(name=name) for word in command]) == 2
    said = capsys.readouterr().err
    assert part in said.replace("\n", " ")
    assert "Traceback" not in said
    assert sorted(here.rglob("*")) == before


def test_a_model_of_the_hub_needs_a_set_and_takes_no_options_of_onnx(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", NAME]) == 2
    assert f"{NAME} is a model without a set" in capsys.readouterr().err
    assert main(["evaluate", NAME, *ON_PEOPLE, "--onnx.range", "255"]) == 2
    assert "go with an ONNX file" in capsys.readouterr().err


def test_commands_and_models_know_the_hub_by_the_same_prefix() -> None:
    assert is_on_hub(hub.PREFIX)
    assert not is_on_hub(hub.PREFIX[:-1])
