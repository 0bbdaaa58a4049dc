"""`gallery ...`: pictures enrolled in a gallery that lasts, searched by photograph, erased for real."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser

from strongreid.cli.any_model import (
    NOT_ONNX,
    OnnxChoice,
    chosen_model,
    model_words,
    open_model,
    require_any_model,
    require_engine,
)
from strongreid.cli.checks import require_file, require_output_file, require_queries
from strongreid.cli.command import Command, parser_of
from strongreid.cli.embedding import SKIP_BAD, Engine
from strongreid.errors import InputError

if TYPE_CHECKING:
    from strongreid.gallery import Gallery

ADDRESS = (
    "A folder or an object store (s3://...), made where it is not there yet; a .db file or http://host:port: Milvus."
)


def gallery_add(
    model: Path,
    source: Path,
    to: str,
    columns: str = "",
    camera: str | None = None,
    thumbnails: bool = False,
    skip_bad: bool = False,
    engine: Engine | None = None,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Embed pictures and add them to a gallery, where they stay until they are erased.

    Stopped with Ctrl-C or killed, the same command goes on where it was; given again later, it takes in what is new.

    Args:
        model: The folder of a run, a model file (.safetensors), hf:owner/name or an ONNX file.
        source: A folder, whose pictures and those of all folders in it are taken, or a table (.csv, .parquet) with the
            column path and perhaps person, camera, time, track and a box x, y, w, h.
        to: The gallery.
        columns: What a table calls its columns, where they have other names: person=pid,time=taken.
        camera: The camera that took all of them, a number or a name, where no table says it.
        thumbnails: Keep a small picture of each in the gallery.
        skip_bad: Leave out pictures that cannot be read.
        engine: What runs the network; by default, for many pictures on a CPU, the fastest that is installed and gives
            the model's own features.
        onnx: An ONNX file.
    """
    if not source.is_dir():
        require_file(source, "a folder of pictures or a table of them (.csv, .parquet)")
    require_any_model(model, onnx)
    require_engine(engine, model)

    from strongreid.gallery import UNKNOWN, Gallery
    from strongreid.gallery.labels import label
    from strongreid.reports.console import Console
    from strongreid.runs.embed import Choices
    from strongreid.runs.enrol import Enrolment, enrol

    if camera is not None and label("camera", camera) == UNKNOWN:
        raise InputError(f"--camera is {camera}; cameras are numbers from 0 on, or names.")
    Gallery.open(to)  # an address that cannot be one is refused before the model is loaded
    console, used = Console(), open_model(model, onnx)
    gallery = Gallery.open(to, metric=used.network.metric)
    done = enrol(source, gallery, used, Enrolment(camera, thumbnails), Choices(skip_bad, engine), console, columns)
    console.say(done.words(gallery))
    console.suggest("gallery", "search", "person.jpg", "--in", to, *model_words(model, onnx))


def gallery_search(
    queries: list[Path],
    gallery: str,
    model: Path | None = None,
    where: str | None = None,
    camera: str | None = None,
    count: int = 10,
    by: Literal["image", "track"] = "image",
    html: Path | None = None,
    json: Path | None = None,
    skip_bad: bool = False,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Search people in a gallery by pictures of them.

    Args:
        queries: Pictures to search with, or folders of them.
        gallery: The gallery.
        model: The folder of a run, a model file (.safetensors), hf:owner/name or an ONNX file: the one that the gallery
            was made with; by default the newest run in runs.
        where: Which rows may be found, by camera, time (UTC), person and track, such as "camera != 'lobby' and time >
            2026-11-01T12:00"; "camera != query" leaves out the query's own camera.
        camera: The camera that took the queries, a number or a name.
        count: How many pictures to show for each query.
        by: Whether pictures are found, or of each track only the nearest.
        html: File to write one HTML page to, with the pictures.
        json: File to write what was found to.
        skip_bad: Leave out pictures that cannot be read.
        onnx: An ONNX file.
    """
    require_output_file("--html", html, "found.html")
    require_output_file("--json", json, "found.json")
    require_queries(queries, count)
    chosen = chosen_model(model, onnx)

    from strongreid.gallery import parse_where
    from strongreid.reports.console import Console
    from strongreid.runs import gallery_search as searching
    from strongreid.runs.embed import Choices

    condition = None if where is None else parse_where(where)
    console, kept, used = Console(), require_gallery(gallery), open_model(chosen, onnx)
    console.say(used.words())
    asked = searching.Asked(count, condition, camera, by)
    found = searching.search_gallery(queries, kept, used, asked, Choices(skip_bad), console)
    searching.show(found, console)
    if html is not None:
        searching.write_html(found, html)
        console.say(f"Page: {html} ({html.stat().st_size / 1e6:.1f} MB); open it in a browser.")
    if json is not None:
        searching.write_found(found, json)
    if html is None:
        words = [] if where is None else ["--where", where]
        words += [] if camera is None else [f"--camera={camera}"]  # it may begin with a dash
        words += [*([] if count == 10 else ["-k", str(count)]), *([] if by == "image" else ["--by", by])]
        words += ["--skip_bad"] if skip_bad else []
        named = ["--in", gallery, *model_words(chosen, onnx)]
        console.suggest("gallery", "search", *queries, *named, *words, "--html", "found.html")


def require_gallery(address: str) -> "Gallery":
    """Open a gallery that must be there."""
    from strongreid.gallery import Gallery

    gallery = Gallery.open(address)
    gallery.require()
    return gallery


def search_parser() -> ArgumentParser:
    """Return the parser of `gallery search`."""
    parser = parser_of(gallery_search, skip={"queries", "gallery", "camera", "count", "skip_bad"})
    parser.add_argument(
        "queries", nargs="+", type=Path, metavar="QUERY", help="A picture to search with, or a folder of them."
    )
    parser.add_argument("--in", type=str, required=True, metavar="ADDRESS", help="The gallery to search in.")
    parser.add_argument("--camera", type=str, help="The camera that took the queries, a number or a name.")
    parser.add_argument("-k", "--count", type=int, default=10, help="How many pictures to show for each query.")
    parser.add_argument("--skip_bad", action="store_true", help=SKIP_BAD)
    return parser


def add_parser() -> ArgumentParser:
    """Return the parser of `gallery add`."""
    parser = parser_of(gallery_add, skip={"to", "camera", "skip_bad", "thumbnails"})
    parser.add_argument("--to", type=str, required=True, metavar="ADDRESS", help=ADDRESS)
    parser.add_argument(
        "--camera", type=str, help="The camera that took all of them, a number or a name, where no table says it."
    )
    parser.add_argument("--thumbnails", action="store_true", help="Keep a small picture of each in the gallery.")
    parser.add_argument("--skip_bad", action="store_true", help=SKIP_BAD)
    return parser


GALLERY = {
    "gallery add": Command(
        gallery_add,
        "embed pictures and add them to a gallery",
        (
            "gallery add RUN FOLDER --to people.gallery",
            "gallery add RUN crops.csv --to s3://bucket/gallery --thumbnails",
        ),
        make_parser=add_parser,
    ),
    "gallery search": Command(
        gallery_search,
        "find people in a gallery by pictures of them",
        (
            "gallery search person.jpg --in people.gallery --model RUN",
            'gallery search person.jpg --in people.gallery --where "camera != 3 and time > 2026-11-01T12:00"',
        ),
        make_parser=search_parser,
        arguments={"in": "gallery"},
    ),
}
