"""One HTML page about a finished run, or about what any model finds: `report`."""

from functools import partial
from pathlib import Path
from typing import Literal

from strongreid.cli.any_model import (
    NOT_ONNX,
    OnnxChoice,
    is_model,
    open_model,
    require_model_and_set,
    require_no_onnx,
)
from strongreid.cli.checks import refuse_several_sources, require_output_file
from strongreid.cli.command import Command
from strongreid.cli.options import (
    IMAGES,
    NOT_CHOSEN,
    OLD_NAMES,
    OWN_SET,
    OtherSet,
    RerankingChoice,
    given_words,
    parser_with_source,
    require_own_set,
    require_source,
    where,
)
from strongreid.runs.finding import next_command, runs_inside


def report(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    data: OtherSet = OWN_SET,
    metric: Literal["cosine", "euclidean"] | None = None,
    same_camera: Literal["exclude", "include"] | None = None,
    reranking: RerankingChoice = NOT_CHOSEN,
    output: Path | None = None,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Write one HTML page about a finished run: figures, curves, what it finds, where it looks, what it confuses.

    The page needs no network and no other file: it can be opened from disk, or mailed. Of a folder that holds runs the
    runs are listed.

    Args:
        run: The folder of a finished run; its data set is read again and its last weights are used. Or a model file
            (.safetensors), hf:owner/name or an ONNX file, with --data.name and --data.root.
        embeddings: Query and gallery file (.npz).
        data: The set: for a run where it lies now (root), for a model file which one.
        metric: cosine or euclidean, for embeddings (by default cosine) and model files (their own); a run has its own.
        same_camera: exclude (by default) or include, likewise, as in `evaluate`; a run has its own.
        reranking: Re-ranking, whose figures are given beside those without.
        output: The file to write; by default report.html in the run's folder, or beside the file.
        onnx: An ONNX file.
    """
    inside = runs_inside(run) if run is not None and embeddings is None else []
    tested = require_model_and_set(run, embeddings, data, onnx) if run is not None and is_model(run) else None
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

    from strongreid.models.calibrated import read_calibrated
    from strongreid.runs.evaluate_features import Protocol
    from strongreid.runs.report import report_features, report_run

    again = reranking.settings()
    protocol = Protocol(metric, same_camera, reranking=again)
    if run is not None and tested is not None:
        from strongreid.runs import without_a_run

        path = without_a_run.report_model(open_model(run, onnx), tested, output, protocol, console)
    elif run is not None:
        path = report_run(run, data.root, output, console, again)
    else:
        assert embeddings is not None
        path = report_features(*embeddings, output, console, protocol)
    console.say(f"Report: {path} ({path.stat().st_size / 1e6:.1f} MB); open it in a browser.")
    if run is not None and tested is None:
        console.suggest("calibrate" if read_calibrated(run) is None else "identify", run, *where(data.root))
    elif embeddings is not None:
        chosen = given_words({"metric": metric, "same_camera": same_camera})
        console.suggest("calibrate", "--embeddings", *embeddings, *chosen)


REPORTING = {
    "report": Command(
        report,
        "one HTML page about a run, or features of any model",
        ("report RUN --data.root DIR", "report --embeddings query.npz gallery.npz --output page.html"),
        make_parser=partial(
            parser_with_source,
            report,
            "The folder of a finished run, a model file, hf:owner/name, or an ONNX file.",
            IMAGES,
        ),
        refuse=partial(refuse_several_sources, command="report"),
        old_names=OLD_NAMES,
    ),
}
