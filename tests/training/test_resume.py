"""A run that was stopped and resumed is, bit for bit, the run that was not."""

import json
import os
import pty
import random
import select
import signal
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from strongreid.cli import main
from strongreid.training.checkpoint import newest_checkpoint
from tests.preloaded import start_command
from tests.training.runs_alike import assert_same_run, without_speed

LIMIT_S = 120


def stop_after(
    words: list[str], run: Path, lines: int, number: signal.Signals, *, ignored: signal.Signals | None = None
) -> tuple[int | None, str]:
    """Start a training, send it a signal once its log has so many lines, and return its exit code and its errors."""
    log, errors = run / "log.jsonl", run.parent / f"{run.name}.err"
    errors.parent.mkdir(exist_ok=True)
    process = start_command(words, errors, ignored=ignored)
    try:
        deadline = time.monotonic() + LIMIT_S
        while not (log.is_file() and log.read_bytes().count(b"\n") >= lines):
            assert process.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert process.pid is not None
        os.kill(process.pid, number)
        process.join(LIMIT_S)
    finally:
        process.kill()
    return process.exitcode, errors.read_text()


def test_two_runs_with_one_seed_are_identical_and_another_seed_is_not(tmp_path: Path, trained: Path) -> None:
    words = ["train", f"--recipe={trained / 'config.yaml'}", f"--output={tmp_path}"]
    assert main([*words, "--name=again"]) == 0
    assert_same_run(trained, tmp_path / "again")
    assert main([*words, "--name=other", "--seed=1"]) == 0
    other = load_file(tmp_path / "other" / "model.safetensors")
    mine = load_file(trained / "model.safetensors")
    assert not other["classifier.weight"].equal(mine["classifier.weight"])


def test_killed_at_random_steps_and_resumed_it_is_the_uninterrupted_run(
    train_words: list[str], tmp_path: Path, trained: Path
) -> None:
    run = tmp_path / "runs" / "killed"
    lines = len(without_speed(trained))
    rng = random.Random(0)
    words = [*train_words, "--name=killed"]
    for kill in sorted(rng.sample(range(1, lines), 3)):
        code, _ = stop_after(words, run, kill, signal.SIGKILL)
        assert code == -signal.SIGKILL
        words = ["train", "--resume", str(run)]
    assert main(words) == 0
    assert_same_run(trained, run)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_interrupted_it_stops_after_the_step_and_resumes_at_the_next(
    train_words: list[str], tmp_path: Path, trained: Path, number: signal.Signals, expected: int
) -> None:
    run = tmp_path / "runs" / "interrupted"
    code, errors = stop_after([*train_words, "--name=interrupted"], run, 2, number)
    assert code == expected
    assert f"--resume {run}" in errors
    assert "Traceback" not in errors
    (checkpoint,) = (run / "checkpoints").iterdir()
    state = json.loads((checkpoint / "state.json").read_text())
    assert state["total_steps"] >= 4
    logged = (run / "log.jsonl").stat().st_size
    assert logged == state["log_bytes"]
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_run(trained, run)


def test_a_terminal_that_is_closed_costs_nothing(train_words: list[str], tmp_path: Path, trained: Path) -> None:
    run, (main_end, terminal) = tmp_path / "runs" / "closed", pty.openpty()
    process = start_command([*train_words, "--name=closed"], tmp_path, terminal=os.ttyname(terminal))
    try:
        log, deadline = run / "log.jsonl", time.monotonic() + LIMIT_S
        while not (log.is_file() and log.read_bytes().count(b"\n") >= 2):
            assert process.is_alive()
            assert time.monotonic() < deadline
            if select.select([main_end], [], [], 0.005)[0]:
                os.read(main_end, 65536)  # or it would wait for a reader
        os.close(terminal)
        os.close(main_end)
        process.join(LIMIT_S)
    finally:
        process.kill()
    assert process.exitcode == 129
    assert newest_checkpoint(run / "checkpoints") is not None
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_run(trained, run)


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_under_nohup_it_goes_on(train_words: list[str], tmp_path: Path, trained: Path, ignored: signal.Signals) -> None:
    run = tmp_path / "runs" / "nohup"
    code, _ = stop_after([*train_words, "--name=nohup"], run, 2, ignored, ignored=ignored)
    assert code == 0
    assert_same_run(trained, run)


def test_a_half_written_checkpoint_is_never_used(train_words: list[str], tmp_path: Path, trained: Path) -> None:
    run = tmp_path / "runs" / "half"
    stop_after([*train_words, "--name=half"], run, 4, signal.SIGKILL)
    partial = run / "checkpoints" / f".epoch-0009-step-00000.partial-{os.getpid()}"
    partial.mkdir(parents=True)
    (partial / "model.safetensors").write_bytes(b"half")
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_run(trained, run)


def test_a_finished_run_is_not_trained_again(trained: Path) -> None:
    before = (trained / "log.jsonl").stat().st_mtime_ns
    assert main(["train", "--resume", str(trained)]) == 0
    assert (trained / "log.jsonl").stat().st_mtime_ns == before
