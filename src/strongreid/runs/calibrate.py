"""Calibrating: the distance below which two images are taken for the same person, put into the model's file.

The rates of a threshold are honest on people who were neither learned from nor reported on: another set, or people whom
a run holds out for it (`data.threshold_share`). A run's own test people are what is left where there are no others.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from strongreid.config_sections import SetConfig
from strongreid.evaluation import Calibration, Verification
from strongreid.evaluation.embeddings import JUNK
from strongreid.evaluation.verification import require_rate
from strongreid.files import write_json
from strongreid.models import Calibrated, CalibratedOn, write_calibrated
from strongreid.reports.console import Console
from strongreid.runs.card import write_run_card
from strongreid.runs.evaluate import prepare_other
from strongreid.runs.evaluate_features import USUAL, EmbeddedTest, Protocol, announce, load_test
from strongreid.runs.folder import Run
from strongreid.runs.test_sets import TestSet, prepare_own_tests, prepare_threshold_test
from strongreid.runs.used_model import load_model
from strongreid.runs.without_a_run import embed_test

FEWEST_FALSE_MATCHES: Final = 30
"""With 30 errors seen, the true rate is within 30 % of the measured one in nine of ten cases ("rule of 30", Doddington
et al. 2000)."""


STORED_RATES: Final = tuple(np.geomspace(1e-5, 0.5, 48).tolist())
"""False-match rates whose thresholds are stored too, ten a decade, so that another threshold has a known rate."""


@dataclass(frozen=True)
class Found:
    """What images say about "same person or not", and the threshold chosen from it."""

    verification: Verification
    chosen: Calibration
    on: CalibratedOn


def calibrate_run(
    folder: Path, false_match_rate: float, data_root: Path | None, console: Console, other: SetConfig | None = None
) -> Found:
    """Choose the threshold for a wanted false-match rate, 0..1, and store it in a run's model.

    On the people of another set, where it is given; else on those whom the run holds out for it, else on those that it
    was tested on. data_root: where the run's own set lies now, if it was moved since the training.
    """
    require_rate(false_match_rate)
    run = Run(folder, data_root)
    model = run.model()
    test, tested = _people_for(run, other, console)
    announce(len(test.query.table), len(test.gallery.table), model.width, False, console)
    found = calibrate_on(test.embed(model, console), false_match_rate, console, tested=tested)
    model.calibrated = stored(found, test.data.name)
    write_calibrated(run.folder, model.calibrated)
    write_run_card(run.folder, model)
    return found


def _people_for(run: Run, other: SetConfig | None, console: Console) -> tuple[TestSet, bool]:
    """Return whom to calibrate on, and whether the run's figures are reported on them too."""
    if other is not None:
        test = prepare_other(run, other, console)
        query = test.query.table.fingerprint()
        reported = run.record["data"]["fingerprint"] if run.recorded else {}
        return test, query in (reported.get("query"), *(one["query"] for one in reported.get("tested", {}).values()))
    if (held_out := prepare_threshold_test(run, console)) is not None:
        return held_out, False
    (test,) = prepare_own_tests(run, console, further=False)
    return test, True


def calibrate_file(file: Path, people: SetConfig, false_match_rate: float, console: Console) -> Found:
    """Choose the threshold for a wanted false-match rate, 0..1, on a set, and store it in a model file of no run."""
    require_rate(false_match_rate)
    test, embedded = embed_test(load_model(file), people, Protocol(), console)
    found = calibrate_on(embedded, false_match_rate, console, tested=None)
    write_calibrated(file, stored(found, test.data.name))
    return found


def calibrate_features(
    query: Path, gallery: Path, false_match_rate: float, console: Console, protocol: Protocol = USUAL
) -> Found:
    """Choose the threshold for a wanted false-match rate, 0..1, on features of any model: two .npz files."""
    require_rate(false_match_rate)
    test = load_test(query, gallery, protocol)
    test.warn(console)
    return calibrate_on(test, false_match_rate, console, tested=None)


def calibrate_on(test: EmbeddedTest, false_match_rate: float, console: Console, *, tested: bool | None) -> Found:
    """Choose the threshold for a wanted false-match rate; `tested`: whether figures are reported on these people."""
    found = test.verify(console)
    chosen = found.calibrate(false_match_rate)
    interval = test.false_matches(chosen.threshold).interval()
    people, cameras = (
        len(
            np.unique(np.concatenate([getattr(side, name)[side.person != JUNK] for side in (test.query, test.gallery)]))
        )
        for name in ("person", "camera")
    )
    return Found(
        found, chosen, CalibratedOn(people, cameras, found.different_pairs, tested, (interval.low, interval.high))
    )


def stored(found: Found, name: str) -> Calibrated:
    """Return what the model keeps of a calibration on the set `name`."""
    chosen = found.chosen
    return Calibrated(
        chosen.threshold,
        chosen.wanted_false_match_rate,
        chosen.true_match_rate,
        measured_on=name,
        on=found.on,
        rates=_rates(found.verification),
    )


def _rates(found: Verification) -> tuple[tuple[float, float, float], ...]:
    """Return thresholds over the whole range of false-match rates, ascending, with both their rates."""
    chosen = {one.threshold: one for one in map(found.calibrate, STORED_RATES)}
    return tuple((at, one.false_match_rate, one.true_match_rate) for at, one in sorted(chosen.items()))


def write(found: Found, path: Path) -> None:
    """Write threshold and rates as JSON."""
    more = {name: getattr(found.verification, name) for name in ("equal_error_rate", "same_pairs", "different_pairs")}
    on = {
        "people": found.on.people,
        "cameras": found.on.cameras,
        "tested_on": found.on.tested,
        "false_match_rate_interval": list(found.on.interval),
        "interval_confidence": 0.95,
    }
    write_json(path, {**found.chosen.to_json(), **more, **on})


def show(calibration: Found, console: Console) -> None:
    """Write the rates as a table, and what to keep in mind about them."""
    found, chosen, on = calibration.verification, calibration.chosen, calibration.on
    wanted = chosen.wanted_false_match_rate
    low, high = (100 * end for end in on.interval)
    console.table(
        f"Same person where the {chosen.metric} distance is below the threshold",
        ("wanted false-match rate", "95 % interval", "threshold", "true-match rate", "equal error rate"),
        [
            [
                f"{100 * wanted:g} %",
                f"{low:.2g} to {high:.2g} %",
                f"{chosen.threshold:.4g}",
                f"{100 * chosen.true_match_rate:.1f} %",
                f"{100 * found.equal_error_rate:.1f} %",
            ]
        ],
    )
    whom = {
        True: "the very people whom the figures are reported on: on other people expect somewhat worse rates",
        False: "people who were neither learned from nor reported on",
        None: "whom the model may have learned from: then on other people expect somewhat worse rates",
    }[on.tested]
    console.say(
        f"Measured on {found.same_pairs:,} pairs of the same person and {found.different_pairs:,} of different people, "
        f"of {on.people:,} people and {on.cameras:,} cameras, {whom}. The interval is by bootstrap over people."
    )
    if wanted * found.different_pairs < FEWEST_FALSE_MATCHES:
        console.say(
            f"Warning: a rate of {wanted:g} allows {wanted * found.different_pairs:.1f} false matches among these "
            f"pairs; below {FEWEST_FALSE_MATCHES} the threshold is uncertain. Choose a higher rate or use more images."
        )
