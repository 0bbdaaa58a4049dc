"""Evaluating features, whatever made them: what is asked for, and what is said, shown and written of it.

Knows neither settings nor models, so that evaluating two files does not wait for the libraries that train networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation import (
    HEADLINE,
    METRICS,
    Embeddings,
    Interval,
    Reranking,
    RetrievalResult,
    Verification,
    average_tracks,
    bootstrap_interval,
    estimate_cost,
    evaluate,
    normalised,
    verify,
)
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK, read_arrays
from strongreid.evaluation.facts import AveragePrecision, Floats
from strongreid.evaluation.false_matches import FalseMatches, count_false_matches
from strongreid.evaluation.ground_truth import SameCamera
from strongreid.evaluation.tracks import tracks_in_both
from strongreid.files import write_json
from strongreid.reports.console import Console

SECONDS_WORTH_SAYING: Final = 10
"""A ranking that takes longer is announced: what is over sooner needs no forecast, only its progress bar."""
MEGABYTES_WORTH_SAYING: Final = 1024
"""Features and ranking that need more are announced: from here on it matters on a small machine."""
COLUMNS: Final = [metric.label for metric in METRICS.values()]
"""Titles of `figure_cells`."""
_BYTES_PER_NUMBER: Final = 4


By = Literal["image", "track"]
"""What is searched, and what for: images, or the mean features of tracks."""


@dataclass(frozen=True)
class Protocol:
    """How to evaluate."""

    metric: Metric | None = None
    """None: the model's own."""
    same_camera: SameCamera | None = None
    """None: the data set's own rule."""
    average_precision: AveragePrecision = "rectangular"
    reranking: Reranking | None = None
    """Settings of k-reciprocal re-ranking; None: not re-ranked."""
    by: By = "image"
    """Images or tracks."""


USUAL: Final = Protocol()


@dataclass(frozen=True)
class EmbeddedTest:
    """The features of a test set, and how they are compared where nothing else is asked for."""

    query: Embeddings
    gallery: Embeddings
    metric: Metric = "cosine"
    same_camera: SameCamera = "exclude"
    query_weight: Floats | None = None
    """How much each image counts in the mean of its track, float64 [Q]; None: all alike."""
    gallery_weight: Floats | None = None
    """Likewise, float64 [G]."""
    threshold: float | None = field(default=None, kw_only=True)
    """The distance by `metric` below which the model that made the features takes two images for one person."""

    def by_track(self) -> "EmbeddedTest":
        """Return the test of tracks: the mean features of each, of query and gallery by themselves.

        For cosine distances features are brought to length 1 first. Raises `InputError` as `average_tracks` does.
        """
        sides = (self.query, self.gallery)
        if self.metric == "cosine":
            sides = normalised(self.query), normalised(self.gallery)
        query, gallery = map(average_tracks, sides, (self.query_weight, self.gallery_weight))
        return EmbeddedTest(query, gallery, self.metric, self.same_camera, threshold=self.threshold)

    def evaluate(self, console: Console, protocol: Protocol = USUAL) -> RetrievalResult:
        """Rank the gallery for each query, with a progress bar."""
        if protocol.by == "track":
            tracks = replace(self, metric=protocol.metric or self.metric).by_track()
            result = tracks.evaluate(console, replace(protocol, by="image"))
            return replace(result, protocol=f"{result.protocol}, mean features of tracks")
        with console.bar("Ranking") as report:
            return evaluate(
                self.query,
                self.gallery,
                metric=protocol.metric or self.metric,
                reranking=protocol.reranking,
                same_camera=protocol.same_camera or self.same_camera,
                average_precision=protocol.average_precision,
                progress=report,
            )

    def verify(self, console: Console) -> Verification:
        """Compare all pairs of a query and a gallery image, with a progress bar."""
        with console.bar("Comparing all pairs") as report:
            return verify(self.query, self.gallery, metric=self.metric, same_camera=self.same_camera, progress=report)

    def false_matches(self, threshold: float) -> FalseMatches:
        """Count who is taken for whom at a threshold."""
        return count_false_matches(
            self.query, self.gallery, threshold, metric=self.metric, same_camera=self.same_camera
        )

    def doubts(self, protocol: Protocol = USUAL) -> list[str]:
        """Return what makes figures doubtful, though they can be computed, in sentences."""
        found = []
        if same := self._found_in_gallery(protocol.same_camera or self.same_camera):
            found.append(
                f"{same:,} of {len(self.query):,} queries are in the gallery themselves (the same features, the same "
                "person, and the camera rule does not leave them out): they find themselves first, so the figures are "
                "too good. Take them out of the gallery."
            )
        kept = (protocol.same_camera or self.same_camera) == "include"
        if protocol.by == "track" and kept and (both := tracks_in_both(self.query, self.gallery)):
            found.append(
                f"{both:,} tracks have images among the queries and in the gallery: they find themselves, so the "
                "figures are too good. Put all images of a track on one side."
            )
        if protocol.reranking is not None:
            images = len(self.query) + int((self.gallery.person != JUNK).sum())
            if (small := protocol.reranking.warning(images)) is not None:
                found.append(small)
        return found

    def _found_in_gallery(self, same_camera: SameCamera) -> int:
        """Count the queries of which the gallery holds the very features, of the same person, where that counts."""
        (query, wanted), (gallery, held) = ((side, _hashes(side)) for side in (self.query, self.gallery))
        cameras: dict[tuple[int, int], set[int]] = {}
        for row in np.flatnonzero(np.isin(held, wanted) & (gallery.person != JUNK)).tolist():
            cameras.setdefault((int(held[row]), int(gallery.person[row])), set()).add(int(gallery.camera[row]))
        return sum(
            bool(cameras.get((image, person), set()) - ({camera} if same_camera == "exclude" else set()))
            for image, person, camera in zip(wanted.tolist(), query.person.tolist(), query.camera.tolist(), strict=True)
        )

    def warn(self, console: Console, protocol: Protocol = USUAL) -> None:
        """Say what makes figures doubtful."""
        for doubt in self.doubts(protocol):
            console.say(f"Warning: {doubt}")


