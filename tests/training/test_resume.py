"""A run that was stopped and resumed is, bit for bit, the run that was not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from strongreid.cli import main
from tests.conftest import small_training

LIMIT_S = 120


def stop_after(words: list[str], log: Path, lines: int, number: signal.Signals) -> tuple[int, str]:
    """Start a training, send it a signal once its log has so many lines, and return its exit code and its errors."""
    with subprocess.Popen([sys.executable, "-m", "strongreid", *words], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + LIMIT_S
        while not (log.is_file() and log.read_bytes().count(b"\n") >= lines):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(number)
        _, errors = process.communicate(timeout=LIMIT_S)
    return process.returncode, errors.decode()


def assert_same_run(one: Path, other: Path) -> None:
    first, second = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(first[name].equal(second[name]) for name in first)
    assert without_speed(one) == without_speed(other)
    results = [json.loads((run / "result.json").read_text()) for run in (one, other)]
    assert results[0]["mean_ap"] == results[1]["mean_ap"]


def without_speed(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines]


@pytest.fixture(scope="module")
def whole(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped."""
    output = tmp_path_factory.mktemp("whole")
    assert main([*small_training(drawn, output), "--name=whole"]) == 0
    return output / "whole"


def test_two_runs_with_one_seed_are_identical_and_another_seed_is_not(
    train_words: list[str], tmp_path: Path, whole: Path
) -> None:
    assert main([*train_words, "--name=again"]) == 0
    assert_same_run(whole, tmp_path / "runs" / "again")
    assert main([*train_words, "--name=other", "--seed=1"]) == 0
    other = load_file(tmp_path / "runs" / "other" / "model.safetensors")
    mine = load_file(whole / "model.safetensors")
    assert not other["classifier.weight"].equal(mine["classifier.weight"])


def test_killed_at_random_steps_and_resumed_it_is_the_uninterrupted_run(
    train_words: list[str], tmp_path: Path, whole: Path
) -> None:
    run = tmp_path / "runs" / "killed"
    lines = len(without_speed(whole))
    chance = random.Random(0)
    words = [*train_words, "--name=killed"]
    for kill in sorted(chance.sample(range(1, lines), 3)):
        code, _ = stop_after(words, run / "log.jsonl", kill, signal.SIGKILL)
        assert code == -signal.SIGKILL
        words = ["train", "--resume", str(run)]
    assert main(words) == 0
    assert_same_run(whole, run)


def test_interrupted_it_stops_after_the_step_and_resumes_at_the_next(
    train_words: list[str], tmp_path: Path, whole: Path
) -> None:
    run = tmp_path / "runs" / "interrupted"
    code, errors = stop_after([*train_words, "--name=interrupted"], run / "log.jsonl", 2, signal.SIGINT)
    assert code == 130
    assert f"--resume {run}" in errors
    assert "Traceback" not in errors
    (checkpoint,) = (run / "checkpoints").iterdir()
    state = json.loads((checkpoint / "state.json").read_text())
    assert state["total_steps"] >= 4
    logged = (run / "log.jsonl").stat().st_size
    assert logged == state["log_bytes"]
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_run(whole, run)


def test_a_half_written_checkpoint_is_never_used(train_words: list[str], tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "runs" / "half"
    stop_after([*train_words, "--name=half"], run / "log.jsonl", 4, signal.SIGKILL)
    partial = run / "checkpoints" / f".epoch-0009-step-00000.partial-{os.getpid()}"
    partial.mkdir(parents=True)
    (partial / "model.safetensors").write_bytes(b"half")
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_run(whole, run)


def test_a_finished_run_is_not_trained_again(whole: Path) -> None:
    before = (whole / "log.jsonl").stat().st_mtime_ns
    assert main(["train", "--resume", str(whole)]) == 0
    assert (whole / "log.jsonl").stat().st_mtime_ns == before
