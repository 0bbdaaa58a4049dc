"""`train` in short: NAME DIR, `--epochs`, the recipe for the machine; what is said on the way, and what comes next."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strongreid.cli import COMMANDS, main
from strongreid.config import Config
from strongreid.recipes import recipe_names, recipe_path
from strongreid.tables.plan import row_config
from strongreid.tables.spec import read_table
from tests.conftest import SMALL
from tests.terminal import at_terminal


def training(words: list[str]) -> tuple[Config, str, bool]:
    """What `strongreid train WORDS` would train: settings, recipe, whether nobody named it."""
    work: Any = COMMANDS["train"].prepare(words)
    return *work.args, work.keywords["by_default"]


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    return lambda there: monkeypatch.setattr("torch.cuda.is_available", lambda: there)


def test_name_and_dir_are_two_words(drawn: Path) -> None:
    recipe = "--recipe=bag_of_tricks_small"
    long = training([f"--data.root={drawn}", "--data.name=drawn", recipe, "--seed=3"])
    assert long[0].data.root == drawn
    for words in (
        ["drawn", str(drawn), recipe, "--seed", "3"],
        [recipe, "--seed", "3", "drawn", str(drawn)],
        [recipe, "drawn", "--seed=3", str(drawn)],
    ):
        assert training(words) == long


@pytest.mark.parametrize("recipe", recipe_names())
def test_epochs_scale_the_schedule_as_in_reproduce(recipe: str, drawn: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"recipe: {recipe}\nrows: [{{name: as it is}}]\n")
    table = read_table("own", file)
    for epochs in (1, 2, 7, 24, 60, 120, 1000):
        config, _, _ = training(["drawn", str(drawn), f"--recipe={recipe}", f"--epochs={epochs}"])
        assert config.schedule == row_config(table, table.rows[0], "paper", epochs).schedule
        assert config.schedule.epochs == epochs


def test_what_is_given_of_the_schedule_stays_beside_epochs(drawn: Path) -> None:
    words = ["drawn", str(drawn), "--recipe=bag_of_tricks", "--epochs=12", "--schedule.milestones=[3,5]"]
    schedule = training(words)[0].schedule
    assert (schedule.epochs, schedule.warmup_epochs, schedule.milestones) == (12, 1, (3, 5))


def test_without_a_recipe_the_machine_chooses_and_says_so(
    drawn: Path, no_gpu: Callable[[bool], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["drawn", str(drawn)]
    for there, recipe in ((True, "bag_of_tricks"), (False, "photographs_small")):
        no_gpu(there)
        config, chosen, by_default = training(words)
        assert (chosen, by_default) == (recipe, True)
        assert config == training([*words, f"--recipe={recipe}"])[0]
    assert training([*words, "--runtime.accelerator=cuda"])[1] == "bag_of_tricks"
    assert training([*words, "--recipe=bag_of_tricks"])[1:] == ("bag_of_tricks", False)
    no_gpu(True)
    assert training([*words, "--runtime.accelerator=cpu"])[1] == "photographs_small"
    # 80 epochs are too few for the milestones of the one recipe, and fit the other
    assert training([*words, "--schedule.epochs=80"])[0].schedule.epochs == 80
    no_gpu(False)
    assert main(["train", *words, "--schedule.epochs=80"]) == 2
    assert "schedule.milestones" in capsys.readouterr().err


def test_a_set_that_was_moved_is_named_with_resume(trained: Path) -> None:
    work: Any = COMMANDS["train"].prepare([f"--resume={trained}", "--data.root", "elsewhere"])
    assert work.args == (trained, Path("elsewhere"), {})
    work = COMMANDS["train"].prepare(["--resume", str(trained), "--moved", "a=b", "my set=c=d"])
    assert work.args == (trained, None, {"a": Path("b"), "my set": Path("c=d")})


TINY = [word for word in SMALL if "schedule" not in word]


def test_a_training_without_a_terminal_writes_a_line_an_epoch_and_ends_with_what_comes_next(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "drawn", str(drawn), "--epochs=3", "--name=own run", f"--output={tmp_path}", *TINY]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.replace("\n", "").isprintable()
    lines = said.err.splitlines()
    assert sum("No GPU here: photographs_small" in line for line in lines) == 1
    epochs = [line for line in lines if line.startswith("own run: epoch ")]
    assert [re.match(r"own run: epoch (\d/3), ", line)[1] for line in epochs] == ["1/3", "2/3", "3/3"]  # type: ignore[index]
    for line in epochs:
        assert re.search(r"total [\d.]+, .*images/s, \d+:\d\d left", line)
    for line in epochs[:2]:
        assert re.search(r"rank-1 [\d.]+ %, mAP [\d.]+ %", line), "measured after each epoch but the last"
    assert lines[-1] == f"Next: strongreid report '{tmp_path / 'own run'}'"


def test_a_training_on_a_terminal_of_80_columns_shows_epoch_and_time_left(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "drawn", str(drawn), "--epochs=2", f"--output={tmp_path}", *TINY]
    with at_terminal(80, monkeypatch) as sent:
        assert main(words) == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sent.getvalue().decode())
    name = "photographs_small-drawn-seed0"
    drawn_lines = [line for part in shown.split("\r\n") for line in part.split("\r") if line.startswith(name)]
    assert any(re.match(rf"{name}  epoch 2/2  (\d+:\d\d|-:--) left", line) for line in drawn_lines)
    assert all(len(line) <= 80 for line in drawn_lines if "epoch" in line)
    assert f"Next: strongreid report {tmp_path / name}" in shown.replace("\r\n", "\n")


def test_each_command_ends_with_what_comes_next(
    trained: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = shutil.copytree(trained, tmp_path / "trained")  # it is calibrated here
    files = []
    for camera, side in enumerate(("query", "gallery")):
        files.append(str(tmp_path / f"{side} of 6.npz"))
        np.savez(files[-1], features=np.eye(6), person=np.arange(6), camera=np.full(6, camera))
    quoted = " ".join(f"'{file}'" for file in files)
    for words, then in (
        (["evaluate", str(trained)], f"report {trained}"),
        (["evaluate", "--embeddings", *files], f"evaluate --embeddings {quoted} --reranking true"),
        (["calibrate", str(trained), "--false_match_rate=0.1"], f"report {trained}"),
        (["compare", str(trained), str(trained)], f"report {trained}"),
        (["report", str(trained), f"--output={tmp_path / 'page.html'}"], f"identify {trained}"),
        (["data", "check", "drawn", str(drawn)], f"train drawn {drawn}"),
        (["data", "list"], "data check NAME DIR"),
        (["train", "--resume", str(trained)], f"report {trained}"),
    ):
        assert main(words) == 0
        assert capsys.readouterr().err.splitlines()[-1] == f"Next: strongreid {then}"


def test_reranking_is_set_by_any_of_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    person = np.arange(8).repeat(6)
    files = []
    for camera, side in enumerate(("query", "gallery")):
        files.append(str(tmp_path / f"{side}.npz"))
        features = np.eye(8)[person] + 0.6 * rng.normal(size=(48, 8))
        np.savez(files[-1], features=features, person=person, camera=np.full(48, camera))
    found = {}
    for name, words in {
        "off": [],
        "false": ["--reranking=false"],
        "true": ["--reranking", "true"],
        "default": ["--reranking.k1=20", "--reranking.k2=6", "--reranking.distance_weight=0.3"],
        "other": ["--reranking.k1", "5", "--reranking.k2", "2"],
    }.items():
        out = tmp_path / f"{name}.json"
        assert main(["evaluate", "--embeddings", *files, f"--json={out}", *words]) == 0
        found[name] = json.loads(out.read_text())["mean_ap"]
    assert found["off"] == found["false"]
    assert found["true"] == found["default"]
    assert len(set(found.values())) == 3
    capsys.readouterr()
    assert main(["evaluate", "--embeddings", *files, "--reranking.k1=0"]) == 2
    assert "k1 is 0" in capsys.readouterr().err


def test_every_recipe_can_be_named_by_its_file(drawn: Path) -> None:
    for name in recipe_names():
        by_name, by_file = (training(["drawn", str(drawn), f"--recipe={one}"]) for one in (name, recipe_path(name)))
        assert by_name == by_file
