"""`evaluate --embeddings`: what it says, writes and refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strongreid.cli import main
from strongreid.evaluation import Embeddings, Interval, Reranking, RetrievalResult, bootstrap_interval, evaluate
from strongreid.reports.console import Console
from strongreid.runs import evaluate_features


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What the command wrote, in one line: a console breaks lines where it likes."""
    return " ".join(capsys.readouterr().err.split())


def percent(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


@pytest.mark.parametrize("reranking", [False, True])
def test_intervals_are_shown_and_written_beside_every_figure(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], reranking: bool
) -> None:
    out = tmp_path / "out.json"
    words = [f"--reranking={str(reranking).lower()}", f"--json={out}"]
    assert main(["evaluate", "--embeddings", *map(str, files), *words]) == 0
    result = evaluate(*map(Embeddings.load, files), reranking=Reranking() if reranking else None)
    mean_ap, rank_1 = bootstrap_interval(result, "mean_ap"), bootstrap_interval(result, "rank_1")
    written = json.loads(out.read_text())
    assert written["mean_ap_interval"] == [mean_ap.low, mean_ap.high]
    assert written["rank_1_interval"] == [rank_1.low, rank_1.high]
    assert written["interval_confidence"] == 0.95
    assert written.items() >= result.to_json().items()
    text = said(capsys)
    assert f"mAP {percent(mean_ap)}, rank-1 {percent(rank_1)}." in text
    assert "gallery images for" not in text  # a small set is not announced


@pytest.mark.parametrize(
    ("queries", "images", "width", "reranking", "announced"),
    [
        (300, 1_500, 64, True, False),
        (20, 200_000, 2048, False, True),  # the features alone take 1.6 GB
        (100_000, 1_000_000, 512, False, True),  # takes minutes
        (100_000, 1_000_000, 512, True, True),
    ],
)
def test_only_what_takes_long_or_much_memory_is_announced(
    capsys: pytest.CaptureFixture[str], queries: int, images: int, width: int, reranking: bool, announced: bool
) -> None:
    evaluate_features.announce(queries, images, width, reranking, Console())
    text = said(capsys)
    assert ("MB above the features" in text) == announced
    assert (" min and " in text) == (queries == 100_000)


def test_one_camera_is_refused_with_the_option_that_helps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(tmp_path / f"{name}.npz") for name in ("query", "gallery")]
    for name in names:
        np.savez(name, features=np.eye(3), person=np.arange(3), camera=np.zeros(3, dtype=int))
    assert main(["evaluate", "--embeddings", *names]) == 2
    assert "--same_camera include" in said(capsys)
    assert main(["evaluate", "--embeddings", *names, "--same_camera=include", f"--json={tmp_path / 'out.json'}"]) == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert (written["rank_1"], written["valid_queries"]) == (1, 3)
    assert "same camera included" in written["protocol"]


SOUND = {"features": np.eye(3), "person": np.arange(3), "camera": np.ones(3, dtype=int)}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"features": np.eye(3, 4)}, "Query features are 3 wide but gallery features 4"),
        ({"features": np.eye(4, 3)}, "gallery.npz: There are 4 rows of features but 3 values of person"),
        ({"features": np.diag([1, np.nan, 1])}, "gallery.npz: Row 1 of the features is not finite"),
        ({"features": np.diag([1, 1, np.inf])}, "gallery.npz: Row 2 of the features is not finite"),
        ({"features": np.array(["a", "b", "c"])}, "gallery.npz: Features have dtype <U1; give numbers"),
        ({"features": np.eye(3) * 1j}, "gallery.npz: Features have dtype complex128; give numbers"),
        ({"features": np.ones(3)}, "gallery.npz: Features have shape [3]; give [images, width]"),
        ({"person": np.array([0.5, 1, 2])}, "gallery.npz: The array person has values that are not whole numbers"),
        ({"camera": np.array(["c1", "c2", "c3"])}, "gallery.npz: The array camera has dtype <U2; give whole numbers"),
        ({"person": np.arange(3).astype(object)}, "gallery.npz cannot be read as an .npz file of plain arrays"),
        ({"person": np.arange(3) + 7}, "no person of the queries is in the gallery (0, 1, 2 against 7, 8, 9)"),
        ({"person": np.full(3, -1)}, "The gallery is empty: all its 3 images are junk"),
        ({"camera": np.zeros(3, dtype=int)}, "every image has camera 0"),
        ({"camera": None}, "gallery.npz holds the arrays features, person; missing: camera"),
        (dict.fromkeys(SOUND, np.zeros((0, 3))), "gallery.npz: The array person has shape [0, 3]"),
        ({"features": np.zeros((0, 3)), "person": [], "camera": []}, "The gallery is empty: it has no images"),
    ],
)
def test_files_that_cannot_be_evaluated_are_refused_with_the_reason(
    changed: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(tmp_path / name) for name in ("query.npz", "gallery.npz")]
    np.savez(names[0], **{**SOUND, "camera": np.zeros(3, dtype=int)})
    np.savez(names[1], **{name: value for name, value in {**SOUND, **changed}.items() if value is not None})
    assert main(["evaluate", "--embeddings", *names, f"--json={tmp_path / 'out.json'}"]) == 2
    text = said(capsys)
    assert message in text
    assert text.startswith("strongreid: error: ")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("kind", ["float16", "float64", "int8", ">f4"])
def test_features_of_any_real_kind_are_evaluated_and_json_goes_into_a_new_folder(kind: str, tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("query.npz", "gallery.npz")]
    for camera, name in enumerate(names):
        np.savez_compressed(name, features=np.eye(3).astype(kind), person=np.arange(3.0), camera=np.full(3, camera))
    out = tmp_path / "new" / "folder" / "out.json"
    assert main(["evaluate", "--embeddings", *names, "--average_precision=trapezoid", f"--json={out}"]) == 0
    written = json.loads(out.read_text())
    assert (written["mean_ap"], written["valid_queries"]) == (1, 3)
    assert "trapezoid average precision" in written["protocol"]
    assert [file.name for file in out.parent.iterdir()] == ["out.json"]


def test_features_do_not_wait_for_the_libraries_that_train_networks(files: tuple[Path, Path]) -> None:
    words = ["evaluate", "--embeddings", *map(str, files)]
    code = (
        f"import sys, strongreid.cli as c; assert c.main({words}) == 0; "
        "print({'lightning', 'timm', 'torchvision', 'matplotlib'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"


def test_options_that_would_do_nothing_are_refused(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--embeddings", *map(str, files)]
    for option in ("--data.root=somewhere", "--data_root=somewhere"):
        assert main([*words, option]) == 2
        assert "go with a run, not with --embeddings" in said(capsys)
    assert main([*words, f"--json={tmp_path}"]) == 2
    assert f"--json {tmp_path} is a folder. Name a file in it" in said(capsys)
    assert main(["evaluate", str(tmp_path), *words[1:]]) == 2
    assert "one of the two" in said(capsys)


def test_ctrl_c_ends_with_one_line_and_writes_nothing(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*given: object, **more: object) -> RetrievalResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate_features, "evaluate", stopped)
    assert main(["evaluate", "--embeddings", *map(str, files), f"--json={tmp_path / 'out.json'}"]) == 130
    assert said(capsys).strip() == "strongreid: stopped."
    assert not (tmp_path / "out.json").exists()
