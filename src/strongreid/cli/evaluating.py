"""`evaluate`: a run, or the features of any model; `calibrate`: the threshold for "the same person"."""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from strongreid.cli.parsing import parser_of
from strongreid.config import SetConfig
from strongreid.errors import InputError


def evaluate_model(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    data_root: Path | None = None,
    data_name: str | None = None,
    split_seed: int = 0,
    metric: Literal["cosine", "euclidean"] | None = None,
    reranking: bool = False,
    same_camera: Literal["exclude", "include"] | None = None,
    average_precision: Literal["rectangular", "trapezoid"] = "rectangular",
    json: Path | None = None,
) -> None:
    """Evaluate a run on its test sets or on another, or features of any model from two .npz files; 95 % intervals.

    Args:
        run: The folder of a run; its data sets are read again and its last weights are used.
        embeddings: Query and gallery file (.npz), each with the arrays features, person and camera.
        data_root: Where the data set lies now, if it was moved since the training; or where `data_name` lies.
        data_name: Another data set to test on, in place of the run's own (`strongreid data list` names the known
            ones); it lies in `data_root`.
        split_seed: Seed of that set's split, for sets that leave the split to the user.
        metric: cosine or euclidean; by default the run's own, and cosine for embeddings.
        reranking: Re-rank by k-reciprocal encoding (Zhong et al. 2017; k1 20, k2 6, lambda 0.3).
        same_camera: exclude leaves gallery images of the query's own person and camera out, as the benchmarks do;
            include keeps them, for sets with one camera or none. By default the data set's own rule, and exclude for
            embeddings.
        average_precision: rectangular is what the paper and most tools report; trapezoid is the rule of Market-1501's
            official MATLAB code, which reads lower. Never compare one with the other.
        json: File to write the metrics to, with the intervals of mAP and rank-1.
    """
    from strongreid.evaluation import Reranking
    from strongreid.reports.console import Console
    from strongreid.runs import evaluate_features

    console = Console()
    if (run is None) == (embeddings is None):
        raise InputError("Name a run's folder, or --embeddings QUERY.npz GALLERY.npz: one of the two.")
    if json is not None and json.is_dir():
        raise InputError(f"--json {json} is a folder. Name a file in it, such as {json / 'metrics.json'}.")
    protocol = evaluate_features.Protocol(metric, same_camera, average_precision, Reranking() if reranking else None)
    if embeddings is not None:
        if data_name or data_root or split_seed:
            raise InputError(
                "--data_name, --data_root and --split_seed choose the images that a run is tested on. Leave them out: "
                "--embeddings needs no images."
            )
        found = {"features": evaluate_features.evaluate_files(*embeddings, protocol, console)}
    elif run is not None:
        from strongreid.runs import evaluate

        other = _other_set(data_name, data_root, split_seed)
        moved = None if other else data_root
        found = evaluate.evaluate_run(run, moved, protocol, console, other=other)
    evaluate_features.show(found, console)
    if json is not None:
        evaluate_features.write(found, json)


def _other_set(name: str | None, root: Path | None, split_seed: int) -> SetConfig | None:
    if name is None:
        if split_seed:
            raise InputError("--split_seed goes with --data_name: the run's own split is part of its settings.")
        return None
    if root is None:
        raise InputError(f"--data_name {name} needs --data_root DIR, the folder of that set.")
    return SetConfig(name, root, split_seed)


def calibrate(run: Path, false_match_rate: float = 0.001, data_root: Path | None = None) -> None:
    """Find the distance below which two images are taken for the same person, and store it in the run's model.

    Args:
        run: The folder of a run; its test set is embedded, and its model.safetensors gets the threshold.
        false_match_rate: How often, 0 to 1, different people may be taken for the same. Calibrating on the test set
            makes this rate optimistic for that set: on other people expect it to be somewhat higher.
        data_root: Where the data set lies now, if it was moved since the training.
    """
    from strongreid.reports.console import Console
    from strongreid.runs import calibrate as calibration

    console = Console()
    found = calibration.calibrate_run(run, false_match_rate, data_root, console)
    calibration.show(found, console)
    console.say(f"Stored in {run / 'model.safetensors'}: ReIDModel.load({str(run)!r}).threshold")


def evaluate_parser() -> ArgumentParser:
    """Return the parser of `evaluate`, whose two ways of naming what to evaluate a signature cannot say."""
    parser = parser_of(evaluate_model, skip={"run", "embeddings"})
    parser.add_argument("run", nargs="?", type=Path, help="the folder of a run")
    parser.add_argument(
        "--embeddings",
        nargs=2,
        type=Path,
        metavar=("QUERY", "GALLERY"),
        help="two .npz files in place of a run, each with the arrays features [N, D], person [N] and camera [N] (where "
        "cameras are not known zeros, with --same_camera include)",
    )
    return parser
