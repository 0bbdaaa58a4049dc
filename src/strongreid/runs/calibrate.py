"""Calibrating a run: the distance below which two images are taken for the same person, put into its model file.

The threshold is chosen on the run's own test images, the only ones of people that the model has not learned: their
rates are a little better than those on other people will be, and the commands say so.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongreid.evaluation import Calibration, Verification
from strongreid.evaluation.verification import require_rate
from strongreid.files import write_json
from strongreid.models import Calibrated, write_calibrated
from strongreid.reports.console import Console
from strongreid.runs.card import write_run_card
from strongreid.runs.evaluate_features import Protocol, announce, load_test
from strongreid.runs.folder import Run
from strongreid.runs.test_sets import prepare_own_tests

FEWEST_FALSE_MATCHES: Final = 30
"""With 30 errors seen, the true rate is within 30 % of the measured one in nine of ten cases ("rule of 30", Doddington
et al. 2000)."""


@dataclass(frozen=True)
class RunCalibration:
    """What a run's test images say about "same person or not", and the threshold chosen from it."""

    verification: Verification
    chosen: Calibration


def calibrate_run(folder: Path, false_match_rate: float, data_root: Path | None, console: Console) -> RunCalibration:
    """Choose the threshold for a wanted false-match rate, 0..1, on a run's test set, and store it in its model."""
    require_rate(false_match_rate)
    run = Run(folder, data_root)
    model = run.model()
    (test,) = prepare_own_tests(run, console, further=False)
    announce(len(test.query.table), len(test.gallery.table), model.width, False, console)
    found = test.embed(model, console).verify(console)
    chosen = found.calibrate(false_match_rate)
    stored = Calibrated(
        threshold=chosen.threshold,
        false_match_rate=false_match_rate,
        true_match_rate=chosen.true_match_rate,
        measured_on=test.data.name,
    )
    write_calibrated(folder, stored)
    model.calibrated = stored
    write_run_card(folder, model)
    return RunCalibration(found, chosen)


def calibrate_features(
    query: Path, gallery: Path, false_match_rate: float, console: Console, protocol: Protocol | None = None
) -> RunCalibration:
    """Choose the threshold for a wanted false-match rate, 0..1, on features of any model: two .npz files."""
    require_rate(false_match_rate)
    test = load_test(query, gallery, protocol)
    test.warn(console)
    found = test.verify(console)
    return RunCalibration(found, found.calibrate(false_match_rate))


def write(calibration: RunCalibration, path: Path) -> None:
    """Write threshold and rates as JSON."""
    found = calibration.verification
    more = {name: getattr(found, name) for name in ("equal_error_rate", "same_pairs", "different_pairs")}
    write_json(path, {**calibration.chosen.to_json(), **more})


def show(calibration: RunCalibration, console: Console) -> None:
    """Write the rates as a table, and what to keep in mind about them."""
    found, chosen = calibration.verification, calibration.chosen
    wanted = chosen.wanted_false_match_rate
    console.table(
        f"Same person where the {chosen.metric} distance is below the threshold",
        ("wanted false-match rate", "threshold", "true-match rate", "equal error rate"),
        [
            [
                f"{100 * wanted:g} %",
                f"{chosen.threshold:.4g}",
                f"{100 * chosen.true_match_rate:.1f} %",
                f"{100 * found.equal_error_rate:.1f} %",
            ]
        ],
    )
    console.say(
        f"Measured on {found.same_pairs:,} pairs of the same person and {found.different_pairs:,} of different people, "
        "the very test images that the threshold was chosen on: on other people expect somewhat worse rates."
    )
    if wanted * found.different_pairs < FEWEST_FALSE_MATCHES:
        console.say(
            f"Warning: a rate of {wanted:g} allows {wanted * found.different_pairs:.1f} false matches among these "
            f"pairs; below {FEWEST_FALSE_MATCHES} the threshold is uncertain. Choose a higher rate or use more images."
        )
