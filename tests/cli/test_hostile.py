"""Names from anybody, on every way to the terminal: nothing in them reaches it as a command, no line is forged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from strongreid.cli import main
from tests.conftest import small_training
from tests.terminal import at_terminal

EVIL = "\x1b[2J\x1b]0;t\x07\r\x08\x9b1m\u202e\u2066\u200b\nstrongreid: ready\n"
SHOWN = r"\x1b[2J\x1b]0;t\x07\r\x08\x9b1m\u202e\u2066\u200b\nstrongreid: ready\n"


def features(folder: Path) -> list[str]:
    files = []
    for camera, side in enumerate(("query", "gallery")):
        files.append(str(folder / f"{side}{EVIL}.npz"))
        np.savez(files[-1], features=np.eye(6), person=np.arange(6), camera=np.full(6, camera))
    return files


def recipe(folder: Path, text: str) -> str:
    path = folder / "evil.yaml"
    path.write_text(text.replace("EVIL", SHOWN))
    return f"--recipe={path}"


def own_set(folder: Path, drawn: Path) -> list[str]:
    """A folder for each person, whose names, and those of their images, are hostile; one image cannot be read."""
    images = sorted((drawn / "bounding_box_train").glob("*.jpg"))
    for person in ("a", "b", "c", "d"):
        home = folder / EVIL / f"{person}{EVIL}"
        home.mkdir(parents=True)
        for number in range(3):
            shutil.copy(images[number], home / f"{number}{EVIL}.jpg")
    (home / f"9{EVIL}.jpg").write_bytes(b"none")
    return ["folder", str(folder / EVIL)]


def table(folder: Path) -> list[str]:
    file = folder / f"mine{EVIL}.yaml"
    file.write_text(f'rows: [{{name: "row{SHOWN}", set: {{"{SHOWN}": 1}}}}]\n')
    return ["reproduce", "own", f"--file={file}"]


REFUSED: dict[str, Callable[[Path, Path], list[str]]] = {
    "command": lambda folder, drawn: [EVIL],
    "command of a group": lambda folder, drawn: ["data", EVIL],
    "option": lambda folder, drawn: ["train", f"--{EVIL}=1"],
    "value": lambda folder, drawn: ["train", f"--seed={EVIL}"],
    "choice": lambda folder, drawn: ["train", f"--evaluation.metric={EVIL}"],
    "word": lambda folder, drawn: ["train", EVIL],
    "set": lambda folder, drawn: ["train", EVIL, str(drawn)],
    "folder of a set": lambda folder, drawn: ["train", "folder", EVIL],
    "recipe": lambda folder, drawn: ["train", f"--recipe={EVIL}"],
    "key of a recipe": lambda folder, drawn: ["train", recipe(folder, 'model: {"EVIL": 1}')],
    "value of a recipe": lambda folder, drawn: ["train", recipe(folder, 'model: {neck: "EVIL"}')],
    "text of a recipe": lambda folder, drawn: ["train", recipe(folder, "model: {neck: {")],
    "label": lambda folder, drawn: [
        "train",
        "drawn",
        str(drawn),
        *[f'--data.tested+={{name: drawn, root: {drawn}, label: "{SHOWN}"}}'] * 2,
    ],
    "name of a run": lambda folder, drawn: ["train", "drawn", str(drawn), f"--name=a/{EVIL}"],
    "folder of a run": lambda folder, drawn: ["report", EVIL],
    "run to resume": lambda folder, drawn: ["train", f"--resume={folder / EVIL}"],
    "features": lambda folder, drawn: ["evaluate", "--embeddings", EVIL, EVIL],
    "table": lambda folder, drawn: ["reproduce", EVIL],
    "table of one's own": lambda folder, drawn: table(folder),
    "images": lambda folder, drawn: ["data", "check", *own_set(folder, drawn)],
    "training images": lambda folder, drawn: ["train", *own_set(folder, drawn), f"--output={folder}"],
}


@pytest.mark.parametrize("channel", REFUSED)
def test_a_refusal_forges_nothing(
    channel: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(REFUSED[channel](tmp_path, drawn)) == 2
    captured = capsys.readouterr()
    harmless(captured.out + captured.err)


def harmless(text: str) -> None:
    """No line is another's, and nothing but line ends is more than a letter."""
    assert text.replace("\n", "").isprintable()
    assert "strongreid: ready" not in text.splitlines()


def test_a_refusal_shows_what_was_hostile(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", EVIL]) == 2
    assert SHOWN in capsys.readouterr().err


@pytest.mark.parametrize("columns", [None, 80])
def test_names_in_tables_bars_and_messages_forge_nothing(
    columns: int | None,
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The whole way of a hostile run: its name, a label, its folders; without a terminal, and on one."""
    output = tmp_path / EVIL
    label = f'--data.tested=[{{name: drawn, root: {drawn}, label: "{SHOWN}"}}]'
    run = output / f"own{EVIL}"
    training = [*small_training(drawn, output), "--name=own\u202e", label]
    commands = [
        ["evaluate", str(run)],
        ["compare", str(run), str(run)],
        ["report", str(run)],
        ["evaluate", "--embeddings", *features(tmp_path)],
    ]
    if columns is not None:
        with at_terminal(columns, monkeypatch) as sent:
            assert main(training) == 0
        shown = sent.getvalue().decode()
        for sequence in ("\x1b[2J", "\x1b]", "\x07", "\x9b", "\u202e", "\u2066", "\u200b", "\x08"):
            assert sequence not in shown
        assert r"own\u202e  epoch 3/3" in shown
        return
    assert main(training) == 0
    (output / "own\u202e").rename(run)
    for words in commands:
        assert main(words) == 0
        captured = capsys.readouterr()
        harmless(captured.out + captured.err)


def test_help_shows_the_values_of_a_hostile_recipe_harmlessly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", recipe(tmp_path, 'model: {backbone: "EVIL"}'), "--help"]) == 0
    harmless(capsys.readouterr().out)
