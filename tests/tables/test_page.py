"""The page of a table across domains, with a hostile name, in a browser; and what happens when its data moved."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strongreid.cli import main
from strongreid.drawn import draw_people
from tests.reports.browser import DESKTOP, PHONE, Browser, chromium
from tests.tables.sweeps import LENGTH

NAME = "<script>alert(1)</script> & a name as long as names of rows are"
TABLE = f"""
title: Trained here, tested there
recipe: standard_baseline
across: true
rows:
  - name: "{NAME}"
    paper: {{market1501 -> dukemtmc_reid: [24.4, 12.9, N]}}
  - name: ranked again
    from: "{NAME}"
    reranking: true
    paper: {{market1501 -> dukemtmc_reid: [26.3, 14.1, N]}}
"""


def words(home: Path, output: Path, here: str, there: str) -> list[str]:
    sets = [f"--data.root={home / here}", f"--other.root={home / there}"]
    return ["reproduce", "own", f"--file={home / 'mine.yaml'}", *sets, "--scale=cpu", f"--output={output}", *LENGTH]


def table_of(output: Path, here: str = "here") -> list[dict[str, Any]]:
    text = (output / f"mine-{here}-there" / "table.json").read_text()
    rows: list[dict[str, Any]] = json.loads(text)["rows"]
    return rows


@pytest.fixture(scope="module")
def home(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table across two sets of drawn people, and the two."""
    home = tmp_path_factory.mktemp("across")
    (home / "mine.yaml").write_text(TABLE)
    shutil.copytree(drawn, home / "here")
    other = {"train_people": 10, "test_people": 6, "images_per_person": 6, "distractors": 4, "junk": 3}
    draw_people(home / "there", **other, seed=8, domain=1)
    return home


@pytest.fixture(scope="module")
def crossed(home: Path) -> Path:
    assert main(words(home, home / "out", "here", "there")) == 0
    return home / "out"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as started:
        yield started


def test_sets_of_one_kind_are_told_apart_by_their_folders(crossed: Path) -> None:
    assert [row["direction"] for row in table_of(crossed)] == ["here -> there"] * 2 + ["there -> here"] * 2
    assert table_of(crossed)[1]["paper_gain"] == pytest.approx(1.2)
    assert all(row["versus_paper"] is None for row in table_of(crossed))


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_opens_without_an_error_an_outside_request_or_sideways_scrolling(
    crossed: Path, browser: Browser, width: int
) -> None:
    seen = browser.look(crossed / "mine-here-there" / "report.html", width)
    assert (seen.errors, seen.requests, seen.scripts, seen.broken_pictures) == ([], [], 0, 0)
    assert seen.needed <= seen.width
    assert seen.wide_tables == 0
    assert seen.smallest_text >= 8 / 0.75
    assert NAME in seen.text
    for row in table_of(crossed):
        assert f"{100 * row['mean_ap'][0]:.1f}" in seen.text


def test_the_page_holds_the_table_and_everything_of_one_training(crossed: Path) -> None:
    text = (crossed / "mine-here-there" / "report.html").read_text()
    titles = re.findall(r"<h2>([^<]*)</h2>", text)
    assert [title for title in titles if not title.startswith("In detail")] == [
        "Table",
        "What each row brings",
        "Curves",
        "What each row changes",
        "What each row cost",
        "Result",
        "Learning",
        "Ranking and thresholds",
        "Strangers",
        "What it finds",
        "Where it looks",
        "Map of people",
        "Hardest confusions",
        "Cost",
        "Configuration",
        "Environment",
    ]
    assert len(list((crossed / "mine-here-there").glob("*.png"))) == 3 * 2  # a picture for each direction
    assert "re-ranked" in text


def test_the_training_in_detail_is_shown_on_the_set_that_the_table_tests_it_on(crossed: Path) -> None:
    text = (crossed / "mine-here-there" / "report.html").read_text()
    row = table_of(crossed)[2]  # there -> here, before re-ranking
    (shown,) = re.findall(r'<dt>mAP</dt>\s*<dd class="value">([\d.]+) %', text)
    own = json.loads((crossed / "trainings" / row["trainings"][0] / "result.json").read_text())
    assert shown == f"{100 * row['mean_ap'][0]:.1f}"
    assert shown != f"{100 * own['mean_ap']:.1f}"


def test_compare_has_no_paired_test_for_other_queries(crossed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = table_of(crossed)
    assert main(["compare", *(str(crossed / "trainings" / rows[place]["trainings"][0]) for place in (0, 2))]) == 0
    assert "no paired test" in capsys.readouterr().err


def test_a_sweep_whose_data_moved_goes_on_without_training_again(crossed: Path, home: Path, tmp_path: Path) -> None:
    output = Path(shutil.copytree(crossed, tmp_path / "out"))
    first, other = (output / "trainings" / table_of(crossed)[place]["trainings"][0] for place in (0, 2))
    (other / "result.json").unlink()
    for measured in (output / "measured").iterdir():
        measured.unlink()
    made = (first / "model.safetensors").stat().st_mtime_ns
    (home / "here").rename(home / "moved")
    try:
        assert main(words(home, output, "moved", "there")) == 0
    finally:
        (home / "moved").rename(home / "here")
    figures = [
        [(row["mean_ap"], row["rank_1"], row["trainings"]) for row in rows]
        for rows in (table_of(crossed), table_of(output, "moved"))
    ]
    assert figures[0] == figures[1]
    assert (first / "model.safetensors").stat().st_mtime_ns == made
    assert (output / "mine-moved-there" / "report.html").is_file()
