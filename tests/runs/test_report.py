"""A report on a real, tiny run whose files, people and name are hostile, read as text and opened in a browser."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongreid.cli import main
from strongreid.data import load_benchmark
from strongreid.errors import InputError
from strongreid.evaluation import METRICS
from strongreid.reports.console import Console
from strongreid.reports.page import Headlines, Section, Table
from strongreid.runs.folder import Run
from strongreid.runs.report import report_run, run_sections
from tests.conftest import SMALL
from tests.reports.browser import DESKTOP, PHONE, Browser, chromium

FOLDER, FILE = "<script>alert(1)<", "script>"
"""A path whose parts are harmless to the file system and, joined by a slash, hostile to a page."""
NAME = "<img src=x onerror=alert(2)>&amp;"
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def people(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of drawn people whose files have hostile names."""
    home = tmp_path_factory.mktemp("own")
    (home / FOLDER).mkdir()
    (home / "plain").mkdir()
    data = load_benchmark("market1501", drawn)
    rows = [["path", "person", "camera", "split"]]
    for split, table in (("train", data.train), ("query", data.query), ("gallery", data.gallery)):
        for row, path in enumerate(table.path):
            name = f"{'plain' if row == 1 else FOLDER}/{FILE}{split}{row}.jpg"
            shutil.copy(path, home / name)
            rows.append([name, str(table.person[row]), str(table.camera[row]), split])
    with (home / "people.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return home / "people.csv"


@pytest.fixture(scope="module")
def run(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; copy it to change it."""
    output = tmp_path_factory.mktemp("runs")
    words = ["train", "--recipe=bag_of_tricks_small", "--data.name=table", f"--data.root={people}"]
    words += [f"--output={output}", f"--name={NAME}", "--evaluation.every_epochs=1", *SMALL]
    assert main(words) == 0
    return output / NAME


@pytest.fixture(scope="module")
def sections(run: Path) -> dict[str, Section]:
    return {section.title: section for section in run_sections(Run(run), QUIET)}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def headlines(section: Section) -> dict[str, str]:
    return {f.name: f.value for block in section.blocks if isinstance(block, Headlines) for f in block.figures}


def test_the_figures_are_those_of_the_run(sections: dict[str, Section], run: Path) -> None:
    recorded = json.loads((run / "result.json").read_text())
    shown = headlines(sections["Result"])
    assert shown == {metric.label: f"{100 * recorded[name]:.1f} %" for name, metric in METRICS.items()}
    assert not any("result.json says" in getattr(block, "text", "") for block in sections["Result"].blocks)
    assert {"TPR at FPR 0.1 %", "TPR at FPR 1 %", "EER"} <= set(headlines(sections["Ranking and thresholds"]))
    assert headlines(sections["Cost"])["training speed"] == f"{recorded['images_per_second']:,.0f}"


def test_every_section_is_there_in_order_and_filled(sections: dict[str, Section]) -> None:
    assert list(sections) == [
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
    assert all(section.blocks for section in sections.values())
    assert len(sections["Learning"].blocks[0].pictures) == 3  # losses, rate, and mAP on the way


def test_a_strip_s_frames_agree_with_its_precision(sections: dict[str, Section]) -> None:
    whole = 0
    for row in [row for block in sections["What it finds"].blocks for row in block.rows]:
        counted = [tile.frame for tile in row.tiles[1:] if tile.frame != "left_out"]
        ranks = [rank for rank, frame in enumerate(counted, start=1) if frame == "right"]
        to_find = int(row.note.rsplit(" ", 1)[1])
        if len(ranks) == to_find:  # otherwise some lie behind the tenth image
            whole += 1
            precision = sum(place / rank for place, rank in enumerate(ranks, start=1)) / to_find
            assert f"average precision {100 * precision:.1f} %" in row.note
    assert whole


def test_the_page_opens_without_an_error_an_outside_request_or_sideways_scrolling(
    run: Path, tmp_path: Path, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    assert main(["report", str(run), "--output", str(page)]) == 0
    assert str(page) in capsys.readouterr().err.replace("\n", "")
    for width in (PHONE, DESKTOP):
        seen = browser.look(page, width)
        assert (seen.errors, seen.requests, seen.scripts, seen.broken_pictures) == ([], [], 0, 0)
        assert seen.needed <= seen.width
        assert NAME in seen.text
        assert "<script>alert(1)</script>query" in seen.text
    assert page.stat().st_size < 5_000_000
    assert not (run / "report.html").exists()


def test_an_older_run_without_its_cost_shows_dashes_and_further_tests_are_rows(copy: Path) -> None:
    recorded = json.loads((copy / "result.json").read_text())
    del recorded["images_per_second"], recorded["peak_memory_mb"]
    recorded["mean_ap"] -= 0.01
    recorded["tested"] = {"<b>elsewhere": {"mean_ap": 0.125, "rank_1": 0.5}}
    (copy / "result.json").write_text(json.dumps(recorded))
    (copy / "log.jsonl").unlink()
    record = json.loads((copy / "run.json").read_text())
    record["data"]["fingerprint"]["tested"] = {"elsewhere": {"query": "1a2b"}}
    (copy / "run.json").write_text(json.dumps(record))
    sections = {section.title: section for section in run_sections(Run(copy), QUIET)}
    cost = headlines(sections["Cost"])
    assert cost["training speed"] == cost["peak memory"] == "—"
    (table,) = [block for block in sections["Result"].blocks if isinstance(block, Table)]
    assert list(table.rows[1]) == ["<b>elsewhere", "12.5 %", "50.0 %", *["—"] * (len(METRICS) - 1)]
    assert any("result.json says" in getattr(block, "text", "") for block in sections["Result"].blocks)
    assert ["fingerprint of tested.elsewhere.query", "1a2b"] in list(sections["Environment"].blocks[0].rows)
    assert "no log" in sections["Learning"].blocks[0].text


def test_a_moved_data_set_is_named_and_another_one_refused(copy: Path, people: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(people.parent, tmp_path / "moved")
    assert report_run(copy, moved / "people.csv", None, QUIET) == copy / "report.html"
    text = (copy / "report.html").read_text()
    assert re.search("<title>run</title>", text)
    changed = next((moved / FOLDER).glob("*gallery0.jpg"))
    changed.write_bytes(changed.read_bytes() + b" ")
    with pytest.raises(InputError, match=r"gallery images .* --data\.root"):
        report_run(copy, moved / "people.csv", None, QUIET)
    assert (copy / "report.html").read_text() == text


def test_what_is_no_finished_run_is_refused_with_what_to_do(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "result.json").unlink()
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder, part in ((copy, f"strongreid train --resume {copy}"), (empty, "no config.yaml")):
        assert main(["report", str(folder)]) == 2
        errors = " ".join(capsys.readouterr().err.split())
        assert str(folder) in errors
        assert part in errors
    assert not (copy / "report.html").exists()
    assert main(["report", str(copy), "--output", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
