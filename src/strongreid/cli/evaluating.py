"""What is measured with a run, a model or the features of any: `evaluate`, `calibrate`."""

from functools import partial
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from strongreid.cli.any_model import (
    NOT_ONNX,
    OnnxChoice,
    is_model,
    is_onnx,
    open_model,
    require_measured,
    require_model_and_set,
)
from strongreid.cli.checks import refuse_several_sources, require_output_file
from strongreid.cli.command import Command
from strongreid.cli.options import (
    NOT_CHOSEN,
    OLD_NAMES,
    OWN_SET,
    OtherSet,
    RerankingChoice,
    add_moved,
    given_words,
    moved_sets,
    naming_words,
    other_set,
    parser_with_source,
    require_source,
    where,
)
from strongreid.config_sections import SetConfig
from strongreid.errors import InputError
from strongreid.runs.finding import is_on_hub


def evaluate_model(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    data: OtherSet = OWN_SET,
    metric: Literal["cosine", "euclidean"] | None = None,
    reranking: RerankingChoice = NOT_CHOSEN,
    same_camera: Literal["exclude", "include"] | None = None,
    average_precision: Literal["rectangular", "trapezoid"] = "rectangular",
    by: Literal["image", "track"] = "image",
    json: Path | None = None,
    result: Path | None = None,
    moved: list[str] | None = None,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Evaluate a run on its test sets or on another, any model, or features from two .npz files; 95 % intervals.

    Args:
        run: The folder of a run; its data sets are read again and its last weights are used. Or a model file
            (.safetensors), hf:owner/name or an ONNX file, with --data.name and --data.root.
        embeddings: Query and gallery file (.npz), each with the arrays features, person and camera.
        data: Another set.
        metric: cosine or euclidean; by default the run's or model's own, and cosine for embeddings.
        reranking: Re-ranking.
        same_camera: exclude leaves gallery images of the query's own person and camera out, as the benchmarks do;
            include keeps them, for sets with one camera or none. By default the data set's own rule, and exclude for
            embeddings.
        average_precision: rectangular is what the paper and most tools report; trapezoid is the rule of Market-1501's
            official MATLAB code, which reads lower. Never compare one with the other.
        by: image, or track: the mean features of each track, for tables and files with a column track.
        json: File to write the metrics to, with the intervals of mAP and rank-1.
        result: File (.npz) to write the figures of each query to, of a run's main set, for `strongreid compare`.
        moved: Where further sets of the run lie now, NAME=DIR each.
        onnx: An ONNX file.
    """
    require_output_file("--json", json, "metrics.json")
    require_output_file("--result", result, "result.npz")
    alone = is_model(run)
    other = require_measured(run, embeddings, data, moved, onnx)
    roots = moved_sets(moved)

    from strongreid.reports.console import Console
    from strongreid.runs import evaluate_features

    console = Console()
    again = reranking.settings()
    protocol = evaluate_features.Protocol(metric, same_camera, average_precision, again, by)
    if run is None:
        assert embeddings is not None
        found = {"features": evaluate_features.evaluate_files(*embeddings, protocol, console)}
    elif alone:
        from strongreid.runs import without_a_run

        assert other is not None
        found = without_a_run.evaluate_model(open_model(run, onnx), other, protocol, console)
    else:
        from strongreid.runs import evaluate
        from strongreid.runs.folder import Run

        source = Run(run, None if other else data.root, roots)
        found = evaluate.evaluate_run(source, protocol, console, other)
    evaluate_features.show(found, console)
    if json is not None:
        evaluate_features.write(found, json)
    if result is not None:
        next(iter(found.values())).result.save(result)
    chosen = given_words({"metric": metric, "same_camera": same_camera})
    if run is not None and other is not None and alone:
        console.suggest("report", run, *naming_words(other), *chosen, *onnx.words)
    elif run is not None:
        console.suggest("report", run, *where(None if other else data.root))
    elif embeddings is not None and again is None:
        chosen += [] if average_precision == "rectangular" else ["--average_precision", average_precision]
        chosen += [] if by == "image" else ["--by", by]
        console.suggest("evaluate", "--embeddings", *embeddings, *chosen, "--reranking", "true")


def calibrate(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    false_match_rate: float = 0.001,
    data: OtherSet = OWN_SET,
    metric: Literal["cosine", "euclidean"] | None = None,
    same_camera: Literal["exclude", "include"] | None = None,
    json: Path | None = None,
) -> None:
    """Find the distance below which two images are taken for the same person; a run's model gets it.

    Args:
        run: The folder of a run; its model.safetensors gets the threshold. It is measured on people who were neither
            learned from nor tested on: another set, or those whom the run holds out for it (data.threshold_share);
            without these on its own test people, and that is said. Or a model file, with --data.name and --data.root.
        embeddings: Query and gallery file (.npz).
        false_match_rate: How often, 0 to 1, different people may be taken for the same.
        data: Another set.
        metric: cosine (by default) or euclidean, for embeddings; runs and models have their own.
        same_camera: exclude (by default) or include, for embeddings, as in `evaluate`; data sets have their own.
        json: File to write the threshold and the rates to.
    """
    alone = is_model(run)
    if run is not None and alone:
        if metric or same_camera:
            raise InputError(
                "--metric and --same_camera go with --embeddings: a model has its own distance, a set its own cameras."
            )
        other: SetConfig | None = _people_for_file(run, embeddings, data)
    else:
        require_source(run, embeddings, of_run=data != OWN_SET, of_files=bool(metric or same_camera))
        other = other_set(data)
    require_output_file("--json", json, "threshold.json")

    from strongreid.reports.console import Console
    from strongreid.runs import calibrate as calibration
    from strongreid.runs.evaluate_features import Protocol

    console = Console()
    if run is not None and alone:
        assert other is not None
        found = calibration.calibrate_file(run, other, false_match_rate, console)
    elif run is not None:
        root = None if other else data.root
        found = calibration.calibrate_run(run, false_match_rate, root, console, other)
    else:
        assert embeddings is not None
        protocol = Protocol(metric, same_camera)
        found = calibration.calibrate_features(*embeddings, false_match_rate, console, protocol)
    calibration.show(found, console)
    if json is not None:
        calibration.write(found, json)
    if run is not None:
        file = run / "model.safetensors" if run.is_dir() else run
        console.say(f"Stored in {file}: ReIDModel.load({str(run)!r}).threshold")
        if found.on.tested and other is None:
            console.say("Other people give an honest rate: --data.name NAME --data.root DIR calibrates on them.")
        if alone:
            console.suggest("search", "PERSON.jpg", "--in", "PICTURES", "--model", run)
        else:
            console.suggest("report", run, *where(None if other else data.root))
    elif embeddings is not None:
        chosen = given_words({"metric": metric, "same_camera": same_camera})
        console.suggest("report", "--embeddings", *embeddings, *chosen)


def _people_for_file(file: Path, embeddings: object, data: OtherSet) -> SetConfig:
    """Return whom to calibrate a model file on; `InputError` for a model that cannot keep a threshold."""
    if is_onnx(file) or is_on_hub(file):
        raise InputError(f"{file} cannot keep a threshold: name the folder of a run, or a model file (.safetensors).")
    return require_model_and_set(file, embeddings, data, NOT_ONNX)


def evaluate_parser() -> ArgumentParser:
    """Return the parser of `evaluate`."""
    parser = parser_with_source(evaluate_model, "The folder of a run, a model file, hf:owner/name, or an ONNX file.")
    add_moved(parser, "Of a run:")
    return parser


EVALUATING = {
    "evaluate": Command(
        evaluate_model,
        "evaluate a run, or features of any model",
        ("evaluate RUN --reranking true", "evaluate --embeddings query.npz gallery.npz"),
        make_parser=evaluate_parser,
        refuse=partial(refuse_several_sources, command="evaluate"),
        old_names={**OLD_NAMES, "--reranking": "--reranking.on"},
    ),
    "calibrate": Command(
        calibrate,
        "find and store the threshold for the same person",
        (
            "calibrate RUN --data.name folder --data.root OTHER_PEOPLE --false_match_rate 0.01",
            "calibrate --embeddings query.npz gallery.npz --json threshold.json",
        ),
        make_parser=partial(parser_with_source, calibrate, "The folder of a run; its model gets the threshold."),
        refuse=partial(refuse_several_sources, command="calibrate"),
        old_names=OLD_NAMES,
    ),
}
