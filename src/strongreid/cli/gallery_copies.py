"""`gallery export, import, re-embed`: a gallery backed up, brought back, and made anew with another model."""

from pathlib import Path

from jsonargparse import ArgumentParser

from strongreid.cli.any_model import NOT_ONNX, OnnxChoice, model_words, open_model, require_any_model, require_engine
from strongreid.cli.checks import require_file, require_output_file
from strongreid.cli.command import Command, parser_of
from strongreid.cli.embedding import SKIP_BAD, Engine
from strongreid.cli.gallery import ADDRESS, require_gallery
from strongreid.errors import InputError


def gallery_export(gallery: str, output: Path) -> None:
    """Write a gallery to a Parquet file, a backup that any program reads.

    Args:
        gallery: The gallery.
        output: The file to write.
    """
    require_output_file("--output", output, "gallery.parquet")
    if output.suffix.lower() != ".parquet":
        raise InputError(f"--output {output} must end in .parquet.")

    from strongreid.gallery.backup import export_rows
    from strongreid.reports.console import Console

    console, kept = Console(), require_gallery(gallery)
    total = kept.stats().count
    with console.bar("Exporting") as report:
        count = export_rows(kept, output, lambda done: report(done, max(total, done)))
    console.say(
        f"Backup: {output}, {count:,} rows. What is erased from the gallery later stays in it: erase it there too."
    )
    console.suggest("gallery", "import", output, "--to", "restored.gallery")


def gallery_import(source: Path, to: str) -> None:
    """Add the rows of a file that `gallery export` wrote.

    Args:
        source: The Parquet file.
        to: The gallery.
    """
    require_file(source, "a file that strongreid gallery export wrote")

    from strongreid.gallery import Gallery
    from strongreid.gallery.backup import import_rows
    from strongreid.reports.console import Console

    console, gallery = Console(), Gallery.open(to)
    with console.bar("Importing") as report:
        done = import_rows(gallery, source, report)
    console.say(
        f"Gallery: {to}, {done.added:,} rows added, {done.known:,} were there, {done.updated:,} of other people."
    )
    console.suggest("gallery", "stats", to)


def gallery_re_embed(
    gallery: str,
    model: Path,
    to: str = "",
    skip_bad: bool = False,
    engine: Engine | None = None,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Make a gallery anew with another model, from the pictures where they lie or from thumbnails.

    The old one serves until all is done; then, in one step, the new one takes its place.

    Args:
        gallery: The gallery.
        model: The new model: the folder of a run, a model file (.safetensors), hf:owner/name or an ONNX file.
        to: A new gallery to make, where the old one shall stay.
        skip_bad: Leave out rows without a picture that can be read.
        engine: What runs the network, as in gallery add.
        onnx: An ONNX file.
    """
    require_any_model(model, onnx)
    require_engine(engine, model)

    from strongreid.gallery import Gallery
    from strongreid.reports.console import Console
    from strongreid.runs.embed import Choices
    from strongreid.runs.re_embed import re_embed, replaced_in_place

    console, old, used = Console(), require_gallery(gallery), open_model(model, onnx)
    console.say(used.words())
    choices = Choices(skip_bad, engine)
    if to:
        count = re_embed(old, Gallery.open(to, metric=used.network.metric), used, choices, console)
    else:
        count = replaced_in_place(old, used, choices, console)
    console.say(f"Gallery: {to or gallery}, {count:,} rows of {model}.")
    console.suggest("gallery", "search", "person.jpg", "--in", to or gallery, *model_words(model, onnx))


def export_parser() -> ArgumentParser:
    """Return the parser of `gallery export`."""
    parser = parser_of(gallery_export, skip={"output"})
    parser.add_argument("-o", "--output", type=Path, required=True, help="The file to write, .parquet.")
    return parser


def import_parser() -> ArgumentParser:
    """Return the parser of `gallery import`."""
    parser = parser_of(gallery_import, skip={"to"})
    parser.add_argument("--to", type=str, required=True, metavar="ADDRESS", help=ADDRESS)
    return parser


def re_embed_parser() -> ArgumentParser:
    """Return the parser of `gallery re-embed`."""
    parser = parser_of(gallery_re_embed, skip={"model", "skip_bad"})
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        help="The new model: the folder of a run, a model file (.safetensors), hf:owner/name or an ONNX file.",
    )
    parser.add_argument("--skip_bad", action="store_true", help=SKIP_BAD)
    return parser


COPIES = {
    "gallery export": Command(
        gallery_export,
        "back a gallery up as a Parquet file",
        ("gallery export people.gallery -o people.parquet", "gallery export s3://bucket/gallery -o backup.parquet"),
        make_parser=export_parser,
    ),
    "gallery import": Command(
        gallery_import,
        "add the rows of such a file",
        ("gallery import people.parquet --to people.gallery", "gallery import backup.parquet --to s3://bucket/gallery"),
        make_parser=import_parser,
    ),
    "gallery re-embed": Command(
        gallery_re_embed,
        "make a gallery anew with another model",
        ("gallery re-embed people.gallery --model RUN", "gallery re-embed people.gallery --model RUN --to new.gallery"),
        make_parser=re_embed_parser,
    ),
}
