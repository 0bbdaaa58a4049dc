"""Evaluating after training: a run's weights on its test set, or features of any model."""

from dataclasses import replace
from pathlib import Path

from strongreid.config import read_config
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, Reranking, RetrievalResult, evaluate
from strongreid.evaluation.distance import Metric
from strongreid.experiments.run import embed_test, prepare
from strongreid.files import write_json
from strongreid.models import ReIDModel
from strongreid.reports.console import Console


def evaluate_run(
    run: Path, data_root: Path | None, metric: Metric | None, reranking: bool, console: Console
) -> RetrievalResult:
    """Evaluate the last weights of a run on the test set that it was trained beside."""
    if not (run / "config.yaml").is_file():
        raise InputError(f"{run} is not the folder of a run: it holds no config.yaml.")
    config = read_config(run / "config.yaml")
    if data_root is not None:
        config = replace(config, data=replace(config.data, root=data_root))
    model = ReIDModel.load(run)
    prepared = prepare(config, console)
    query, gallery = embed_test(model, prepared, console)
    with console.bar("Ranking") as report:
        return evaluate(
            query,
            gallery,
            metric=metric or model.metric,
            reranking=Reranking() if reranking else None,
            same_camera=prepared.data.same_camera,
            progress=report,
        )


def evaluate_files(query: Path, gallery: Path, metric: Metric, reranking: bool, console: Console) -> RetrievalResult:
    """Evaluate features of any model: two .npz files with the arrays features, person and camera."""
    sides = Embeddings.load(query), Embeddings.load(gallery)
    with console.bar("Ranking") as report:
        return evaluate(*sides, metric=metric, reranking=Reranking() if reranking else None, progress=report)


def show(result: RetrievalResult, console: Console) -> None:
    """Write a result as a table, in percent."""
    values = (*(result.rank(k) for k in (1, 5, 10)), result.mean_ap, result.mean_inp)
    console.table(
        result.protocol,
        ("queries", "rank-1", "rank-5", "rank-10", "mAP", "mINP"),
        [[str(result.valid_queries), *(f"{100 * value:.1f}" for value in values)]],
    )
    if result.invalid_queries:
        console.say(f"{result.invalid_queries} more queries have no match in the gallery and are not counted.")


def write(result: RetrievalResult, path: Path) -> None:
    """Write a result as JSON."""
    write_json(path, result.to_json())
