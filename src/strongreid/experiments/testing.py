"""Evaluating after training: a run's weights on its test set, or features of any model."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from strongreid.config import read_config
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
from strongreid.experiments.sets import embed_test, prepare
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
class Evaluation:
    """A result, and how sure mAP and rank-1 are: 95 % bootstrap intervals over the queries."""

    result: RetrievalResult
    mean_ap: Interval
    rank_1: Interval


def embed_run(run: Path, data_root: Path | None, reranking: bool, console: Console) -> EmbeddedTest:
    """Embed the test set that a run was trained beside, with its last weights; a large one is announced first."""
    if not (run / "config.yaml").is_file():
        raise InputError(f"{run} is not the folder of a run: it holds no config.yaml.")
    config = read_config(run / "config.yaml")
    if data_root is not None:
        config = replace(config, data=replace(config.data, root=data_root))
    model = ReIDModel.load(run)
    prepared = prepare(config, console)
    announce(len(prepared.query.table), len(prepared.gallery.table), model.width, reranking, console)
    return EmbeddedTest(model, prepared.data, *embed_test(model, prepared, console))


def evaluate_run(
    run: Path,
    data_root: Path | None,
    metric: Metric | None,
    reranking: bool,
    same_camera: SameCamera | None,
    console: Console,
) -> Evaluation:
    """Evaluate the last weights of a run on the test set that it was trained beside."""
    test = embed_run(run, data_root, reranking, console)
    metric, same_camera = metric or test.model.metric, same_camera or test.data.same_camera
    return _evaluation(test.query, test.gallery, metric, reranking, same_camera, console)


def evaluate_files(
    query: Path, gallery: Path, metric: Metric, reranking: bool, same_camera: SameCamera, console: Console
) -> Evaluation:
    """Evaluate features of any model: two .npz files with the arrays features, person and camera."""
    sides = Embeddings.load(query), Embeddings.load(gallery)
    announce(len(sides[0]), len(sides[1]), sides[0].features.shape[1], reranking, console)
    return _evaluation(*sides, metric, reranking, same_camera, console)


def announce(queries: int, images: int, width: int, reranking: bool, console: Console) -> None:
    """Say what ranking a large set will take, before any of it is done; say nothing of a small one."""
    cost = estimate_cost(queries, images, width, reranking=reranking)
    features_mb = (queries + images) * width * _BYTES_PER_NUMBER / 2**20
    if cost.seconds > SECONDS_WORTH_SAYING or cost.memory_mb + features_mb > MEGABYTES_WORTH_SAYING:
        console.say(
            f"Ranking {images:,} gallery images for {queries:,} queries{' with re-ranking' if reranking else ''} takes "
            f"{cost.sentence} ({features_mb:.0f} MB)."
        )


def _evaluation(
    query: Embeddings,
    gallery: Embeddings,
    metric: Metric,
    reranking: bool,
    same_camera: SameCamera,
    console: Console,
) -> Evaluation:
    with console.bar("Ranking") as report:
        result = evaluate(
            query,
            gallery,
            metric=metric,
            reranking=Reranking() if reranking else None,
            same_camera=same_camera,
            progress=report,
        )
    return Evaluation(result, bootstrap_interval(result, "mean_ap"), bootstrap_interval(result, "rank_1"))


def show(evaluation: Evaluation, console: Console) -> None:
    """Write a result as a table, in percent, and below it how sure it is."""
    result = evaluation.result
    values = (*(result.rank(k) for k in (1, 5, 10)), result.mean_ap, result.mean_inp)
    console.table(
        result.protocol,
        ("queries", "rank-1", "rank-5", "rank-10", "mAP", "mINP"),
        [[str(result.valid_queries), *(f"{100 * value:.1f}" for value in values)]],
    )
    rank_1, mean_ap = (
        f"{100 * interval.low:.1f} to {100 * interval.high:.1f}" for interval in (evaluation.rank_1, evaluation.mean_ap)
    )
    console.say(f"95 % intervals (bootstrap over the queries): rank-1 {rank_1}, mAP {mean_ap}.")
    if result.invalid_queries:
        console.say(f"{result.invalid_queries} more queries have no match in the gallery and are not counted.")


def write(evaluation: Evaluation, path: Path) -> None:
    """Write a result as JSON, with its intervals."""
    intervals = {
        f"{name}_interval": [interval.low, interval.high]
        for name, interval in (("mean_ap", evaluation.mean_ap), ("rank_1", evaluation.rank_1))
    }
    write_json(path, {**evaluation.result.to_json(), **intervals, "interval_confidence": evaluation.mean_ap.confidence})
