"""`strongreid search` as a whole command on a run of drawn people, and what it refuses."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.cli import main
from strongreid.evaluation import Embeddings, evaluate
from strongreid.models import Calibrated, ReIDModel, write_calibrated
from strongreid.runs.feature_files import read_features
from tests.terminal import at_terminal

GUIDE = Path(__file__).parents[2] / "docs" / "search.md"


@pytest.fixture(scope="module")
def room(drawn: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a run, a folder of pictures, one of queries and a file of features; never written to."""
    folder = tmp_path_factory.mktemp("room")
    shutil.copytree(trained, folder / "runs" / "own")
    shutil.copytree(drawn / "bounding_box_test", folder / "pictures", ignore=shutil.ignore_patterns("*.txt"))
    (folder / "queries").mkdir()
    for file in sorted((drawn / "query").glob("*.jpg"))[:6]:
        shutil.copyfile(file, folder / "queries" / file.name)
    shutil.copyfile(next((folder / "queries").iterdir()), folder / "person.jpg")
    for table, inner in (("boxes", "pictures"), ("queries", "queries")):
        rows = [(file, *re.findall(r"-?\d+", file.name)[:2]) for file in sorted((folder / inner).iterdir())]
        text = "path,person,camera,x,y,w,h\n"
        text += "".join(f"{inner}/{file.name},{person},{camera},2,2,30,60\n" for file, person, camera in rows)
        (folder / f"{table}.csv").write_text(text)
    words = ["embed", folder / "pictures", "-o", folder / "features.npz", "--model", folder / "runs" / "own"]
    assert main(list(map(str, words))) == 0
    return folder


