"""What is done with a finished run: `evaluate` (or the features of any model), `calibrate`, `report`."""

from functools import partial
from pathlib import Path
from typing import Literal

from strongreid.cli.checks import refuse_several_sources, require_output_file
from strongreid.cli.command import Command
from strongreid.cli.onnx import NOT_ONNX, OnnxChoice, is_onnx, open_onnx, require_no_onnx, require_onnx
from strongreid.cli.options import (
    IMAGES,
    NOT_CHOSEN,
    NOT_MOVED,
    OLD_NAMES,
    OWN_SET,
    MovedSet,
    OtherSet,
    RerankingChoice,
    other_set,
    parser_with_source,
    require_own_set,
    require_source,
)
from strongreid.config_sections import SetConfig
from strongreid.runs.finding import next_command, runs_inside


def evaluate_model(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    data: OtherSet = OWN_SET,
    metric: Literal["cosine", "euclidean"] | None = None,
    reranking: RerankingChoice = NOT_CHOSEN,
    same_camera: Literal["exclude", "include"] | None = None,
    average_precision: Literal["rectangular", "trapezoid"] = "rectangular",
    json: Path | None = None,
    result: Path | None = None,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Evaluate a run on its test sets or on another, any ONNX model, or features from two .npz files; 95 % intervals.

    Args:
        run: The folder of a run; its data sets are read again and its last weights are used. Or an ONNX file.
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
        result: File (.npz) to write the figures of each query to, of a run's main set, for `strongreid compare`.
        onnx: An ONNX file.
    """
    require_output_file("--json", json, "metrics.json")
    require_output_file("--result", result, "result.npz")
    if run is not None and is_onnx(run):
        other: SetConfig | None = require_onnx(run, embeddings, data)
    else:
        require_no_onnx(onnx)
        require_source(run, embeddings, of_run=data != OWN_SET)
        other = other_set(data)

    from strongreid.evaluation import Reranking
    from strongreid.reports.console import Console
    from strongreid.runs import evaluate_features

    console = Console()
    again = Reranking(**reranking.given) if reranking.on or reranking.given else None
    protocol = evaluate_features.Protocol(metric, same_camera, average_precision, again)
    if run is None:
        assert embeddings is not None
        found = {"features": evaluate_features.evaluate_files(*embeddings, protocol, console)}
    elif is_onnx(run):
        from strongreid.runs.onnx import evaluate_onnx

        assert other is not None
        found = evaluate_onnx(open_onnx(run, onnx), other, protocol, console)
    else:
        from strongreid.runs import evaluate

        found = evaluate.evaluate_run(run, None if other else data.root, protocol, console, other=other)
    evaluate_features.show(found, console)
    if json is not None:
        evaluate_features.write(found, json)
    if result is not None:
        next(iter(found.values())).result.save(result)
    if run is not None and other is not None and is_onnx(run):
        console.suggest("report", run, "--data.name", other.name, "--data.root", other.root)
    elif run is not None:
        console.suggest("report", run)
    elif embeddings is not None and again is None:
        console.suggest("evaluate", "--embeddings", *embeddings, "--reranking", "true")


def calibrate(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    false_match_rate: float = 0.001,
    data: MovedSet = NOT_MOVED,
    metric: Literal["cosine", "euclidean"] | None = None,
    same_camera: Literal["exclude", "include"] | None = None,
    json: Path | None = None,
) -> None:
    """Find the distance below which two images are taken for the same person; a run's model gets it.

    Args:
        run: The folder of a run; its test set is embedded, and its model.safetensors gets the threshold.
        embeddings: Query and gallery file (.npz).
        false_match_rate: How often, 0 to 1, different people may be taken for the same. Calibrating on the test set
            makes this rate optimistic for that set: on other people expect it to be somewhat higher.
        data: The set.
        metric: cosine (by default) or euclidean, for embeddings; a run has its own.
        same_camera: exclude (by default) or include, for embeddings, as in `evaluate`; a run has its own.
        json: File to write the threshold and the rates to.
    """
    require_source(run, embeddings, of_run=data != NOT_MOVED, of_files=bool(metric or same_camera))
    require_output_file("--json", json, "threshold.json")

    from strongreid.reports.console import Console
    from strongreid.runs import calibrate as calibration
    from strongreid.runs.evaluate_features import Protocol

    console = Console()
    if run is not None:
        found = calibration.calibrate_run(run, false_match_rate, data.root, console)
    else:
        assert embeddings is not None
        protocol = Protocol(metric, same_camera)
        found = calibration.calibrate_features(*embeddings, false_match_rate, console, protocol)
    calibration.show(found, console)
    if json is not None:
        calibration.write(found, json)
    if run is not None:
        console.say(f"Stored in {run / 'model.safetensors'}: ReIDModel.load({str(run)!r}).threshold")
        console.suggest("report", run)
    elif embeddings is not None:
        console.suggest("report", "--embeddings", *embeddings)


def report(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    data: OtherSet = OWN_SET,
    metric: Literal["cosine", "euclidean"] | None = None,
    same_camera: Literal["exclude", "include"] | None = None,
    output: Path | None = None,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Write one HTML page about a finished run: figures, curves, what it finds, where it looks, what it confuses.

    The page needs no network and no other file: it can be opened from disk, or mailed. Of a folder that holds runs the
    runs are listed.

    Args:
        run: The folder of a finished run; its data set is read again and its last weights are used. Or an ONNX file.
        embeddings: Query and gallery file (.npz).
        data: The set: for a run where it lies now (root), for an ONNX file which one.
        metric: cosine (by default) or euclidean, for embeddings and ONNX files; a run has its own.
        same_camera: exclude (by default) or include, likewise, as in `evaluate`; a run has its own.
        output: The file to write; by default report.html in the run's folder, or beside the file.
        onnx: An ONNX file.
    """
    inside = runs_inside(run) if run is not None and embeddings is None else []
    tested = require_onnx(run, embeddings, data) if run is not None and is_onnx(run) else None
    if tested is None:
        require_no_onnx(onnx)
        require_own_set(data)
        if not inside:
            require_source(run, embeddings, of_run=data != OWN_SET, of_files=bool(metric or same_camera))
    require_output_file("--output", output, "report.html")

    from strongreid.reports.console import Console

    console = Console()
    if inside:
        console.say(f"{run} is not the folder of a run, but holds {len(inside)}:", *map(next_command, inside))
        return

    from strongreid.runs.evaluate_features import Protocol
    from strongreid.runs.report import report_features, report_run

    if run is not None and tested is not None:
        from strongreid.runs.onnx import report_onnx

        path = report_onnx(open_onnx(run, onnx), tested, output, Protocol(metric, same_camera), console)
    elif run is not None:
        path = report_run(run, data.root, output, console)
    else:
        assert embeddings is not None
        path = report_features(*embeddings, output, console, Protocol(metric, same_camera))
    console.say(f"Report: {path} ({path.stat().st_size / 1e6:.1f} MB); open it in a browser.")
    if run is not None and tested is None:
        console.suggest("calibrate", run)
    elif embeddings is not None:
        console.suggest("calibrate", "--embeddings", *embeddings)


EVALUATING = {
    "evaluate": Command(
        evaluate_model,
        "evaluate a run, or features of any model",
        ("evaluate RUN --reranking true", "evaluate --embeddings query.npz gallery.npz"),
        make_parser=partial(parser_with_source, evaluate_model, "The folder of a run, or an ONNX file."),
        refuse=partial(refuse_several_sources, command="evaluate"),
        old_names={**OLD_NAMES, "--reranking": "--reranking.on"},
    ),
    "calibrate": Command(
        calibrate,
        "find and store the threshold for the same person",
        ("calibrate RUN --false_match_rate 0.01", "calibrate --embeddings query.npz gallery.npz --json threshold.json"),
        make_parser=partial(parser_with_source, calibrate, "The folder of a run; its model gets the threshold."),
        refuse=partial(refuse_several_sources, command="calibrate"),
        old_names=OLD_NAMES,
    ),
    "report": Command(
        report,
        "one HTML page about a run, or features of any model",
        ("report RUN --data.root DIR", "report --embeddings query.npz gallery.npz --output page.html"),
        make_parser=partial(parser_with_source, report, "The folder of a finished run, or an ONNX file.", IMAGES),
        refuse=partial(refuse_several_sources, command="report"),
        old_names=OLD_NAMES,
    ),
}
