"""`data check --model --page`: labels that a model contradicts, said and side by side on a page."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from strongreid.cli import main
from strongreid.data.check import check_data
from strongreid.data.table import ImageTable
from strongreid.evaluation.label_doubts import LabelDoubts, SamePerson, TwoPeople
from strongreid.reports.console import Console
from strongreid.runs.doubts import JudgedLabels, say_doubts, write_doubts


@pytest.fixture(scope="module")
def people(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of ten drawn people, with some blurred and one repeated image."""
    folder = tmp_path_factory.mktemp("own") / "people"
    for path in sorted((drawn / "bounding_box_train").glob("*.jpg")):
        (folder / path.name[:4]).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path.name[:4] / path.name)
    images = sorted(folder.glob("*/*.jpg"))
    shutil.copyfile(images[7], images[7].with_name(f"{images[7].stem}_again.jpg"))
    with Image.open(images[0]) as image:
        soft = image.filter(ImageFilter.GaussianBlur(3))
    soft.save(images[0])
    return folder


def test_a_model_of_three_epochs_says_that_it_cannot_judge_and_the_page_shows_poor_images(
    people: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "doubts.html"
    words = ["data", "check", "folder", str(people), "--model", str(trained), "--page", str(page)]
    assert main(words) == 0
    said = capsys.readouterr().err
    assert re.search(r"The model: images of one person lie 0\.\d+ apart, of two people [01]\.\d+", said)
    assert "Quality of the images:" in said
    html = page.read_text(encoding="utf-8")
    assert "Labels are not judged" in said
    assert "Labels are not judged" in html
    assert "<h2>Blurred</h2>" in html
    assert "<h2>Almost copies</h2>" in html
    assert not re.search(r"(src|href)=\"(?!data:|#)", html), "the page needs nothing else"


def test_a_page_without_a_model_shows_poor_images(people: Path, tmp_path: Path) -> None:
    assert main(["data", "check", "folder", str(people), "--page", str(tmp_path / "d.html")]) == 0
    html = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert "<h2>Blurred</h2>" in html
    assert "Probably" not in html


def test_slips(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check = ["data", "check", "folder", str(people)]
    assert main([*check, "--page", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    assert main([*check, "--model", str(tmp_path / "nothing")]) == 2
    assert "There is no" in capsys.readouterr().err


def judged(people: Path, count: int) -> JudgedLabels:
    """Doubts about the images of `people`, `count` of each kind."""
    paths = sorted(map(str, people.glob("*/*.jpg")))
    person = np.array([int(Path(path).parent.name) for path in paths])
    images = ImageTable(tuple(paths), person, np.zeros(len(paths), dtype=np.int64))
    numbers = images.people.tolist()
    rows = np.flatnonzero(person == numbers[0])
    same = tuple(SamePerson((numbers[0], numbers[1]), 0.1) for _ in range(count))
    two = tuple(TwoPeople(numbers[0], (rows[:2], rows[2:]), 0.9) for _ in range(count))
    return JudgedLabels(images, LabelDoubts(same, two, 0.3, 1.0), {numbers[0]: "cam1/7", numbers[1]: "cam2/<3>"})


def test_doubts_are_said_with_their_images_and_the_rest_is_counted(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = judged(people, 23)
    say_doubts(found, Console())
    said = capsys.readouterr().err
    assert "23 pairs of ids, probably one person each, and 23 ids, probably two people each." in said
    assert said.count("probably one person: person") == 20
    assert said.count("... and 3 more") == 2
    first, second = sorted(people.glob("*/*.jpg"))[0], sorted(people.glob("*/*.jpg"))[2]
    assert f"probably two people: person cam1/7, {first} and {second}, 0.900 apart" in said, "called as in the table"
    assert re.search(r"probably one person: person cam1/7 \(\S+\) and person cam2/<3> \(", said)
    say_doubts(judged(people, 1), Console())
    assert "1 pair of ids, probably one person each, and 1 id, probably two" in capsys.readouterr().err


def test_a_page_shows_the_doubted_people(people: Path, tmp_path: Path) -> None:
    write_doubts(tmp_path / "d.html", check_data("folder", people), judged(people, 2))
    html = (tmp_path / "d.html").read_text(encoding="utf-8")
    for title in ("Probably one person under two ids", "Probably two people under one id", "Blurred", "Almost copies"):
        assert f"<h2>{title}</h2>" in html
    assert html.count("0.900 apart") == html.count("0.100 apart") == 2
    assert html.count("person cam1/7 and person cam2/&lt;3&gt;, 0.100 apart") == 2


def test_the_two_of_a_pair_stand_side_by_side_in_frames_of_two_colours(people: Path) -> None:
    labels, same, two = judged(people, 1).sections()
    for section in (same, two):
        (tiles,) = section.blocks
        (row,) = tiles.rows  # type: ignore[union-attr]
        assert len({tile.color for tile in row.tiles}) == 2
        assert len({tile.label for tile in row.tiles}) == 2
    assert [section.title for section in judged(people, 0).sections()] == [labels.title, same.title, two.title]


@pytest.mark.parametrize(
    ("within", "between", "said"),
    [
        (0.7, 1.0, "it does not tell these people apart well enough"),
        (float("nan"), 1.0, "too few people have two images"),
    ],
)
def test_labels_that_cannot_be_judged_are_not_called_sound(
    within: float, between: float, said: str, people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = JudgedLabels(judged(people, 0).images, LabelDoubts((), (), within, between), {})
    say_doubts(found, Console())
    assert said in capsys.readouterr().err
    (section,) = found.sections()
    (text,) = section.blocks
    assert said in text.text  # type: ignore[union-attr]
