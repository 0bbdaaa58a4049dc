"""Reports, thresholds and doubts of features alone, whatever made them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.cli import main
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, Reranking, verify
from strongreid.reports.console import Console
from strongreid.runs import calibrate
from strongreid.runs.evaluate_features import EmbeddedTest, Protocol, load_test
from strongreid.runs.report import report_features

QUIET = Console(quiet=True)


def test_features_have_a_report_without_images_model_or_log(files: tuple[Path, Path], tmp_path: Path) -> None:
    page = report_features(*files, None, QUIET)
    assert page == tmp_path / "report.html"
    text = page.read_text()
    for part in ("Result", "Ranking and thresholds", "What it finds", "Map of people", "Hardest confusions", "row 0"):
        assert part in text
    assert "data:image/jpeg" not in text
    assert report_features(*files, tmp_path / "own.html", QUIET, Protocol("euclidean", "include")).is_file()
    assert "euclidean distance, same camera included" in (tmp_path / "own.html").read_text()


def test_figures_with_re_ranking_stand_beside_those_without(files: tuple[Path, Path]) -> None:
    reranking = Reranking(7, 3, 0.25)
    assert "re-ranked (k1" not in report_features(*files, None, QUIET).read_text()
    words = ["report", "--embeddings", *map(str, files), "--reranking.k1=7", "--reranking.k2=3"]
    assert main([*words, "--reranking.distance_weight=0.25"]) == 0
    text = (files[0].parent / "report.html").read_text()
    assert "the same, re-ranked (k1 7, k2 3, distance weight 0.25)" in text
    again = load_test(*files).evaluate(QUIET, Protocol(reranking=reranking))
    assert f"{100 * again.mean_ap:.1f} %" in text.split("the same, re-ranked")[1].split("</tr>")[0]
    page = report_features(*files, None, QUIET, Protocol(reranking=Reranking(500)))
    assert "Take a smaller k1" in page.read_text()


def with_paths(file: Path, folder: str, names: list[str]) -> None:
    with np.load(file) as arrays:
        columns = {name: arrays[name] for name in ("features", "person", "camera")}
    np.savez(file, **columns, path=np.array([f"{folder}/{name}" for name in names]))


def test_pictures_are_shown_where_all_are_there_and_otherwise_names(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Console, "say", lambda console, *lines: said.extend(lines))
    (tmp_path / "images").mkdir()
    for number, file in enumerate(files):
        names = [f"{number}-{row}.png" for row in range(len(Embeddings.load(file)))]
        for name in names:
            Image.new("RGB", (16, 32), (200, 30, 30)).save(tmp_path / "images" / name)
        with_paths(file, "images", names)
    text = report_features(*files, None, QUIET).read_text()
    assert text.count("data:image/jpeg") > 20
    assert "images/0-" in text
    assert not any("missing" in line for line in said)
    (tmp_path / "images" / "1-5.png").unlink()
    text = report_features(*files, None, QUIET).read_text()
    assert "images/1-" in text
    assert [line.split(" such")[0] for line in said if "missing" in line] == ["1 of 90 images are missing,"]
    with_paths(files[0], "images", ["one.png"])
    with pytest.raises(InputError, match=r"query\.npz: The array path must be text \[40\]"):
        report_features(*files, None, QUIET)


def test_a_threshold_of_features_is_that_of_verify_and_written_as_json(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    found = calibrate.calibrate_features(*files, 0.05, QUIET)
    calibrate.write(found, tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    expected = verify(*map(Embeddings.load, files))
    assert written["threshold"] == expected.calibrate(0.05).threshold
    assert written["true_match_rate"] == expected.true_match_rate_at(0.05)
    assert written["same_pairs"] == expected.same_pairs
    other = calibrate.calibrate_features(*files, 0.05, QUIET, Protocol("euclidean")).chosen
    assert (other.metric, other.threshold) == (
        "euclidean",
        verify(*map(Embeddings.load, files), metric="euclidean").calibrate(0.05).threshold,
    )
    with pytest.raises(InputError, match=r"lies in 0\.\.1"):
        calibrate.calibrate_features(*files, 2, QUIET)


def test_too_small_a_gallery_for_k1_is_told(files: tuple[Path, Path]) -> None:
    query, gallery = (Embeddings.load(file).take(np.arange(10)) for file in files)
    test = EmbeddedTest(query, gallery)
    assert test.doubts() == []
    assert test.doubts(Protocol(reranking=Reranking(k1=19))) == []
    (doubt,) = test.doubts(Protocol(reranking=Reranking()))
    assert "k1 = 20 more), but there are 20 queries and gallery images" in doubt
    junk = Embeddings(gallery.features, np.full(10, -1), gallery.camera)
    assert "there are 10 queries" in EmbeddedTest(query, junk).doubts(Protocol(reranking=Reranking()))[0]


def test_queries_that_find_themselves_are_told(files: tuple[Path, Path]) -> None:
    query = Embeddings.load(files[0])
    assert load_test(*files).doubts() == load_test(*files).doubts(Protocol(same_camera="include")) == []
    assert EmbeddedTest(query, query).doubts() == [], "the camera rule leaves them out"
    (doubt,) = EmbeddedTest(query, query, same_camera="include").doubts()
    assert doubt.startswith("40 of 40 queries are in the gallery themselves")
    assert EmbeddedTest(query, query).doubts(Protocol(same_camera="include")) == [doubt]
    moved = Embeddings(query.features, query.person, query.camera + 1)
    assert EmbeddedTest(query, moved).doubts() == [doubt], "the same image under another camera is counted"
    some = query.take(np.arange(3))
    (doubt,) = EmbeddedTest(some, query, same_camera="include").doubts()
    assert doubt.startswith("3 of 3 ")
    other = Embeddings(query.features, query.person + 1, query.camera)
    assert EmbeddedTest(query, other, same_camera="include").doubts() == []
    junk = Embeddings(query.features, np.full(40, -1), query.camera)
    assert EmbeddedTest(junk, junk, same_camera="include").doubts() == []
