"""What is done with a finished run: `evaluate` (or the features of any model), `calibrate`, `report`, `compare`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser

from strongreid.cli.checks import require_file, require_output_file, require_run, require_set
from strongreid.cli.command import Command, parser_of
from strongreid.config import SetConfig
from strongreid.errors import InputError

OLD_NAMES = {"--data_name": "--data.name", "--data_root": "--data.root", "--split_seed": "--data.split_seed"}


@dataclass(frozen=True)
class MovedSet:
    """The run's data set."""

    root: Path | None = None
    """Where it lies now, if it was moved since the training."""


@dataclass(frozen=True)
class RerankingSettings:
    """Settings of re-ranking by k-reciprocal encoding (Zhong et al. 2017)."""

    k1: int | None = None
    """Neighbours that make up a k-reciprocal set; by default 20."""
    k2: int | None = None
    """Neighbours over which encodings are averaged; by default 6."""
    distance_weight: float | None = None
    """Weight of the original distance, 0 to 1; by default 0.3."""

    @property
    def given(self) -> dict[str, Any]:
        """Those that were given, by name."""
        values = {"k1": self.k1, "k2": self.k2, "distance_weight": self.distance_weight}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class RerankingChoice(RerankingSettings):
    """Re-ranking by k-reciprocal encoding (Zhong et al. 2017); any of its settings switches it on."""

    on: bool | None = None
    """Whether to re-rank; also written --reranking true."""

    def __post_init__(self) -> None:
        if self.on is False and self.given:
            raise InputError(
                f"--reranking is false, but --reranking.{next(iter(self.given))} was given; leave one out."
            )


@dataclass(frozen=True)
class OtherSet:
    """Another data set to test on, or where the run's own lies now."""

    name: str | None = None
    """The other data set, in place of the run's own; `strongreid data list` names the known ones."""
    root: Path | None = None
    """Its folder; without a name, where the run's own data set lies now, if it was moved since the training."""
    split_seed: int = 0
    """Seed of its split, for sets that leave the split to the user."""


def evaluate_model(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    data: OtherSet = OtherSet(),
    metric: Literal["cosine", "euclidean"] | None = None,
    reranking: RerankingChoice = RerankingChoice(),
    same_camera: Literal["exclude", "include"] | None = None,
    average_precision: Literal["rectangular", "trapezoid"] = "rectangular",
    json: Path | None = None,
) -> None:
    """Evaluate a run on its test sets or on another, or features of any model from two .npz files; 95 % intervals.

    Args:
        run: The folder of a run; its data sets are read again and its last weights are used.
        embeddings: Query and gallery file (.npz), each with the arrays features, person and camera.
        data: Another set.
        metric: cosine or euclidean; by default the run's own, and cosine for embeddings.
        reranking: Re-ranking.
        same_camera: exclude leaves gallery images of the query's own person and camera out, as the benchmarks do;
            include keeps them, for sets with one camera or none. By default the data set's own rule, and exclude for
            embeddings.
        average_precision: rectangular is what the paper and most tools report; trapezoid is the rule of Market-1501's
            official MATLAB code, which reads lower. Never compare one with the other.
        json: File to write the metrics to, with the intervals of mAP and rank-1.
    """
    if (run is None) == (embeddings is None):
        raise InputError("Name a run's folder, or --embeddings QUERY.npz GALLERY.npz: one of the two.")
    require_output_file("--json", json, "metrics.json")
    other = _other_set(data)
    if run is not None:
        require_run(run)
    elif data != OtherSet():
        raise InputError("--data.name, --data.root and --data.split_seed go with a run, not with --embeddings.")
    for file in embeddings or ():
        require_file(file, "a file of features (.npz)")

    from strongreid.evaluation import Reranking
    from strongreid.reports.console import Console
    from strongreid.runs import evaluate_features

    console = Console()
    again = Reranking(**reranking.given) if reranking.on or reranking.given else None
    protocol = evaluate_features.Protocol(metric, same_camera, average_precision, again)
    if run is None:
        assert embeddings is not None
        found = {"features": evaluate_features.evaluate_files(*embeddings, protocol, console)}
    else:
        from strongreid.runs import evaluate

        found = evaluate.evaluate_run(run, None if other else data.root, protocol, console, other=other)
    evaluate_features.show(found, console)
    if json is not None:
        evaluate_features.write(found, json)
    if run is not None:
        console.suggest("report", run)
    elif embeddings is not None and again is None:
        console.suggest("evaluate", "--embeddings", *embeddings, "--reranking", "true")