@pytest.fixture
def here(room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the room to work in."""
    shutil.copytree(room, tmp_path / "room")
    monkeypatch.chdir(tmp_path / "room")
    return tmp_path / "room"


def found_by(words: str) -> list[dict[str, object]]:
    """What a search says in JSON, query by query."""
    assert main(["search", *shlex.split(words), "--json", "said.json"]) == 0
    queries: list[dict[str, object]] = json.loads(Path("said.json").read_text())["queries"]
    return queries


def test_the_guide_s_commands_run_as_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 12
    for command in commands:
        assert command.startswith("strongreid ")
        capsys.readouterr()
        assert main(shlex.split(command)[1:]) == 0, command
        said = capsys.readouterr().err
        assert "Next: strongreid " in said, command
    assert json.loads((here / "found.json").read_text())["queries"]
    assert "not sure" in (here / "found.html").read_text()


def test_the_order_and_the_distances_are_those_of_evaluate(here: Path) -> None:
    found = found_by("queries --in features.npz -k 1000")
    gallery = read_features(here / "features.npz")
    model = ReIDModel.load(here / "runs" / "own")
    from strongreid import embed

    files = sorted((here / "queries").iterdir())
    query = embed(model, files).double().numpy()
    features = gallery.embeddings.features.double().numpy()
    lengths = np.linalg.norm(query, axis=1)[:, None] * np.linalg.norm(features, axis=1)
    distances = 1 - query @ features.T / lengths
    person = [int(file.name[:4]) for file in files]
    first_ranks = []
    for row, (one, file) in enumerate(zip(found, files, strict=True)):
        assert one["path"] == str(Path("queries") / file.name)
        nearest = one["nearest"]
        assert isinstance(nearest, list)
        assert len(nearest) == len(gallery.path)
        rows = [gallery.path.index(hit["path"]) for hit in nearest]
        assert sorted(rows) == list(range(len(gallery.path)))
        assert np.allclose([hit["distance"] for hit in nearest], distances[row, rows], atol=1e-6)
        assert (np.diff(distances[row, rows]) > -1e-6).all()
        right = [Path(hit["path"]).name[:4] == file.name[:4] for hit in nearest]
        first_ranks.append(right.index(True) + 1)
    shown = np.array([int(re.match(r"-?\d+", Path(path).name)[0]) for path in gallery.path])  # type: ignore[index]
    shown[shown == -1] = 999_999  # evaluate leaves junk out, a search shows it
    result = evaluate(
        Embeddings(query, person, np.zeros(len(files))),
        Embeddings(gallery.embeddings.features, shown, np.zeros(len(shown))),
        same_camera="include",
    )
    assert result.first_match_rank.tolist() == first_ranks


def test_verdicts_follow_the_threshold(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = found_by("queries --in features.npz")
    assert {hit["verdict"] for one in before for hit in one["nearest"]} == {"not sure"}  # type: ignore[attr-defined]
    assert "Next: strongreid calibrate" in capsys.readouterr().err
    distances = sorted(hit["distance"] for one in before for hit in one["nearest"])  # type: ignore[attr-defined]
    threshold = distances[len(distances) // 2]
    write_calibrated(here / "runs" / "own", Calibrated(threshold, 0.01, 0.625, "drawn"))
    after = found_by("queries --in features.npz")  # of the same model: calibrating changes no feature
    for one in after:
        for hit in one["nearest"]:  # type: ignore[attr-defined]
            assert hit["verdict"] == ("same person" if hit["distance"] < threshold else "no match")
    said = capsys.readouterr().err
    assert "at most 1 %" in said
    assert "62.5 %" in said
    found_by("queries --in features.npz -k 3 --skip_bad")
    assert "Next: strongreid search queries --in features.npz -k 3 --skip_bad --html" in capsys.readouterr().err


def test_a_query_in_the_gallery_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = sorted((here / "pictures").iterdir())[7]
    shutil.copyfile(picture, here / "copy.jpg")
    for query in (picture.relative_to(here), "copy.jpg"):
        (one,) = found_by(f"{query} --in features.npz -k 3")
        verdicts = [hit["verdict"] for hit in one["nearest"]]  # type: ignore[attr-defined]
        assert verdicts == ["the query itself", "not sure", "not sure"]
        assert "1 of 1 queries are in the gallery themselves" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["pictures", "boxes.csv"])
def test_a_gallery_of_pictures_is_embedded_first(here: Path, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = {entry.name for entry in here.iterdir()}
    (one,) = found_by(f"person.jpg --in {where} -k 2")
    assert len(one["nearest"]) == 2  # type: ignore[arg-type]
    assert ("box" in one["nearest"][0]) == (where == "boxes.csv")  # type: ignore[index]
    assert f"Next: strongreid embed {where} -o features.npz" in capsys.readouterr().err
    assert {entry.name for entry in here.iterdir()} == before | {"said.json"}


def test_the_next_command_keeps_the_features_of_the_same_pictures(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "own.csv").write_text((here / "boxes.csv").read_text().replace("path", "file", 1))
    found_by("person.jpg --in own.csv --columns path=file --skip_bad --model runs/own")
    step = shlex.split(capsys.readouterr().err.split("Next: strongreid ")[1])
    assert step == shlex.split("embed own.csv -o features.npz --model runs/own --columns path=file --skip_bad")
    assert main(step) == 0


def test_features_of_another_model_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ReIDModel.load("runs/own")
    model.classifier.weight.data.add_(1)  # on which no feature depends
    model.save("same.safetensors")
    assert main(["search", "person.jpg", "--in", "features.npz", "--model", "same.safetensors"]) == 0
    model.neck.bias.data.add_(1e-3)
    model.save("other.safetensors")
    capsys.readouterr()
    assert main(["search", "person.jpg", "--in", "features.npz", "--model", "other.safetensors"]) == 2
    assert "another model" in capsys.readouterr().err


def test_the_page_is_inert_whatever_files_are_called(here: Path) -> None:
    name = "<script>alert(1)</script>&\"'.jpg".replace("/", "\u2215")
    shutil.copyfile("person.jpg", here / "pictures" / name)
    (here / "odd").mkdir()
    shutil.copyfile("person.jpg", here / "odd" / f"<img src=x onerror=alert(1)>{name}")
    assert main(["search", "odd", "--in", "pictures", "--html", "page.html", "-k", "3"]) == 0
    page = (here / "page.html").read_text()
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "default-src" in page
    assert page.count("data:image/jpeg") == 4


def test_a_page_without_the_pictures_names_them(here: Path) -> None:
    shutil.move("pictures", "elsewhere")
    assert main(["search", "person.jpg", "--in", "features.npz", "--html", "page.html", "-k", "2"]) == 0
    assert (here / "page.html").read_text().count("data:image/jpeg") == 1


def test_tables_fit_80_columns_whatever_names_are_like(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = here / "pictures" / ("a folder " * 9) / ("b" * 120)
    folder.mkdir(parents=True)
    shutil.copyfile("person.jpg", folder / "人物\x1b[31m\u202e.jpg")
    with at_terminal(80, monkeypatch) as sent:
        assert main(["search", "person.jpg", "--in", "pictures"]) == 0
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in sent.getvalue().decode().splitlines()]
    tables = [line for line in lines if re.match(r" +\d+  |person.jpg| nearest|.*──", line)]
    assert len(tables) >= 13
    assert all(len(line.rstrip()) <= 80 for line in tables)
    assert any("\\x1b[31m\\u202e.jpg" in line for line in tables)


def no_model(folder: Path) -> str:
    np.savez(folder / "bare.npz", features=np.eye(3), person=np.arange(3), camera=np.arange(3))
    return "person.jpg --in bare.npz"


def pickled(folder: Path) -> str:
    np.savez(folder / "bad.npz", features=np.array([{}], dtype=object))
    return "person.jpg --in bad.npz"


def rewritten(**changed: object) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        with np.load(folder / "features.npz") as stored:
            arrays = {**stored, **changed}
        np.savez(folder / "bad.npz", **arrays)
        return "person.jpg --in bad.npz"

    return write


def moved_model(folder: Path) -> str:
    shutil.move(folder / "runs", folder / "gone")
    return "person.jpg --in features.npz"


def damaged_query(folder: Path) -> str:
    (folder / "bad.jpg").write_bytes(b"no picture")
    return "bad.jpg person.jpg --in features.npz"


def no_parquet(folder: Path) -> str:
    (folder / "bad.parquet").write_bytes(b"no table")
    return "person.jpg --in bad.parquet"


def wide(folder: Path) -> str:
    Image.new("F", (4, 4)).save(folder / "range.tiff")
    return "range.tiff --in features.npz"


REFUSED: dict[str, tuple[Callable[[Path], str], str]] = {
    "no query": (lambda folder: "nobody.jpg --in features.npz", "There is no nobody.jpg"),
    "no gallery": (lambda folder: "person.jpg --in nowhere.npz", "There is no nowhere.npz"),
    "count": (lambda folder: "person.jpg --in features.npz -k 0", "at least 1"),
    "columns": (lambda folder: "person.jpg --in features.npz --columns path=file", "holds features"),
    "html": (lambda folder: "person.jpg --in features.npz --html pictures", "is a folder"),
    "bare": (no_model, "which model made them"),
    "pickled": (pickled, "cannot be read"),
    "rows": (rewritten(path=np.array(["a.jpg"])), "paths must be text"),
    "kind": (rewritten(path=np.arange(3)), "paths must be text"),
    "boxes": (rewritten(box=np.zeros((1, 4))), "boxes must be"),
    "json": (rewritten(model=np.array("{")), "JSON"),
    "unsaid": (rewritten(model=np.array("{}")), "which model"),
    "nan": (rewritten(features=np.full((3, 256), np.nan, dtype=np.float32)), "not finite"),
    "moved": (moved_model, "runs/own"),
    "query": (damaged_query, "bad.jpg"),
    "range": (wide, "range.tiff"),
    "parquet": (no_parquet, "Parquet"),
}


@pytest.mark.parametrize(("make", "part"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_searched_is_refused(
    here: Path, make: Callable[[Path], str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(make(here))
    before = {entry.name for entry in here.iterdir()}
    assert main(["search", *words]) == 2
    said = capsys.readouterr().err
    assert part in said.replace("\n", " ")
    assert "Traceback" not in said
    assert {entry.name for entry in here.iterdir()} == before
