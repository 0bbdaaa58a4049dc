"""A run's model card: what it says is what the run recorded, and calibrating brings the threshold into it."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from strongreid.cli import main
from strongreid.errors import InputError
from strongreid.export.card import Card, card_text
from strongreid.models import ReIDModel
from strongreid.runs.card import write_for_hub
from strongreid.runs.folder import Run


def front(text: str) -> dict[str, object]:
    _, matter, _ = text.split("---\n", 2)
    found: dict[str, object] = yaml.safe_load(matter)
    return found


def test_a_training_writes_the_card_and_calibrating_adds_the_threshold(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "own"))
    card = (run / "model.card.md").read_text()
    assert front(card)["datasets"] == ["drawn"]
    assert f"mAP {100 * Run(run).metrics['mean_ap']:.1f} (95 % interval" in card
    for part in ("## Unsuitable uses", "without a legal basis", "Not calibrated", "3 epochs", "seed 0", "torch "):
        assert part in card
    assert main(["calibrate", str(run), "--false_match_rate=0.2"]) == 0
    again = (run / "model.card.md").read_text()
    assert "at a false-match rate of 20 %" in again
    assert "Not calibrated" not in again


def test_what_is_not_known_is_said_to_be_so() -> None:
    text = card_text(Card("x: y\n# z", "A network."))
    assert front(text)["library_name"] == "strongreid"
    assert text.count("Not recorded.") == 3
    assert "Not measured" in text


def test_a_folder_for_the_hub_has_the_card_of_its_run(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "own"))
    assert main(["calibrate", str(run), "--false_match_rate=0.2"]) == 0
    write_for_hub(run, tmp_path / "push")
    assert {file.name for file in (tmp_path / "push").iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert (tmp_path / "push" / "README.md").read_text() == (run / "model.card.md").read_text()
    pushed, own = ReIDModel.from_pretrained(tmp_path / "push"), ReIDModel.load(run)
    images = torch.randint(256, (3, 3, 64, 32), dtype=torch.uint8)
    assert torch.equal(pushed.embed(images), own.embed(images))
    assert pushed.calibrated == own.calibrated is not None


def test_a_folder_for_the_hub_of_a_file_alone_says_what_is_not_known(trained: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copy(trained / "model.safetensors", tmp_path / "alone_0.5.safetensors"))
    write_for_hub(str(alone), str(tmp_path / "push"))
    card = (tmp_path / "push" / "README.md").read_text()
    assert "# alone_0.5\n" in card
    write_for_hub(tmp_path / "push", tmp_path / "net-0.5")
    write_for_hub(tmp_path / "net-0.5", tmp_path / "again")
    assert "# net-0.5\n" in (tmp_path / "again" / "README.md").read_text()
    for part in ("resnet10_small", "Not recorded.", "Not measured", "Not calibrated", "without a legal basis"):
        assert part in card
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="exists already"):
        write_for_hub(alone, tmp_path / "push")
    with pytest.raises(InputError, match="no model"):
        write_for_hub(tmp_path / "nowhere.safetensors", tmp_path / "other")
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not (tmp_path / "other").exists()
