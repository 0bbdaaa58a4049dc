"""`identify` and `reassociate`: how often a stranger is taken for somebody known, and somebody known not recognised."""

from functools import partial
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from strongreid.cli.any_model import NOT_ONNX, OnnxChoice, is_model, open_model, require_measured
from strongreid.cli.checks import refuse_several_sources, require_file, require_output_file
from strongreid.cli.command import Command, parser_of
from strongreid.cli.options import (
    FEATURES,
    OLD_NAMES,
    OWN_SET,
    OtherSet,
    add_moved,
    given_words,
    moved_sets,
    naming_words,
    parser_with_source,
    where,
)

USUAL_GAPS = (25, 250)
"""Frames: a second and ten of them at the usual rate of cameras."""


def identify(
    run: Path | None = None,
    embeddings: tuple[Path, Path] | None = None,
    data: OtherSet = OWN_SET,
    enrolled_share: float = 0.5,
    seed: int = 0,
    fpir: list[float] | None = None,
    sizes: list[int] | None = None,
    by: Literal["image", "track"] = "image",
    metric: Literal["cosine", "euclidean"] | None = None,
    same_camera: Literal["exclude", "include"] | None = None,
    json: Path | None = None,
    result: Path | None = None,
    moved: list[str] | None = None,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Measure how often a stranger is taken for somebody known (FPIR), and how many known people are missed (FNIR).

    Part of the people is enrolled: their gallery images stay. The others are strangers. A search answers with the
    nearest enrolled person, if that is nearer than a threshold; the threshold is chosen for the FPIR that is wanted.

    Args:
        run: The folder of a run; its test sets are read again and its last weights are used. Or a model file
            (.safetensors), hf:owner/name or an ONNX file, with --data.name and --data.root.
        embeddings: Query and gallery file (.npz).
        data: Another set.
        enrolled_share: Share of the people that is enrolled, drawn by the seed. 1 enrols all of the gallery: for a
            gallery that is without the strangers already.
        seed: Seed of the draw; models are compared with one seed.
        fpir: False-positive identification rates at which to tell the misses, 0 to 1; by default 0.01 0.1.
        sizes: Numbers of enrolled people to try beside all of them; by default a half, a quarter and an eighth.
        by: image, or track: the mean features of each track, for tables and files with a column track.
        metric: cosine or euclidean; by default the run's or model's own, and cosine for embeddings.
        same_camera: exclude leaves gallery images of the query's own person and camera out, as the benchmarks do;
            include keeps them. By default the data set's own rule, and exclude for embeddings.
        json: File to write the rates to, with intervals and the whole curve.
        result: File (.npz) to write the searches to, of a run's main set, for `strongreid compare`.
        moved: Where further sets of the run lie now, NAME=DIR each.
        onnx: An ONNX file.
    """
    require_output_file("--json", json, "open_set.json")
    require_output_file("--result", result, "identification.npz")
    alone = is_model(run)
    other = require_measured(run, embeddings, data, moved, onnx)
    roots = moved_sets(moved)

    from strongreid.reports.console import Console
    from strongreid.runs import identify as identification
    from strongreid.runs import open_set

    console = Console()
    rates = open_set.USUAL.rates if fpir is None else tuple(fpir)
    protocol = open_set.OpenSetProtocol(enrolled_share, seed, rates, sizes, by, metric, same_camera)
    if run is None:
        assert embeddings is not None
        found = identification.identify_files(*embeddings, protocol, console)
    elif alone:
        assert other is not None
        found = identification.identify_model(open_model(run, onnx), other, protocol, console)
    else:
        from strongreid.runs.folder import Run

        found = identification.identify_run(Run(run, None if other else data.root, roots), protocol, console, other)
    for name, one in found.items():
        open_set.show(one, name, console)
    if json is not None:
        open_set.write(found, json)
    if result is not None:
        next(iter(found.values())).found.save(result)
    chosen = given_words({"metric": metric, "same_camera": same_camera})
    if run is not None and not alone:
        console.suggest("report", run, *where(None if other else data.root))
    elif run is not None and other is not None:
        console.suggest("report", run, *naming_words(other), *chosen, *onnx.words)
    elif embeddings is not None:
        console.suggest("calibrate", "--embeddings", *embeddings, *chosen)


def reassociate(
    features: Path,
    gap: list[int] | None = None,
    fpir: list[float] | None = None,
    metric: Literal["cosine", "euclidean"] | None = None,
    json: Path | None = None,
) -> None:
    """Measure how many people a camera finds again after it lost them for some frames.

    Args:
        features: A file of features (.npz) with the arrays track and frame, as `strongreid embed` writes it of a table
            with these columns.
        gap: Frames between the end of a track and the beginning of the next, at least; by default 25 250.
        fpir: Shares of newcomers that may be taken for somebody seen before, 0 to 1; by default 0.01 0.1.
        metric: cosine or euclidean; by default that of the model that made the features, else cosine.
        json: File to write the rates to.
    """
    require_file(features, FEATURES)
    require_output_file("--json", json, "again.json")

    from strongreid.reports.console import Console
    from strongreid.runs import open_set
    from strongreid.runs import reassociate as reassociation

    console = Console()
    rates = open_set.USUAL.rates if fpir is None else tuple(fpir)
    found, cameras = reassociation.reassociate_file(features, USUAL_GAPS if gap is None else gap, metric, console)
    reassociation.show(found, rates, console)
    if json is not None:
        reassociation.write(found, rates, json)
    if cameras > 1:
        words = ["--by", "track", *given_words({"metric": metric})]
        console.suggest("identify", "--embeddings", features, features, *words)
    else:
        console.suggest("finetune", "--help")


def identify_parser() -> ArgumentParser:
    """Return the parser of `identify`."""
    parser = parser_with_source(
        identify,
        "The folder of a run, a model file, hf:owner/name, or an ONNX file.",
        skip=frozenset({"fpir", "sizes"}),
    )
    rates = "False-positive identification rates at which to tell the misses, 0 to 1; by default 0.01 0.1."
    _add_several(parser, "fpir", float, rates)
    sizes = "Numbers of enrolled people to try beside all of them; by default a half, a quarter and an eighth."
    _add_several(parser, "sizes", int, sizes)
    add_moved(parser, "Of a run:")
    return parser


def reassociate_parser() -> ArgumentParser:
    """Return the parser of `reassociate`."""
    parser = parser_of(reassociate, skip={"gap", "fpir"})
    gaps = "Frames between the end of a track and the beginning of the next, at least; by default 25 250."
    _add_several(parser, "gap", int, gaps)
    newcomers = "Shares of newcomers that may be taken for somebody seen before, 0 to 1; by default 0.01 0.1."
    _add_several(parser, "fpir", float, newcomers)
    return parser


def _add_several(parser: ArgumentParser, name: str, kind: type[int] | type[float], words: str) -> None:
    parser.add_argument(f"--{name}", nargs="+", type=kind, metavar="N" if kind is int else "RATE", help=words)


IDENTIFYING = {
    "identify": Command(
        identify,
        "how often a stranger is taken for somebody known",
        ("identify RUN --fpir 0.01 0.1", "identify --embeddings query.npz gallery.npz --json open_set.json"),
        make_parser=identify_parser,
        refuse=partial(refuse_several_sources, command="identify"),
        old_names=OLD_NAMES,
    ),
    "reassociate": Command(
        reassociate,
        "how many people a camera finds again after it lost them",
        ("reassociate features.npz --gap 25 250", "reassociate features.npz --json again.json"),
        make_parser=reassociate_parser,
    ),
}