def _other_set(data: OtherSet) -> SetConfig | None:
    if data.name is None:
        if data.split_seed:
            raise InputError("--data.split_seed goes with --data.name: the run's own split is part of its settings.")
        return None
    if data.root is None:
        raise InputError(f"--data.name {data.name} needs --data.root DIR, the folder of that set.")
    require_set(data.name, data.root)
    return SetConfig(data.name, data.root, data.split_seed)


def calibrate(
    run: Path,
    false_match_rate: float = 0.001,
    data: MovedSet = MovedSet(),
) -> None:
    """Find the distance below which two images are taken for the same person, and store it in the run's model.

    Args:
        run: The folder of a run; its test set is embedded, and its model.safetensors gets the threshold.
        false_match_rate: How often, 0 to 1, different people may be taken for the same. Calibrating on the test set
            makes this rate optimistic for that set: on other people expect it to be somewhat higher.
        data: The set.
    """
    require_run(run)

    from strongreid.reports.console import Console
    from strongreid.runs import calibrate as calibration

    console = Console()
    found = calibration.calibrate_run(run, false_match_rate, data.root, console)
    calibration.show(found, console)
    console.say(f"Stored in {run / 'model.safetensors'}: ReIDModel.load({str(run)!r}).threshold")
    console.suggest("report", run)


def report(
    run: Path,
    data: MovedSet = MovedSet(),
    output: Path | None = None,
) -> None:
    """Write one HTML page about a finished run: figures, curves, what it finds, where it looks, what it confuses.

    The page needs no network and no other file: it can be opened from disk, or mailed.

    Args:
        run: The folder of a finished run; its data set is read again and its last weights are used.
        data: The set.
        output: The file to write; by default report.html in the run's folder.
    """
    require_run(run)
    require_output_file("--output", output, "report.html")

    from strongreid.reports.console import Console
    from strongreid.runs.report import report_run

    console = Console()
    path = report_run(run, data.root, output, console)
    console.say(f"Report: {path} ({path.stat().st_size / 1e6:.1f} MB); open it in a browser.")
    console.suggest("calibrate", run)


def compare(runs: list[Path]) -> None:
    """Show finished runs side by side: figures, the paired test against the first, and the settings that differ."""
    if len(runs) < 2:
        raise InputError("Name at least two runs to compare.")
    for run in runs:
        require_run(run)

    from strongreid.reports.console import Console
    from strongreid.runs.compare import compare_runs

    console = Console()
    compare_runs(runs, console)
    console.suggest("report", runs[-1])


def evaluate_parser() -> ArgumentParser:
    """Return the parser of `evaluate`, whose two ways of naming what to evaluate a signature cannot say."""
    parser = parser_of(evaluate_model, skip={"run", "embeddings"})
    parser.add_argument("run", nargs="?", type=Path, help="The folder of a run.")
    parser.add_argument(
        "--embeddings",
        nargs=2,
        type=Path,
        metavar=("QUERY", "GALLERY"),
        help="Two .npz files in place of a run, each with the arrays features [N, D], person [N] and camera [N] (where "
        "cameras are not known zeros, with --same_camera include).",
    )
    return parser


def compare_parser() -> ArgumentParser:
    """Return the parser of `compare`."""
    parser = parser_of(compare, skip={"runs"})
    parser.add_argument(
        "runs", nargs="+", type=Path, help="Folders of finished runs, the first is the one compared with."
    )
    return parser


EVALUATING = {
    "evaluate": Command(
        evaluate_model,
        "evaluate a run, or features of any model",
        ("evaluate RUN --reranking true", "evaluate --embeddings query.npz gallery.npz"),
        make_parser=evaluate_parser,
        old_names={**OLD_NAMES, "--reranking": "--reranking.on"},
    ),
    "calibrate": Command(
        calibrate,
        "find and store the threshold for the same person",
        ("calibrate RUN", "calibrate RUN --false_match_rate 0.01"),
        old_names=OLD_NAMES,
    ),
    "report": Command(
        report,
        "one HTML page about a run: pictures, curves, figures",
        ("report RUN", "report RUN --output page.html --data.root DIR"),
        old_names=OLD_NAMES,
    ),
    "compare": Command(
        compare,
        "runs side by side, with the paired test",
        ("compare RUN OTHER", "compare runs/*"),
        make_parser=compare_parser,
    ),
}
