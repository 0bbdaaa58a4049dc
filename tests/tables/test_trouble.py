"""What can go wrong with a sweep: damaged files, Ctrl-C, two commands at once. Nothing of it may end in a traceback."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from strongreid.cli import main
from tests.preloaded import start_command
from tests.tables.sweeps import sweep_words, table_of

LIMIT_S = 120
BOTH_SEEDS = ("--seeds", "0", "1")


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "out"))


def training_of(output: Path, row: int) -> Path:
    folder: str = table_of(output)["rows"][row]["trainings"][0]
    return output / "trainings" / folder


@pytest.mark.parametrize("content", [b"half", b"[]", b"{}", b'{"mean_ap": "much"}', b"\xff"])
def test_a_damaged_result_is_named_with_what_to_do(
    copy: Path, drawn: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    training = training_of(copy, 1)
    (training / "result.json").write_bytes(content)
    for words in (
        sweep_words(drawn, copy, *BOTH_SEEDS),
        ["compare", str(training_of(copy, 0)), str(training)],
        ["report", str(training)],
        ["train", "--resume", str(training)],
    ):
        assert main(words) == 2
        said = capsys.readouterr().err.replace("\n", " ")
        assert f"{training / 'result.json'} " in said
        assert f"Remove it; strongreid train --resume {training}" in said


def test_without_its_damaged_result_a_training_is_only_tested_again(copy: Path, drawn: Path, filled: Path) -> None:
    training = training_of(copy, 1)
    (training / "result.json").unlink()
    logged = (training / "log.jsonl").read_bytes()
    assert main(sweep_words(drawn, copy, *BOTH_SEEDS)) == 0
    assert (training / "log.jsonl").read_bytes() == logged
    assert table_of(copy) == table_of(filled)


def test_a_damaged_measurement_is_named_and_made_again_without_it(
    copy: Path, drawn: Path, filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = next((copy / "measured").iterdir())
    file.write_bytes(file.read_bytes()[:300])
    words = sweep_words(drawn, copy, *BOTH_SEEDS)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert str(file) in said.replace("\n", "")
    assert "Remove the file" in said
    file.unlink()
    assert main(words) == 0
    assert table_of(copy) == table_of(filled)


@pytest.mark.parametrize(
    "content", [b"half", b"{}", b'{"format": 1}', b'{"format":1,"epoch":2,"step":0,"total_steps":9,"log_bytes":0}']
)
def test_a_damaged_state_of_a_checkpoint_is_named(
    copy: Path, drawn: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    training = training_of(copy, 1)
    (training / "result.json").unlink()
    (checkpoint,) = (training / "checkpoints").iterdir()
    (checkpoint / "state.json").write_bytes(content)
    assert main(sweep_words(drawn, copy, *BOTH_SEEDS)) == 2
    assert str(checkpoint) in capsys.readouterr().err.replace("\n", "")
    (checkpoint / "state.json").write_bytes(
        b'{"format":1,"epoch":2,"step":0,"total_steps":9,"log_bytes":0,"metrics":{}}'
    )
    assert main(["train", "--resume", str(training)]) == 2
    assert "is damaged" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("name", "content"), [("log.jsonl", b"{}\n"), ("run.json", b"{}"), ("config.yaml", b"seed: [")]
)
def test_a_damaged_file_of_the_training_on_the_page_is_named(
    copy: Path, drawn: Path, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = training_of(copy, 1) / name
    damaged.write_bytes(content)
    assert main(sweep_words(drawn, copy, *BOTH_SEEDS)) == 2
    assert str(damaged) in capsys.readouterr().err.replace("\n", "")


def test_ctrl_c_says_how_to_go_on_and_the_table_is_the_same(filled: Path, drawn: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    words = sweep_words(drawn, output, *BOTH_SEEDS)
    process = start_command(words, tmp_path / "errors")
    try:
        deadline = time.monotonic() + LIMIT_S
        while not list(output.glob("trainings/*/log.jsonl")):
            assert process.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        process.join(LIMIT_S)
    finally:
        process.kill()
    said = (tmp_path / "errors").read_text()
    assert process.exitcode == 130
    assert "Go on with the same command" in said
    assert "Traceback" not in said
    assert main(words) == 0
    assert table_of(output) == table_of(filled)


def test_two_sweeps_at_once_in_one_folder_share_the_work(filled: Path, drawn: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    errors = [tmp_path / "first", tmp_path / "second"]
    both = [start_command(sweep_words(drawn, output, "--rows", "2", "3"), file) for file in errors]
    try:
        for process in both:
            process.join(LIMIT_S)
    finally:
        for process in both:
            process.kill()
    said = [file.read_text() for file in errors]
    assert [process.exitcode for process in both] == [0, 0], said
    assert sum("Waiting for another process" in text for text in said) == 1
    figures = [
        [row["mean_ap"][0] for row in rows] for rows in (table_of(output)["rows"], table_of(filled)["rows"][1:3])
    ]
    assert figures[0] == figures[1]


def test_the_plan_counts_what_is_left(copy: Path, drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = sweep_words(drawn, copy, *BOTH_SEEDS, "--plan")
    assert main(words) == 0
    assert "To do: 0 images in training, 0 in tests" in capsys.readouterr().err.replace("\n", " ")
    training = training_of(copy, 0)
    (training / "result.json").unlink()
    (checkpoint,) = (training / "checkpoints").iterdir()
    state = checkpoint / "state.json"
    state.write_text(state.read_text().replace('"epoch": 4', '"epoch": 2'))
    checkpoint.rename(checkpoint.with_name("epoch-0002-step-00000"))
    assert main(words) == 0
    left = capsys.readouterr().err.replace("\n", " ")
    shutil.rmtree(training)
    assert main(words) == 0
    whole = capsys.readouterr().err.replace("\n", " ")
    images = [int(said.split("To do: ")[1].split(" images")[0].replace(",", "")) for said in (left, whole)]
    assert 0 < images[1] == 3 * images[0] // 2  # two of three epochs
