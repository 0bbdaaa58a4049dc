"""`evaluate`: a run, or the features of any model."""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from strongreid.cli.parsing import parser_of
from strongreid.errors import InputError


def evaluate(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    data_root: Path | None = None,
    metric: Literal["cosine", "euclidean"] | None = None,
    reranking: bool = False,
    json: Path | None = None,
) -> None:
    """Evaluate a run on its test set, or features of any model from two .npz files.

    Args:
        run: The folder of a run; its data set is read again and its last weights are used.
        embeddings: Query and gallery file (.npz), each with the arrays features, person and camera.
        data_root: Where the data set lies now, if it was moved since the training.
        metric: cosine or euclidean; by default the run's own, and cosine for embeddings.
        reranking: Re-rank by k-reciprocal encoding (Zhong et al. 2017; k1 20, k2 6, lambda 0.3).
        json: File to write the metrics to.
    """
    from strongreid.experiments import testing
    from strongreid.reports.console import Console

    console = Console()
    if (run is None) == (embeddings is None):
        raise InputError("Name a run's folder, or --embeddings QUERY.npz GALLERY.npz: one of the two.")
    if embeddings is not None:
        result = testing.evaluate_files(*embeddings, metric or "cosine", reranking, console)
    elif run is not None:
        result = testing.evaluate_run(run, data_root, metric, reranking, console)
    testing.show(result, console)
    if json is not None:
        testing.write(result, json)


def evaluate_parser() -> ArgumentParser:
    """Return the parser of `evaluate`, whose two ways of naming what to evaluate a signature cannot say."""
    parser = parser_of(evaluate, skip={"run", "embeddings"})
    parser.add_argument("run", nargs="?", type=Path, help="the folder of a run")
    parser.add_argument(
        "--embeddings", nargs=2, type=Path, metavar=("QUERY", "GALLERY"), help="two .npz files, in place of a run"
    )
    return parser
