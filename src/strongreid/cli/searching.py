"""`search`: the nearest pictures of any pictures."""

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from strongreid.cli.any_model import NOT_ONNX, OnnxChoice, chosen_model, model_words, open_model
from strongreid.cli.checks import require_file, require_output_file, require_queries
from strongreid.cli.command import Command, parser_of
from strongreid.cli.embedding import SKIP_BAD
from strongreid.cli.options import given_words
from strongreid.errors import InputError
from strongreid.runs.finding import is_on_hub

if TYPE_CHECKING:
    from strongreid.runs.feature_files import StoredFeatures


def search(
    queries: list[Path],
    gallery: Path,
    model: Path | None = None,
    count: int = 10,
    html: Path | None = None,
    json: Path | None = None,
    columns: str = "",
    skip_bad: bool = False,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Search people by pictures of them: the nearest pictures of a folder, or of a file that `embed` wrote.

    The verdict says whether the distance is below the model's threshold for the same person, which `calibrate` finds.

    Args:
        queries: Pictures to search with, or folders of them.
        gallery: Where to search: a folder or a table of pictures, or a file of features.
        model: The folder of a run, a model file (.safetensors), hf:owner/name or an ONNX file; by default the one that
            made the features, for a folder the newest run in runs.
        count: How many pictures to show for each query.
        html: File to write one HTML page to, with the pictures.
        json: File to write what was found to.
        columns: What a table calls its columns, where they have other names: path=file.
        skip_bad: Leave out pictures that cannot be read.
        onnx: An ONNX file.
    """
    require_output_file("--html", html, "found.html")
    require_output_file("--json", json, "found.json")
    require_queries(queries, count)
    if not gallery.is_dir():
        require_file(gallery, "a folder of pictures, a table of them (.csv, .parquet), or a file of features")
    stored = _stored(gallery, columns)
    kept = stored is not None
    chosen = chosen_model(_that_made(stored, gallery) if stored is not None and model is None else model, onnx)

    from strongreid.reports.console import Console
    from strongreid.runs import search as searching
    from strongreid.runs.embed import Choices

    console, choices = Console(), Choices(skip_bad)
    used = open_model(chosen, onnx)
    console.say(used.words())
    if stored is None:
        stored = searching.embed_gallery(gallery, used, choices, console, columns)
    found = searching.search(queries, stored, used, count, choices, console)
    searching.show(found, console)
    if html is not None:
        searching.write_html(found, html)
        console.say(f"Page: {html} ({html.stat().st_size / 1e6:.1f} MB); open it in a browser.")
    if json is not None:
        searching.write_found(found, json)
    skipping = ["--skip_bad"] if skip_bad else []
    if not kept:
        console.say("These features are forgotten now; the next command keeps them for further searches.")
        words = [*model_words(model, onnx), *given_words({"columns": columns}), *skipping]
        console.suggest("embed", gallery, "-o", "features.npz", *words)
    elif used.calibrated is None and (chosen / "config.yaml").is_file():
        console.suggest("calibrate", chosen)
    elif html is None:
        words = [*model_words(model, onnx), *([] if count == 10 else ["-k", str(count)]), *skipping]
        console.suggest("search", *queries, "--in", gallery, *words, "--html", "found.html")


def _that_made(stored: "StoredFeatures", gallery: Path) -> Path:
    """Return the model that made features; a file may come from anybody, so what it names is not downloaded unasked."""
    made_with = stored.made_by.path
    if is_on_hub(made_with):
        raise InputError(f"{gallery} was made with {made_with}, a model of the hub: name it with --model {made_with}.")
    return Path(made_with)


def _stored(gallery: Path, columns: str) -> "StoredFeatures | None":
    """Read a file of features; None where the gallery is still to be embedded."""
    from strongreid.runs.feature_files import holds_features, read_features

    if gallery.is_dir() or not holds_features(gallery):
        return None
    if columns:
        raise InputError(f"--columns is for tables of pictures, but {gallery} holds features.")
    return read_features(gallery)


def search_parser() -> ArgumentParser:
    """Return the parser of `search`."""
    parser = parser_of(search, skip={"queries", "gallery", "count", "skip_bad"})
    parser.add_argument(
        "queries", nargs="+", type=Path, metavar="QUERY", help="A picture to search with, or a folder of them."
    )
    parser.add_argument(
        "--in",
        type=Path,
        required=True,
        metavar="GALLERY",
        help="Where to search: a folder or a table of pictures, or a file of features that embed wrote.",
    )
    parser.add_argument("-k", "--count", type=int, default=10, help="How many pictures to show for each query.")
    parser.add_argument("--skip_bad", action="store_true", help=SKIP_BAD)
    return parser


SEARCHING = {
    "search": Command(
        search,
        "find people by pictures of them",
        ("search person.jpg --in FOLDER --model RUN", "search QUERIES --in features.npz -k 5 --html found.html"),
        make_parser=search_parser,
        arguments={"in": "gallery"},
    ),
}
