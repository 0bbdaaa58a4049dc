"""Evaluating after training: a run's weights on its test set, or features of any model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from strongreid.config import BatchConfig, Config, DataConfig, SetConfig, read_config
from strongreid.data import ReIDData
from strongreid.errors import InputError
from strongreid.evaluation import (
    Embeddings,
    Interval,
    Reranking,
    RetrievalResult,
    bootstrap_interval,
    estimate_cost,
    evaluate,
)
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.matches import SameCamera
from strongreid.evaluation.metrics import AveragePrecision
from strongreid.experiments.sets import Tested, embed_test, load_model, prepare_tests
from strongreid.files import write_json
from strongreid.models import ReIDModel
from strongreid.reports.console import Console

SECONDS_WORTH_SAYING: Final = 10
"""A ranking that takes longer is announced: what is over sooner needs no forecast, only its progress bar."""
MEGABYTES_WORTH_SAYING: Final = 1024
"""Features and ranking that need more are announced: from here on it matters on a small machine."""
_BYTES_PER_NUMBER: Final = 4


@dataclass(frozen=True)
class EmbeddedTest:
    """A run's model with the features of its test set."""

    model: ReIDModel
    data: ReIDData
    query: Embeddings
    gallery: Embeddings


@dataclass(frozen=True)
class Protocol:
    """How to evaluate."""

    metric: Metric | None = None
    """By default the run's own; cosine for features of any model."""
    same_camera: SameCamera | None = None
    """By default the data set's own rule; "exclude" for features of any model."""
    average_precision: AveragePrecision = "rectangular"
    reranking: bool = False


@dataclass(frozen=True)
class Evaluation:
    """A result, and how sure mAP and rank-1 are: 95 % bootstrap intervals over the queries."""

    result: RetrievalResult
    mean_ap: Interval
    rank_1: Interval


def embed_run(run: Path, data_root: Path | None, reranking: bool, console: Console) -> EmbeddedTest:
    """Embed the test set that a run was trained beside, with its last weights; a large one is announced first."""
    config = _config_of(run, data_root)
    config = replace(config, data=replace(config.data, tested=[]))
    model = load_model(run, config)
    return _embedded(model, prepare_tests(config, console)[0], reranking, console)


def evaluate_run(
    run: Path, data_root: Path | None, protocol: Protocol, console: Console, *, other: SetConfig | None = None
) -> dict[str, Evaluation]:
    """Evaluate the last weights of a run on each set that it is tested on, by name, its main one first.

    Where `other` is given, on that set alone: train on one, test on another.
    """
    config = _config_of(run, data_root)
    if other is not None:
        data = DataConfig(other.name, other.root, other.split_seed, config.data.cache)
        config = replace(config, data=data, batch=BatchConfig())  # no batches are made, so none can be impossible
    model = load_model(run, config)
    found = {}
    for tested in prepare_tests(config, console):
        test = _embedded(model, tested, protocol.reranking, console)
        own = replace(
            protocol,
            metric=protocol.metric or model.metric,
            same_camera=protocol.same_camera or test.data.same_camera,
        )
        found[tested.name] = _evaluation(test.query, test.gallery, own, console)
    return found


def _config_of(run: Path, data_root: Path | None) -> Config:
    if not (run / "config.yaml").is_file():
        raise InputError(
            f"{run} is not the folder of a run: it holds no config.yaml. Name the folder that a training wrote."
        )
    config = read_config(run / "config.yaml")
    return config if data_root is None else replace(config, data=replace(config.data, root=data_root))


def _embedded(model: ReIDModel, test: Tested, reranking: bool, console: Console) -> EmbeddedTest:
    announce(len(test.query.table), len(test.gallery.table), model.width, reranking, console)
    return EmbeddedTest(model, test.data, *embed_test(model, test, console))


def evaluate_files(query: Path, gallery: Path, protocol: Protocol, console: Console) -> Evaluation:
    """Evaluate features of any model: two .npz files with the arrays features, person and camera."""
    sides = Embeddings.load(query), Embeddings.load(gallery)
    announce(len(sides[0]), len(sides[1]), sides[0].features.shape[1], protocol.reranking, console)
    return _evaluation(*sides, protocol, console)


def announce(queries: int, images: int, width: int, reranking: bool, console: Console) -> None:
    """Say what ranking a large set will take, before any of it is done; say nothing of a small one."""
    cost = estimate_cost(queries, images, width, reranking=reranking)
    features_mb = (queries + images) * width * _BYTES_PER_NUMBER / 2**20
    if cost.seconds > SECONDS_WORTH_SAYING or cost.memory_mb + features_mb > MEGABYTES_WORTH_SAYING:
        console.say(
            f"Ranking {images:,} gallery images for {queries:,} queries{' with re-ranking' if reranking else ''} takes "
            f"{cost.sentence} ({features_mb:.0f} MB)."
        )


def _evaluation(query: Embeddings, gallery: Embeddings, protocol: Protocol, console: Console) -> Evaluation:
    with console.bar("Ranking") as report:
        result = evaluate(
            query,
            gallery,
            metric=protocol.metric or "cosine",
            reranking=Reranking() if protocol.reranking else None,
            same_camera=protocol.same_camera or "exclude",
            average_precision=protocol.average_precision,
            progress=report,
        )
    return Evaluation(result, bootstrap_interval(result, "mean_ap"), bootstrap_interval(result, "rank_1"))


def show(found: Mapping[str, Evaluation], console: Console) -> None:
    """Write results as tables, in percent, and below each how sure it is. `found` is by the test set's name."""
    for name, evaluation in found.items():
        result = evaluation.result
        values = (*(result.rank(k) for k in (1, 5, 10)), result.mean_ap, result.mean_inp)
        console.table(
            result.protocol,
            (name, "rank-1", "rank-5", "rank-10", "mAP", "mINP"),
            [[f"{result.valid_queries} queries", *(f"{100 * value:.1f}" for value in values)]],
        )
        rank_1, mean_ap = (
            f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
            for interval in (evaluation.rank_1, evaluation.mean_ap)
        )
        console.say(f"95 % intervals (bootstrap over the queries): rank-1 {rank_1}, mAP {mean_ap}.")
        if result.invalid_queries:
            console.say(f"{result.invalid_queries} more queries have no match in the gallery and are not counted.")


def write(found: Mapping[str, Evaluation], path: Path) -> None:
    """Write results as JSON, with their intervals: the first, and below `tested` the others by their names."""
    first, *others = ((name, _plain(evaluation)) for name, evaluation in found.items())
    write_json(path, {**first[1], **({"tested": dict(others)} if others else {})})


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    intervals = {
        f"{name}_interval": [interval.low, interval.high]
        for name, interval in (("mean_ap", evaluation.mean_ap), ("rank_1", evaluation.rank_1))
    }
    return {**evaluation.result.to_json(), **intervals, "interval_confidence": evaluation.mean_ap.confidence}
