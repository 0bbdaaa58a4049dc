"""Open-set identification of a test set: how many strangers get an answer, and how many known people do not get theirs.

One way for all that measure it (`identify`, training, `report`): `open_set(test, console)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from strongreid.evaluation import Identification, Interval, fnir_interval, identify_at_sizes, split_enrolled
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK
from strongreid.evaluation.enrolment import people_in_both
from strongreid.evaluation.ground_truth import SameCamera
from strongreid.evaluation.identification_result import USUAL_RATES
from strongreid.files import inside, write_json
from strongreid.reports.console import Console, in_percent
from strongreid.runs.evaluate_features import By, EmbeddedTest

EVERYBODY: Final = 1.0
"""The share that enrols all people of the gallery: strangers are those of whom it holds nothing."""
FEWEST_PEOPLE: Final = 2
"""People of a test set that can be split into enrolled ones and strangers."""


@dataclass(frozen=True)
class OpenSetProtocol:
    """Who is enrolled, and what is asked."""

    enrolled_share: float = 0.5
    """Of the people, drawn by `seed`; `EVERYBODY` leaves the gallery as it is."""
    seed: int = 0
    rates: Sequence[float] = USUAL_RATES
    """False-positive identification rates at which misses are told."""
    sizes: Sequence[int] | None = None
    """Numbers of enrolled people beside all of them; None: three times half as many."""
    by: By = "image"
    metric: Metric | None = None
    """None: the model's own."""
    same_camera: SameCamera | None = None
    """None: the data set's own rule."""


USUAL: Final = OpenSetProtocol()


@dataclass(frozen=True, eq=False)
class OpenSet:
    """What was found."""

    protocol: OpenSetProtocol
    sizes: Mapping[int, Identification]
    """By the number of enrolled people, ascending: the last has all of them."""
    threshold: float | None = None
    """The model's own, for pairs."""

    @property
    def found(self) -> Identification:
        """With all people enrolled."""
        return self.sizes[self.people]

    @property
    def people(self) -> int:
        """How many are enrolled."""
        return max(self.sizes)

    @cached_property
    def intervals(self) -> list[Interval | None]:
        """95 % bootstrap intervals, over people, of FNIR at each rate; None where there is no FNIR."""
        if not (self.found.enrolled_searches and self.found.unknown_searches):
            return [None] * len(self.protocol.rates)
        return [fnir_interval(self.found, rate) for rate in self.protocol.rates]

    def _at_own_threshold(self) -> dict[str, Any]:
        if self.threshold is None:
            return {}
        own = self.found.at(self.threshold)
        rates = {"fpir": own.fpir[0], "fnir": own.fnir[0]}
        found = {name: float(rate) if np.isfinite(rate) else None for name, rate in rates.items()}
        return {"at_model_threshold": {"threshold": self.threshold, **found}}

    def to_json(self, *, curve: bool = False) -> dict[str, Any]:
        """All of it as plain values for `json.dump`, None where there is no rate.

        curve: every operating point too.
        """
        protocol, rates = self.protocol, list(self.protocol.rates)
        plain = self.found.to_json(rates)
        for point, interval in zip(plain["at_fpir"], self.intervals, strict=True):
            point["fnir_interval"] = None if interval is None else [interval.low, interval.high]
        found = {
            **plain,
            "by": protocol.by,
            "enrolled_share": protocol.enrolled_share,
            "seed": protocol.seed,
            "enrolled_people": self.people,
            "interval_confidence": next((one.confidence for one in self.intervals if one is not None), None),
            **self._at_own_threshold(),
            "sizes": [{"enrolled_people": size, **one.to_json(rates)} for size, one in self.sizes.items()],
        }
        return {**found, "curve": _curve(self.found)} if curve else found


def open_set(test: EmbeddedTest, console: Console, protocol: OpenSetProtocol = USUAL) -> OpenSet:
    """Enrol a part of a test set's people and search all queries among them, with a progress bar.

    Raises `InputError` where there are too few people, and for a share, rates, sizes or tracks that are none.
    """
    threshold = test.threshold if protocol.metric in (None, test.metric) else None  # it is a distance by one metric
    test = replace(test, metric=protocol.metric or test.metric, same_camera=protocol.same_camera or test.same_camera)
    if protocol.by == "track":
        test = test.by_track()
    query, gallery = test.query, test.gallery
    if protocol.enrolled_share != EVERYBODY:
        query, gallery = split_enrolled(query, gallery, protocol.enrolled_share, seed=protocol.seed)
    people = len(np.unique(gallery.person[gallery.person != JUNK]))
    with console.bar("Identifying") as report:
        sizes = identify_at_sizes(
            query,
            gallery,
            None if protocol.sizes is None else [*protocol.sizes, people],
            seed=protocol.seed,
            metric=test.metric,
            same_camera=test.same_camera,
            progress=report,
        )
    return OpenSet(protocol, sizes, threshold)


