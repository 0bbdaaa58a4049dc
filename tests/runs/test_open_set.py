"""`identify` and what runs, reports and comparisons say of strangers."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from strongreid.cli import main
from strongreid.data import load_benchmark
from strongreid.errors import InputError
from strongreid.evaluation import (
    Embeddings,
    Identification,
    average_tracks,
    compare_misses,
    evaluate,
    fnir_interval,
    identify,
    normalised,
    reassociate,
    split_enrolled,
)
from strongreid.reports.console import Console
from strongreid.reports.open_set import open_set_section
from strongreid.reports.page import Headlines, Pictures, Text
from strongreid.runs.compare import compare_runs
from strongreid.runs.evaluate_features import EmbeddedTest, load_test
from strongreid.runs.feature_files import read_features
from strongreid.runs.folder import Run
from strongreid.runs.open_set import EVERYBODY, OpenSetProtocol, doubts, open_set, usual_open_set

QUIET = Console(quiet=True)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What the command wrote, in one line: a console breaks lines where it likes."""
    return " ".join(capsys.readouterr().err.split())


def test_the_command_says_and_writes_what_identify_finds(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, searches = tmp_path / "out.json", tmp_path / "searches.npz"
    words = ["identify", "--embeddings", *map(str, files), "--enrolled_share=0.4", "--seed=3"]
    assert main([*words, "--fpir", "0.05", "0.5", f"--json={out}", f"--result={searches}"]) == 0
    query, gallery = split_enrolled(*map(Embeddings.load, files), 0.4, seed=3)
    found = identify(query, gallery, same_camera="exclude")
    written = json.loads(out.read_text())
    assert [point["fnir"] for point in written["at_fpir"]] == found.fnir([0.05, 0.5]).tolist()
    assert [point["wanted_fpir"] for point in written["at_fpir"]] == [0.05, 0.5]
    interval = fnir_interval(found, 0.5)
    assert written["at_fpir"][1]["fnir_interval"] == [interval.low, interval.high]
    assert (written["enrolled_share"], written["seed"], written["by"]) == (0.4, 3, "image")
    assert written["curve"]["fnir"] == found.curve().fnir.tolist()
    assert written["curve"]["threshold"][-1] is None  # infinite
    assert written["sizes"][-1]["enrolled_people"] == written["enrolled_people"] == len(np.unique(gallery.person))
    assert Identification.load(searches).to_json() == found.to_json()
    text = said(capsys)
    assert f"{100 * found.fnir(0.5):.3g} %" in text
    assert "The more people are enrolled" in text
    assert "Next: strongreid calibrate --embeddings" in text


def test_a_gallery_without_the_strangers_is_taken_as_it_is(files: tuple[Path, Path]) -> None:
    test = load_test(*files)
    _, gallery = split_enrolled(test.query, test.gallery, 0.5)
    as_it_is = open_set(EmbeddedTest(test.query, gallery), QUIET, OpenSetProtocol(EVERYBODY))
    assert as_it_is.found.to_json() == open_set(test, QUIET).found.to_json()
    closed = open_set(test, QUIET, OpenSetProtocol(EVERYBODY))
    assert closed.intervals == [None, None]
    assert "Everybody searched for is enrolled" in doubts(closed)[0]
    json.dumps(closed.to_json(curve=True), allow_nan=False)
    (section,) = [open_set_section(closed.sizes, closed.protocol.rates, closed.intervals, doubts(closed))]
    assert not any(isinstance(block, Pictures) for block in section.blocks)
    nobody = open_set(
        EmbeddedTest(test.query.take(test.query.person == 0), gallery.take(gallery.person != 0)),
        QUIET,
        OpenSetProtocol(EVERYBODY),
    )
    assert "no FNIR" in doubts(nobody)[0]


def test_sizes_rates_and_shares_that_are_none_are_refused(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for words, message in (
        (["--enrolled_share=0"], "share is 0"),
        (["--enrolled_share=1.5"], "share is 1.5"),
        (["--fpir", "2"], "A rate lies in 0..1"),
        (["--sizes", "500"], "give numbers of people from 1 to"),
        (["--seed=-1"], "seed is -1"),
        (["--by=track"], "have no tracks"),
        (["--by=face"], "by"),
    ):
        assert main(["identify", "--embeddings", *map(str, files), *words]) == 2
        assert message in said(capsys)


def test_a_run_of_two_people_or_fewer_has_none() -> None:
    one = Embeddings([[0.0], [1.0]], [1, 1], [0, 0])
    assert usual_open_set(EmbeddedTest(one, one, "cosine", "include"), QUIET) is None


def test_a_finished_run_has_measured_it_and_is_asked_again(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(trained)
    recorded = run.metrics["open_set"]
    assert run.identification is not None
    assert run.identification.fnir([0.01, 0.1]).tolist() == [point["fnir"] for point in recorded["at_fpir"]]
    assert recorded["enrolled_people"] == 3  # half of six
    out = tmp_path / "again.json"
    assert main(["identify", str(trained), f"--json={out}"]) == 0
    again = json.loads(out.read_text())
    for name in ("protocol", "seed", "enrolled_share", "enrolled_searches", "unknown_searches"):
        assert again[name] == recorded[name]
    for then, now in zip(recorded["at_fpir"], again["at_fpir"], strict=True):
        assert now == {**then, "threshold": pytest.approx(then["threshold"])}
    assert f"Next: strongreid report {trained}" in said(capsys)


def test_runs_are_compared_in_what_they_miss_and_older_ones_are_not(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(Console, "say", lambda console, *said: lines.extend(said))
    compare_runs([trained, trained], Console(quiet=True))
    found = Run(trained).identification
    assert found is not None
    for rate in (0.01, 0.1):
        assert any(compare_misses(found, found, rate).sentence in line for line in lines)
    lines.clear()
    found.save(tmp_path / "one.npz")
    compare_runs([tmp_path / "one.npz", tmp_path / "one.npz"], Console(quiet=True))
    assert f"one.npz against one.npz: {compare_misses(found, found, 0.1).sentence}" in lines
    assert not any("mAP" in line for line in lines)
    compare_runs([trained, tmp_path / "one.npz"], Console(quiet=True))
    assert "holds searches among enrolled people" in lines[-2]
    older = shutil.copytree(trained, tmp_path / "older")
    (older / "identification.npz").unlink()
    result = json.loads((older / "result.json").read_text())
    del result["open_set"]
    (older / "result.json").write_text(json.dumps(result))
    lines.clear()
    compare_runs([trained, older], Console(quiet=True))
    assert any("0 of" in line for line in lines)
    assert not any("FNIR at FPIR" in line for line in lines)
    (older / "identification.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"identification\.npz"):
        _ = Run(older).identification


def tracked_files(files: tuple[Path, Path]) -> tuple[Embeddings, Embeddings]:
    sides = []
    for number, file in enumerate(files):
        side = Embeddings.load(file)
        track = 100 * side.person + 10 * side.camera + number
        side = Embeddings(side.features, side.person, side.camera, track=track)
        side.save(file)
        sides.append(side)
    return sides[0], sides[1]


def test_tracks_are_evaluated_and_identified_by_their_mean_features(files: tuple[Path, Path], tmp_path: Path) -> None:
    query, gallery = tracked_files(files)
    tracks = average_tracks(normalised(query)), average_tracks(normalised(gallery))
    out = tmp_path / "out.json"
    assert main(["evaluate", "--embeddings", *map(str, files), "--by=track", f"--json={out}"]) == 0
    written = json.loads(out.read_text())
    assert written["mean_ap"] == evaluate(*tracks).mean_ap
    assert written["protocol"].endswith(", mean features of tracks")
    assert main(["identify", "--embeddings", *map(str, files), "--by=track", f"--json={out}"]) == 0
    found = identify(*split_enrolled(*tracks), same_camera="exclude")
    assert json.loads(out.read_text())["at_fpir"][1]["fnir"] == found.fnir(0.1)
    euclidean = load_test(*files).by_track()
    assert euclidean.query.features.norm(dim=1).max() <= 1 + 1e-6


def test_weights_of_a_file_count_and_damaged_ones_are_refused(files: tuple[Path, Path]) -> None:
    query, gallery = tracked_files(files)
    weight = np.random.default_rng(0).random(len(query)) + 0.1
    arrays = dict(np.load(files[0]))
    np.savez(files[0], **arrays, weight=weight)
    test = load_test(*files)
    expected = average_tracks(normalised(query), weight)
    assert np.array_equal(test.by_track().query.features, expected.features)
    assert np.array_equal(test.by_track().gallery.features, average_tracks(normalised(gallery)).features)
    np.savez(files[0], **arrays, weight=weight[1:])
    with pytest.raises(InputError, match=r"query\.npz: The array weight is float64"):
        load_test(*files)


def test_a_table_s_tracks_reach_features_and_evaluation(drawn: Path, trained: Path, tmp_path: Path) -> None:
    data = load_benchmark("market1501", drawn)
    rows = [["path", "person", "camera", "split", "track", "confidence", "frame"]]
    for split, images in (("query", data.query), ("gallery", data.gallery), ("train", data.train)):
        for row, path in enumerate(images.path):
            track = f"{split}-{images.person[row]}-{images.camera[row]}"
            rows.append([path, str(images.person[row]), str(images.camera[row]), split, track, "0.5", str(row)])
    table = tmp_path / "people.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    where = ["--data.name=table", f"--data.root={table}"]
    out = tmp_path / "out.json"
    assert main(["evaluate", str(trained), *where, "--by=track", f"--json={out}"]) == 0
    assert "mean features of tracks" in out.read_text()
    assert main(["identify", str(trained), *where, "--by=track", f"--json={out}"]) == 0
    assert json.loads(out.read_text())["by"] == "track"

    assert main(["embed", str(table), "-o", str(tmp_path / "all.npz"), "--model", str(trained)]) == 0
    stored = read_features(tmp_path / "all.npz")
    assert stored.embeddings.track is not None
    assert stored.weight is not None
    tracks = average_tracks(stored.embeddings, stored.weight)
    assert len(tracks) == len({row[4] for row in rows[1:]})
    assert 0.01 <= stored.weight.min() < stored.weight.max() <= 0.5  # of the confidence
    assert stored.embeddings.features.shape[1] == Run(trained).model().width
    assert stored.frame is not None
    assert stored.frame.tolist() == [int(row[6]) for row in rows[1:]]
    assert main(["reassociate", str(tmp_path / "all.npz"), "--gap", "1", "3", f"--json={out}"]) == 0
    by_gap = {one["gap"]: one for one in json.loads(out.read_text())["gaps"]}
    for gap, one in by_gap.items():
        found = reassociate(normalised(stored.embeddings), stored.frame, gap, weights=stored.weight)
        assert one["found_again"] == found.detection_rate(1)
        assert one["at_fpir"][1]["fnir"] == found.fnir(0.1)
    pytest.importorskip("pyarrow")
    assert main(["embed", str(table), "-o", str(tmp_path / "all.parquet"), "--model", str(trained)]) == 0
    again = read_features(tmp_path / "all.parquet")
    assert np.array_equal(again.embeddings.track, stored.embeddings.track)  # type: ignore[arg-type]
    assert np.array_equal(again.weight, stored.weight)  # type: ignore[arg-type]


def test_people_who_come_back_need_tracks_and_frames(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reassociate", str(files[0])]) == 2
    assert "has no array frame" in said(capsys)
    arrays = dict(np.load(files[0]))
    frame = np.arange(len(arrays["person"]))
    np.savez(files[0], **arrays, frame=frame)
    assert main(["reassociate", str(files[0])]) == 2
    assert "have no tracks" in said(capsys)
    np.savez(files[0], **arrays, frame=frame, track=frame)
    assert main(["reassociate", str(files[0]), "--gap", "0"]) == 2
    assert "gap is 0" in said(capsys)
    assert main(["reassociate", str(files[0]), "--gap", "99", f"--json={files[0].with_suffix('.json')}"]) == 0
    assert "99 0 - - - 0" in said(capsys)
    assert main(["reassociate", str(files[0]), "--gap", "5", "--metric", "euclidean", "--fpir", "0.5"]) == 0
    text = said(capsys)
    found = reassociate(Embeddings.load(files[0]), frame, 5, metric="euclidean")
    assert f"{100 * found.detection_rate(1):.3g} %" in text
    assert f"{100 * found.fnir(0.5):.3g} %" in text
    step = f"identify --embeddings {files[0]} {files[0]} --by track --metric euclidean"
    assert text.endswith(f"Next: strongreid {step}")


def test_the_page_says_how_many_strangers_get_an_answer(files: tuple[Path, Path]) -> None:
    found = open_set(load_test(*files), QUIET)
    section = open_set_section(found.sizes, found.protocol.rates, found.intervals, doubts(found))
    (figures,) = (block.figures for block in section.blocks if isinstance(block, Headlines))
    assert [figure.name for figure in figures] == ["FNIR at FPIR 1 %", "FNIR at FPIR 10 %"]
    assert figures[1].value == f"{100 * found.found.fnir(0.1):.3g} %"
    (pictures,) = (block.pictures for block in section.blocks if isinstance(block, Pictures))
    assert "FNIR over FPIR" in pictures[0].alt
    (doubt,) = (block.text for block in section.blocks if isinstance(block, Text))
    assert doubt.startswith("An FPIR of 1 % of 20 searches allows not one stranger an answer")


def test_tracks_on_both_sides_are_told(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    query, _ = tracked_files(files)
    query.save(files[1])
    words = ["--embeddings", *map(str, files), "--by=track"]
    for command in ("evaluate", "identify"):
        assert main([command, *words, "--same_camera=include"]) == 0
        tracks = len(np.unique(query.track))  # type: ignore[arg-type]
        assert f"{tracks} tracks have images among the queries and in the gallery" in said(capsys)
    assert main(["identify", *words]) == 0
    assert "tracks have images among" not in said(capsys)
