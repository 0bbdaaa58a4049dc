"""A run's model card: what it says is what the run recorded, and calibrating brings the threshold into it."""

import shutil
from pathlib import Path

import yaml

from strongreid.cli import main
from strongreid.export.card import Card, card_text
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
