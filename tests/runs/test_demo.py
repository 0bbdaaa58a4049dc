"""The demo on few people, with trainings of seconds: what it says, draws and writes; it goes on where it was."""

import re
from pathlib import Path

import pytest
from PIL import Image

from strongreid.config import Config
from strongreid.drawn import draw_people, occluded_queries
from strongreid.recipes.values import with_values
from strongreid.reports.console import Console
from strongreid.runs import demo

TINY = {
    "model.image_size": (64, 32),
    "batch.people_per_batch": 4,
    "batch.images_per_person": 2,
    "schedule.epochs": 2,
    "schedule.warmup_epochs": 0,
    "schedule.milestones": (2,),
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's own steps, with fewer people and epochs."""
    of_recipe = demo._config

    def config(name: str, drawn: Path, output: Path, seed: int) -> Config:
        return with_values(of_recipe(name, drawn, output, seed), TINY)

    def draw(folder: Path, *, seed: int, progress: object) -> Path:
        return draw_people(folder, train_people=8, test_people=14, images_per_person=5, distractors=5, seed=seed)

    monkeypatch.setattr(demo, "_config", config)
    monkeypatch.setattr(demo, "draw_people", draw)


@pytest.mark.usefixtures("small")
def test_the_demo_says_what_it_does_and_what_it_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "demo"
    demo.run_demo(output, 3, Console())
    said = capsys.readouterr().err
    assert [line[:4] for line in said.splitlines() if re.match(r"\d/4 ", line)] == ["1/4 ", "2/4 ", "3/4 ", "4/4 "]
    assert said.count(" left)") == 4
    assert re.search(r"Untrained, \d+ of 100 searches .* \d+ of 100\.", said)
    assert len(re.findall(r"interval .* p = ", said)) == 2  # mAP and rank-1
    assert re.search(r"\d+ of \d+ queries got better, \d+ worse, \d+ equal", said)
    assert "+ re-ranking" in said
    assert "market1501" not in said
    for command in re.findall(r"^  (strongreid .*)$", said, flags=re.MULTILINE):
        for word in command.split()[2:]:
            assert not word.startswith(str(output)) or Path(word).exists(), command
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "Better and worse" in page
    assert "+ re-ranking" in page
    with Image.open(output / "strips.png") as picture:
        assert min(picture.size) > 500
    weights = [(output / name / "model.safetensors").stat().st_mtime_ns for name in demo.RECIPES]
    demo.run_demo(output, 3, Console(quiet=True))
    assert [(output / name / "model.safetensors").stat().st_mtime_ns for name in demo.RECIPES] == weights


def test_occluded_queries_are_those_that_were_painted_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from strongreid.drawn import picture, worker

    painted: list[bool] = []
    paint = picture._paint

    def noted(seed: int, domain: int, number: int, camera: int, index: int, junk: bool) -> object:
        found = paint(seed, domain, number, camera, index, junk)
        painted.append(found[-1])
        return found

    folder = draw_people(tmp_path / "people", train_people=2, test_people=30, images_per_person=5, seed=5, workers=1)
    found = occluded_queries(folder)
    queries = sorted(entry.name for entry in (folder / "query").iterdir())
    assert 0 < len(found) < len(queries) / 3
    monkeypatch.setattr(picture, "_paint", noted)
    for name in queries:
        person, camera, frame, _ = name.split("_")
        job = worker.Job(str(tmp_path / name), 5, 0, int(person), int(camera[1]) - 1, int(frame) % 100, False)
        worker.draw_file(job)
        assert (tmp_path / name).read_bytes() == (folder / "query" / name).read_bytes()
    assert [name in found for name in queries] == painted
