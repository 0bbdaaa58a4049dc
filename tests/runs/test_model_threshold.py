"""What a model's own threshold, which holds for pairs of images, does to strangers and to enrolled people."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from strongreid.cli import main
from strongreid.evaluation import Embeddings, split_enrolled
from strongreid.models import Calibrated, write_calibrated
from strongreid.reports.console import Console
from strongreid.runs.evaluate_features import load_test
from strongreid.runs.open_set import OpenSetProtocol, doubts, open_set, remarks

QUIET = Console(quiet=True)


def test_what_the_model_s_threshold_does_to_strangers_is_counted(files: tuple[Path, Path]) -> None:
    test = load_test(*files)
    query, gallery = split_enrolled(test.query, test.gallery, 0.5)
    distances = pairwise(query, gallery)
    threshold = float(np.median(distances.min(axis=1)))
    nearest = gallery.person[distances.argmin(axis=1)]
    enrolled = np.isin(query.person, gallery.person)
    accepted = distances.min(axis=1) < threshold
    fpir = accepted[~enrolled].mean()
    fnir = 1 - (accepted & (nearest == query.person))[enrolled].mean()
    assert 0 < fpir < 1
    everywhere = replace(test, same_camera="include", threshold=threshold)
    found = open_set(everywhere, QUIET)
    own = found.to_json()["at_model_threshold"]
    assert own == {"threshold": threshold, "fpir": pytest.approx(fpir), "fnir": pytest.approx(fnir)}
    assert f"{100 * fpir:.3g} % of the searches for strangers" in remarks(found)[0]
    assert f"{100 * fnir:.3g} % of those for enrolled people" in remarks(found)[0]
    other_metric = open_set(everywhere, QUIET, OpenSetProtocol(metric="euclidean"))
    assert "at_model_threshold" not in other_metric.to_json()
    assert remarks(other_metric) == doubts(other_metric)


def pairwise(query: Embeddings, gallery: Embeddings) -> npt.NDArray[np.float64]:
    """Cosine distances [Q, G]."""
    one, other = (np.asarray(side.features, dtype=np.float64) for side in (query, gallery))
    one, other = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (one, other))
    distances: npt.NDArray[np.float64] = 1 - one @ other.T
    return distances


def test_a_calibrated_model_says_so_in_the_command_and_on_the_page(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    assert main(["report", str(run)]) == 0
    assert f"Next: strongreid calibrate {run}" in " ".join(capsys.readouterr().err.split())
    assert "As calibrated" not in (run / "report.html").read_text()
    write_calibrated(run, Calibrated(0.3, 0.01, 0.9, "drawn"))
    assert main(["report", str(run)]) == 0
    assert f"Next: strongreid identify {run}" in " ".join(capsys.readouterr().err.split())
    sentence = "As calibrated: below the model&#39;s threshold of 0.3, which holds for pairs of images, "
    assert sentence in (run / "report.html").read_text()
    assert main(["identify", str(run)]) == 0
    assert sentence.replace("&#39;", "'") in " ".join(capsys.readouterr().err.split())