def _hashes(side: Embeddings) -> npt.NDArray[np.int64]:
    """Return a hash of each image's features, int64 [N]."""
    rows = side.features.cpu().numpy()
    return np.fromiter((hash(row.tobytes()) for row in rows), dtype=np.int64, count=len(rows))


@dataclass(frozen=True)
class Evaluation:
    """A result, and how sure it is."""

    result: RetrievalResult

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % bootstrap intervals over the queries, for each of `HEADLINE`."""
        return {name: bootstrap_interval(self.result, name) for name in HEADLINE}


def load_test(query: Path, gallery: Path, protocol: Protocol = USUAL) -> EmbeddedTest:
    """Read features of any model: two .npz files with the arrays features, person and camera, perhaps track, weight."""
    sides = Embeddings.load(query), Embeddings.load(gallery)
    weights = map(_weights, (query, gallery), sides)
    return EmbeddedTest(*sides, protocol.metric or "cosine", protocol.same_camera or "exclude", *weights)


def _weights(path: Path, side: Embeddings) -> Floats | None:
    """How much each image of a file counts in the mean of its track: its array `weight`, if it has one."""
    found = read_arrays(path, ("features",), optional=("weight",)).get("weight")
    if found is None:
        return None
    if found.shape != (len(side),) or found.dtype.kind not in "fiu":
        raise InputError(f"{path}: The array weight is {found.dtype} {list(found.shape)}; give numbers [{len(side)}].")
    return found.astype(np.float64)


def evaluate_files(query: Path, gallery: Path, protocol: Protocol, console: Console) -> Evaluation:
    """Evaluate features of any model: two .npz files with the arrays features, person and camera."""
    test = load_test(query, gallery, protocol)
    test.warn(console, protocol)
    width = test.query.features.shape[1]
    announce(len(test.query), len(test.gallery), width, protocol.reranking is not None, console)
    return Evaluation(test.evaluate(console, protocol))


def announce(queries: int, images: int, width: int, reranking: bool, console: Console) -> None:
    """Say what ranking a large set will take, before any of it is done; say nothing of a small one."""
    cost = estimate_cost(queries, images, width, reranking=reranking)
    features_mb = (queries + images) * width * _BYTES_PER_NUMBER / 2**20
    if cost.seconds > SECONDS_WORTH_SAYING or cost.memory_mb + features_mb > MEGABYTES_WORTH_SAYING:
        console.say(
            f"Ranking {images:,} gallery images for {queries:,} queries{' with re-ranking' if reranking else ''} takes "
            f"{cost.sentence} ({features_mb:.0f} MB)."
        )


def figure_cells(figures: Mapping[str, Any]) -> list[str]:
    """Return a cell for each of `METRICS`, fractions in percent; a dash for what an older file does not have."""
    return [metric.text(figures[name]) if name in figures else "-" for name, metric in METRICS.items()]


def show(found: Mapping[str, Evaluation], console: Console) -> None:
    """Write results as tables, in percent, and below each how sure it is. `found` is by the test set's name."""
    for name, evaluation in found.items():
        result = evaluation.result
        cells = [f"{result.valid_queries} queries", *figure_cells(result.to_json())]
        console.table(result.protocol, (name, *COLUMNS), [cells])
        sure = ", ".join(
            f"{METRICS[name].label} {METRICS[name].text(interval.low)} to {METRICS[name].text(interval.high)}"
            for name, interval in evaluation.intervals.items()
        )
        console.say(f"95 % intervals (bootstrap over the queries): {sure}.")
        if result.invalid_queries:
            console.say(f"{result.invalid_queries} more queries have no match in the gallery and are not counted.")


def write(found: Mapping[str, Evaluation], path: Path) -> None:
    """Write results as JSON, with their intervals: the first, and below `tested` the others by their names."""
    first, *others = ((name, _plain(evaluation)) for name, evaluation in found.items())
    write_json(path, {**first[1], **({"tested": dict(others)} if others else {})})


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    intervals = {f"{name}_interval": [found.low, found.high] for name, found in evaluation.intervals.items()}
    (confidence,) = {found.confidence for found in evaluation.intervals.values()}
    return {**evaluation.result.to_json(), **intervals, "interval_confidence": confidence}