def usual_open_set(test: EmbeddedTest, console: Console) -> OpenSet | None:
    """The same by the usual protocol; None for a test set of too few people."""
    return open_set(test, console) if len(people_in_both(test.query, test.gallery)) >= FEWEST_PEOPLE else None


def recorded_open_set(test: EmbeddedTest, folder: Path, console: Console) -> dict[str, Any]:
    """Write the searches by the usual protocol to a run's folder; return its entry for result.json, if it has one."""
    found = usual_open_set(test, console)
    if found is None:
        return {}
    found.found.save(inside(folder, "identification.npz"))
    return {"open_set": found.to_json()}


def show(found: OpenSet, name: str, console: Console) -> None:
    """Write the rates of a set, called `name`, as tables, and what to keep in mind about them."""
    identified, protocol = found.found, found.protocol
    points = identified.at(identified.threshold(list(protocol.rates)))
    rows = []
    for number, rate in enumerate(protocol.rates):
        interval = found.intervals[number]
        between = "-" if interval is None else f"{in_percent(interval.low)} to {in_percent(interval.high)}"
        rows.append(
            [
                in_percent(rate),
                f"{points.threshold[number]:.4g}",
                in_percent(points.fpir[number]),
                in_percent(points.fnir[number]),
                between,
                in_percent(points.detection_rate[number]),
            ]
        )
    console.table(
        f"{name}: {identified.protocol}{', mean features of tracks' if protocol.by == 'track' else ''}",
        ("FPIR wanted", "threshold", "FPIR", "FNIR", "95 % interval", "DIR"),
        rows,
    )
    console.say(
        f"FPIR: of {identified.unknown_searches:,} searches for people who are not enrolled, those with an answer. "
        f"FNIR: of {identified.enrolled_searches:,} searches for enrolled people, those without theirs; DIR is "
        "1 - FNIR. Intervals: bootstrap over people."
    )
    _show_sizes(found, console)
    for sentence in remarks(found):
        console.say(sentence)


def remarks(found: OpenSet) -> list[str]:
    """Return what the model's own threshold does here, and what the figures cannot say, in sentences."""
    identified, threshold = found.found, found.threshold
    if threshold is None or not (identified.enrolled_searches and identified.unknown_searches):
        return doubts(found)
    own = identified.at(threshold)
    said = (
        f"As calibrated: below the model's threshold of {threshold:.4g}, which holds for pairs of images, "
        f"{in_percent(own.fpir[0])} of the searches for strangers get an answer (FPIR), and "
        f"{in_percent(own.fnir[0])} of those for enrolled people do not get theirs (FNIR)."
    )
    return [said, *doubts(found)]


def doubts(found: OpenSet) -> list[str]:
    """Return what the figures cannot say, in sentences."""
    identified = found.found
    if not identified.enrolled_searches:
        return ["No query shows somebody who is enrolled, so there is no FNIR."]
    if not identified.unknown_searches:
        return ["Everybody searched for is enrolled, so nothing is known of strangers: enrol a share below 1."]
    few = [rate for rate in found.protocol.rates if 0 < rate * identified.unknown_searches < 1]
    return [
        f"An FPIR of {in_percent(rate)} of {identified.unknown_searches:,} searches allows not one stranger an answer: "
        "read it as 0."
        for rate in few
    ]


def write(found: Mapping[str, OpenSet], path: Path) -> None:
    """Write results as JSON, with their curves: the first, and below `tested` the others by their names."""
    first, *others = ((name, one.to_json(curve=True)) for name, one in found.items())
    write_json(path, {**first[1], **({"tested": dict(others)} if others else {})})


def _show_sizes(found: OpenSet, console: Console) -> None:
    if len(found.sizes) < 2:
        return
    rates = list(found.protocol.rates)
    rows = [[f"{size:,}", *map(in_percent, one.fnir(rates))] for size, one in found.sizes.items()]
    console.table("The more people are enrolled", ("people", *(f"FNIR at FPIR {in_percent(r)}" for r in rates)), rows)


def _curve(found: Identification) -> dict[str, list[float | None]]:
    """All operating points as plain lists: threshold (None for none at all), fpir and fnir."""
    points = found.curve()
    columns = {"threshold": points.threshold, "fpir": points.fpir, "fnir": points.fnir}
    return {
        name: [value if np.isfinite(value) else None for value in column.tolist()] for name, column in columns.items()
    }
