"""`strongreid gallery ...` as whole commands on a run of drawn people, and what they refuse."""

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from strongreid.cli import main
from strongreid.gallery import Gallery
from strongreid.models import ReIDModel, embed
from strongreid.runs.feature_files import read_features

GUIDE = Path(__file__).parents[2] / "docs" / "gallery.md"
ONE_HOUR = "time >= 2026-11-01T12:00 and time < 2026-11-01T13:00"


@pytest.fixture(scope="module")
def room(drawn: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a run, a table of pictures and a gallery of them; never written to."""
    folder = tmp_path_factory.mktemp("room")
    shutil.copytree(trained, folder / "runs" / "own")
    shutil.copytree(drawn / "bounding_box_test", folder / "pictures", ignore=shutil.ignore_patterns("*.txt"))
    shutil.copyfile(sorted((drawn / "query").glob("*.jpg"))[0], folder / "person.jpg")
    text = "path,person,camera,time,track\n"
    for number, file in enumerate(sorted((folder / "pictures").iterdir())):
        person, camera = re.findall(r"-?\d+", file.name)[:2]
        text += f"pictures/{file.name},{person},{camera},2026-11-01T{number % 24:02d}:30,{number // 3}\n"
    (folder / "people.csv").write_text(text)
    assert run(folder, "gallery add runs/own people.csv --to people.gallery --thumbnails") == 0
    return folder


@pytest.fixture
def here(room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(room, tmp_path / "room", copy_function=shutil.copy2)
    monkeypatch.chdir(tmp_path / "room")
    return tmp_path / "room"


def run(folder: Path, words: str | Sequence[str]) -> int:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return main(words.split() if isinstance(words, str) else list(words))
    finally:
        os.chdir(before)


def count(address: str = "people.gallery") -> int:
    return Gallery.open(address).stats().count


def rows_of_table() -> list[list[str]]:
    return [line.split(",") for line in Path("people.csv").read_text().splitlines()[1:]]


def searched(*words: str) -> list[dict[str, object]]:
    assert main(["gallery", "search", "person.jpg", "--in", "people.gallery", "--json", "said.json", *words]) == 0
    (query,) = json.loads(Path("said.json").read_text())["queries"]
    nearest: list[dict[str, object]] = query["nearest"]
    return nearest


def test_what_is_enrolled_is_the_table_with_the_model_s_features(here: Path) -> None:
    table, stats = rows_of_table(), Gallery.open("people.gallery").stats()
    assert stats.count == len(table)
    assert stats.people == len({row[1] for row in table if row[1] != "-1"})
    assert stats.cameras == len({row[2] for row in table})
    paths = [str(here.parent / "room" / row[0]) for row in table]
    assert stats.about is not None
    features = embed(ReIDModel.load(here / "runs" / "own"), paths[:5])
    hits = Gallery.open("people.gallery").search(features, 1)
    assert np.abs(hits.distance).max() < 1e-5
    assert hits.person[:, 0].tolist() == [int(row[1]) for row in table[:5]]
    assert [Path(path).name for path in hits.path[:, 0]] == [Path(row[0]).name for row in table[:5]]


def test_adding_again_adds_what_is_new_and_changes_people(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = count()
    text = (here / "people.csv").read_text().replace("pictures/", str(here.parent / "room") + "/pictures/")
    (here / "people.csv").write_text(text)
    assert main(["gallery", "add", "runs/own", "people.csv", "--to", "people.gallery"]) == 0
    first = count()
    shutil.copyfile("person.jpg", "pictures/new.jpg")
    lines = text.splitlines()
    lines[1] = ",".join([*lines[1].split(",")[:1], "4711", *lines[1].split(",")[2:]])
    (here / "people.csv").write_text("\n".join([*lines, "pictures/new.jpg,0008,1,2026-11-02,99", ""]))
    assert main(["gallery", "add", "runs/own", "people.csv", "--to", "people.gallery"]) == 0
    said = capsys.readouterr().err
    assert "1 pictures added" in said
    assert "1 are now of another person" in said
    assert count() == first + 1
    assert before <= first
    assert searched("--where", "person = 4711")[0]["person"] == 4711
    os.utime("pictures/new.jpg", (4e9, 4e9))  # by a clock that is ahead, for which it would be new at every run
    assert main(["gallery", "add", "runs/own", "people.csv", "--to", "people.gallery"]) == 0
    assert re.search(r"Going on: (\d+) of \1 pictures are in the gallery already", capsys.readouterr().err)


def test_a_condition_a_page_and_the_next_step(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = searched("-k", "5", "--where", f"{ONE_HOUR} and camera != query", "--camera", "1", "--html", "found.html")
    table = {Path(row[0]).name: row for row in rows_of_table()}
    meant = {name for name, row in table.items() if "T12:" in row[3] and row[2] != "1"}
    assert {Path(str(row["path"])).name for row in found} <= meant
    assert len(found) == min(5, len(meant)) > 0
    page = (here / "found.html").read_text()
    assert page.count("data:image/jpeg") >= len(found) + 1
    assert all(f"camera {row['camera']}" in page and f"person {row['person']}" in page for row in found)
    assert page.count("T12:30:00Z") == len(found)
    said = capsys.readouterr()
    assert "not sure" in said.err
    asked = ["--where", "camera != query", "--camera=-1", "-k", "3", "--by", "track", "--skip_bad"]
    before = searched(*asked)
    step = shlex.split(capsys.readouterr().err.split("Next: strongreid ")[1])
    assert main([*step, "--json", "again.json"]) == 0  # the next step is the same search
    assert "--skip_bad" in step
    assert len(before) == len(json.loads((here / "again.json").read_text())["queries"][0]["nearest"]) == 3
    capsys.readouterr()
    assert searched("--where", "time > 2030-01-01") == []
    assert "nothing in the gallery meets the condition" in capsys.readouterr().err
    shutil.rmtree("pictures")  # the thumbnails stay
    assert len(searched("--html", "again.html")) == 10
    assert (here / "again.html").read_text().count("data:image/jpeg") == 11


def test_the_guide_s_commands_run_as_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    shutil.rmtree("people.gallery")
    shutil.copyfile("people.csv", "crops.csv")
    ours = [shlex.split(command)[1:] for command in commands if command.startswith("strongreid")]
    assert len(ours) == 17
    for words in ours:
        assert main(words) == (2 if words[1] == "tune" else 0), words  # a gallery of so few rows needs no index
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert "Next: strongreid" in said or words[1] == "tune" or "--html" in words


def test_erasing_says_first_what_it_would_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    person = rows_of_table()[-1][1]
    of_person, before = sum(row[1] == person for row in rows_of_table()), count()
    for more in ([], ["--dry_run"]):
        assert main(["gallery", "erase", "people.gallery", "--person", person, *more]) == 0
        assert f"{of_person:,} of {before:,} rows would be erased" in capsys.readouterr().err
        assert count() == before
    assert main(["gallery", "erase", "people.gallery", "--person", person, "--yes"]) == 0
    assert "No file from before is left" in capsys.readouterr().err
    assert count() == before - of_person
    assert main(["gallery", "erase", "people.gallery", "--older_than", "36500d", "--yes"]) == 0
    assert count() == before - of_person


def test_stats_compact_export_and_import(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        "gallery stats people.gallery",
        "gallery compact people.gallery",
        "gallery export people.gallery -o people.parquet",
        "gallery import people.parquet --to restored.gallery",
    ):
        assert main(words.split()) == 0
        assert "Next: strongreid gallery" in capsys.readouterr().err
    first, second = Gallery.open("people.gallery"), Gallery.open("restored.gallery")
    assert first.stats().count == second.stats().count
    one, other = (sorted(zip(*(np.concatenate([getattr(rows, name) for rows in gallery.rows()]) for name in
        ("key", "person", "time", "track", "thumbnail")), strict=True)) for gallery in (first, second))  # fmt: skip
    assert one == other
    stored = read_features(here / "people.parquet")
    assert len(stored.path) == first.stats().count
    assert main(["search", "person.jpg", "--in", "people.parquet", "--model", "runs/own"]) == 0


def test_re_embedding_makes_the_gallery_anew(here: Path) -> None:
    features = ReIDModel.load(here / "runs" / "own")
    with Image.open("person.jpg") as image:
        query = embed(features, [image.copy()])
    with torch.no_grad():
        next(features.parameters()).mul_(1.01)
    features.arguments["metric"] = "euclidean"
    features.save(here / "other.safetensors")
    before, rows = count(), searched()
    assert main(["gallery", "re-embed", "people.gallery", "--model", "other.safetensors", "--to", "new.gallery"]) == 0
    assert count("new.gallery") == before
    assert Gallery.open("new.gallery").require().metric == "euclidean"
    features.arguments["metric"] = "cosine"  # which is no other model, but has other thresholds
    features.save(here / "otherwise.safetensors")
    assert main(["gallery", "search", "person.jpg", "--in", "new.gallery", "--model", "otherwise.safetensors"]) == 2
    assert searched() == rows
    assert main(["gallery", "re-embed", "people.gallery", "--model", "other.safetensors"]) == 0
    assert count() == before
    words = "gallery search person.jpg --in people.gallery --model"
    assert main([*words.split(), "other.safetensors"]) == 0
    assert main([*words.split(), "runs/own"]) == 2
    assert sorted(entry.name for entry in Path("people.gallery").iterdir()) == ["gallery.lance"]
    shutil.rmtree("pictures")
    assert main(["gallery", "re-embed", "people.gallery", "--model", "runs/own"]) == 0
    hits = Gallery.open("people.gallery").search(query, 5)  # of thumbnails: nearly the same
    assert hits.path[0, 0] == rows[0]["path"] or hits.distance[0, 0] < 0.2


def test_pictures_that_cannot_be_read_are_named_and_the_others_enrolled(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "some").mkdir()
    for number, file in enumerate(sorted((here / "pictures").iterdir())[:3]):
        shutil.copyfile(file, here / "some" / f"{number}.jpg")
    (here / "some" / "bad.jpg").write_text("no picture")
    words = ["gallery", "add", "runs/own", "some", "--to", "some.gallery", "--camera", "4"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "bad.jpg" in said
    assert "--skip_bad" in said
    assert count("some.gallery") == 3
    assert main([*words, "--skip_bad"]) == 0
    assert "0 pictures added, 3 were there" in capsys.readouterr().err
    assert Gallery.open("some.gallery").search(np.ones((1, 256)), 3).camera.tolist() == [[4, 4, 4]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("gallery add runs/own pictures --to people.csv", "no folder"),
        ("gallery add runs/own pictures --to pictures", "holds other things"),
        ("gallery add runs/own nothing --to new.gallery", "There is no nothing"),
        ("gallery add runs/none pictures --to new.gallery", "There is no runs/none"),
        ("gallery add runs/own pictures --to ftp://host/x", "begins with ftp"),
        ("gallery add runs/own pictures --to new.gallery --camera -1", "--camera is -1"),
        ("gallery search person.jpg --in none.gallery", "no gallery at none.gallery"),
        ("gallery search none.jpg --in people.gallery", "There is no none.jpg"),
        ("gallery search people.csv --in people.gallery", "people.csv"),
        ("gallery search person.jpg --in people.gallery -k 0", "--count is 0"),
        ("gallery search person.jpg --in people.gallery --where camera", "cannot be read"),
        ("gallery search person.jpg --in people.gallery --where camera=query", "camera of the query"),
        ("gallery erase people.gallery", "one of person, track and older_than"),
        ("gallery erase people.gallery --person 1 --track 2 --yes", "one of person, track and older_than"),
        ("gallery erase people.gallery --older_than soon --yes", "30d"),
        ("gallery erase people.gallery --person 1 --yes --dry_run", "one of the two"),
        ("gallery erase none.gallery --person 1 --yes", "no gallery at none.gallery"),
        ("gallery stats none.gallery", "no gallery at none.gallery"),
        ("gallery compact person.jpg", "no folder"),
        ("gallery tune people.gallery", "1,000 rows"),
        ("gallery export people.gallery -o people.csv", "must end in .parquet"),
        ("gallery import people.csv --to new.gallery", "no Parquet file"),
        ("gallery import none.parquet --to new.gallery", "There is no none.parquet"),
        ("gallery re-embed people.gallery --model runs/none", "There is no runs/none"),
        ("gallery re-embed people.gallery --model runs/own --to people.gallery", "holds rows already"),
    ],
)
def test_faults_are_answered(here: Path, capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    before = count()
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert count() == before
    assert not Path("new.gallery/gallery.lance").exists()


def test_a_gallery_that_may_not_be_written_is_still_searched(
    here: Path, as_nobody: Callable[[Path], AbstractContextManager[None]], capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, _, files in os.walk(here / "people.gallery"):
        Path(folder).chmod(0o555)
        for file in files:
            (Path(folder) / file).chmod(0o444)
    with as_nobody(here):
        gallery = Gallery.open(here / "people.gallery")
        assert gallery.search(np.ones((1, 256)), 1).key[0, 0]
        assert main(["gallery", "erase", str(here / "people.gallery"), "--person", "1", "--yes"]) == 2
    assert "ermission denied" in capsys.readouterr().err


def test_names_in_a_table_are_asked_for_shown_and_erased(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anna, null = "Anna\u202e 'x' <b>", "null"
    rows = rows_of_table()
    lines = [
        f"{row[0]},{(anna, null, '7')[number % 3]},{('lobby', '2')[number % 2]}" for number, row in enumerate(rows)
    ]
    table = "\n".join(["path,person,camera", *lines, ""])
    shutil.rmtree("people.gallery")
    (here / "names.csv").write_text(table.replace("null", "somebody"), encoding="utf-8")
    add = ["gallery", "add", "runs/own", "names.csv", "--to", "people.gallery"]
    assert main(add) == 0
    (here / "names.csv").write_text(table, encoding="utf-8")
    assert main(add) == 0
    assert f"{len(lines[1::3])} are now of another person" in " ".join(capsys.readouterr().err.split())
    quoted = anna.replace("'", "''")
    found = searched("--where", f"person = '{quoted}' and camera != query", "--camera", "lobby", "--html", "found.html")
    said, page = capsys.readouterr().err, (here / "found.html").read_text(encoding="utf-8")
    assert found
    assert {(row["person_name"], row["camera"], row["camera_name"], row["track_name"]) for row in found} == {
        (anna, 2, None, None)
    }
    assert "Anna\\u202e 'x' <b>" in said
    assert "\u202e" not in said + page
    assert "person Anna\\u202e" in page
    assert "<b>" not in page.replace("&lt;b&gt;", "").split("<body", 1)[1].split("Anna")[1][:40]
    assert main(["gallery", "stats", "people.gallery"]) == 0
    assert re.search("cameras known +2: 2, lobby", capsys.readouterr().err)
    assert main(["gallery", "erase", "people.gallery", "--person=-x"]) == 0
    assert "gallery erase people.gallery --person=-x --yes" in " ".join(capsys.readouterr().err.split())
    total = count()
    for person, of_person in ((null, len(lines[1::3])), (anna, len(lines[::3])), ("lobby", 0)):
        assert main(["gallery", "erase", "people.gallery", "--person", person, "--yes"]) == 0
        total -= of_person
        assert count() == total
    assert main(["gallery", "add", "runs/own", "pictures", "--to", "other.gallery", "--camera", "lobby"]) == 0
    assert Gallery.open("other.gallery").stats().called["camera"] == ["lobby"]
