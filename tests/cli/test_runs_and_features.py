"""The commands on runs and features, from the command line."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from strongreid.cli import COMMANDS, main
from strongreid.cli.any_model import NOT_ONNX, OnnxChoice
from strongreid.evaluation import Embeddings, RetrievalResult, evaluate
from strongreid.recipes.parsing import parse


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(1)
    names = [str(tmp_path / f"{name}.npz") for name in ("query", "gallery")]
    for camera, name in enumerate(names):
        person = np.arange(60) % 10
        np.savez(
            name,
            features=np.eye(10)[person] + 0.4 * rng.normal(size=(60, 10)),
            person=person,
            camera=np.full(60, camera),
        )
    return names


def test_features_go_through_all_four_commands(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [str(tmp_path / f"{name}.npz") for name in ("cosine", "euclidean")]
    for metric, file in zip(("cosine", "euclidean"), results, strict=True):
        assert main(["evaluate", "--embeddings", *files, f"--metric={metric}", "--result", file]) == 0
    expected = evaluate(*map(Embeddings.load, files))
    assert RetrievalResult.load(results[0]).mean_ap == expected.mean_ap
    capsys.readouterr()
    assert main(["compare", *results]) == 0
    assert "euclidean.npz against cosine.npz: " in capsys.readouterr().err
    out = tmp_path / "threshold.json"
    assert main(["calibrate", "--embeddings", *files, "--false_match_rate=0.05", f"--json={out}"]) == 0
    threshold = json.loads(out.read_text())["threshold"]
    assert f"{threshold:.4g}" in capsys.readouterr().err
    page = tmp_path / "page.html"
    assert main(["report", "--embeddings", *files, "--output", str(page), "--metric", "euclidean"]) == 0
    assert "euclidean distance" in page.read_text()


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "identify", "report"])
def test_the_next_command_compares_features_as_this_one(
    files: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["--metric", "euclidean", "--same_camera", "include"]
    assert main([command, "--embeddings", *files, *chosen]) == 0
    _, step = capsys.readouterr().err.split("Next: strongreid ")
    assert shlex.split(step)[1:8] == ["--embeddings", *files, *chosen]


@pytest.mark.parametrize("choice", [NOT_ONNX, OnnxChoice((64, 32), 255, "bgr", (1.0, 2.5, 3.0), (0.0, 0.0, 0.0))])
def test_what_an_onnx_file_takes_is_told_to_the_next_command(choice: OnnxChoice) -> None:
    parser = COMMANDS["evaluate"].parser()
    assert parser.instantiate(parse(parser, ["model.onnx", *choice.words])).onnx == choice


def test_a_folder_of_runs_lists_them_with_the_command_for_each(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    for name in ("own", "table/trainings/one", "stopped"):
        shutil.copytree(trained, runs / name)
    (runs / "stopped" / "result.json").unlink()
    assert main(["report", str(runs)]) == 0
    lines = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert f"strongreid report {runs / 'own'}" in lines
    assert f"strongreid report {runs / 'table/trainings/one'}" in lines
    assert f"strongreid train --resume {runs / 'stopped'}" in lines
    assert not list(runs.rglob("report.html"))


def test_a_stopped_run_goes_on_with_its_moved_data_and_not_with_changed_settings(
    trained: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, people = tmp_path / "own", tmp_path / "people"
    shutil.copytree(trained, run)
    shutil.copytree(drawn, people)
    (run / "result.json").unlink()
    settings = run / "config.yaml"
    whole = settings.read_text()
    gone = tmp_path / "gone"
    settings.write_text(whole.replace(str(drawn), str(gone)))
    assert main(["train", "--resume", str(run)]) == 2
    said = capsys.readouterr().err
    assert str(gone) in said
    assert "--data.root DIR" in said
    assert main(["train", "--resume", str(run), "--data.root", str(people)]) == 0
    (run / "result.json").unlink()
    settings.write_text(whole.replace("base_rate: 0.002", "base_rate: 0.003"))
    assert settings.read_text() != whole
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path != settings}
    for command in (["train", "--resume"], ["evaluate"], ["calibrate"]):
        capsys.readouterr()
        assert main([*command, str(run)]) == 2
        said = capsys.readouterr().err
        assert "schedule.base_rate is 0.003, but the run was started with 0.002" in said
        assert "start a new run" in said
    assert before.items() <= {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}.items()


def test_options_of_runs_and_of_features_are_not_mixed(
    files: list[str], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, part in (
        (["report", str(trained), "--embeddings", *files], "one of the two"),
        (["calibrate", str(trained), "--metric=cosine"], "--metric and --same_camera go with --embeddings"),
        (["report", "--embeddings", *files, "--data.root=x"], "go with a run"),
        (["compare", *files], "--result FILE.npz"),
        (["calibrate"], "RUN is missing"),
    ):
        assert main(words) == 2
        assert part in capsys.readouterr().err
