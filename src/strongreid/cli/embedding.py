"""`embed`: features of any pictures, into a file, or by many workers into a gallery.

`embed_source` is not called `embed`: jsonargparse would look for the package's public `embed` and load PyTorch to write
its help.
"""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from strongreid.cli.any_model import NOT_ONNX, OnnxChoice, chosen_model, model_words, open_model, require_engine
from strongreid.cli.checks import require_file, require_output_file
from strongreid.cli.command import Command, parser_of
from strongreid.errors import InputError, command_line

FEATURE_FILES = (".npz", ".parquet")
Engine = Literal["pytorch", "onnxruntime", "openvino"]
"""Those of `export.runner`, which PyTorch would have to be loaded for."""
AnyEngine = Literal["pytorch", "onnxruntime", "openvino", "ray"]
SKIP_BAD = "Leave out pictures that cannot be read; without it they are named and the command ends there."


def embed_source(
    source: Path,
    output: Path | None = None,
    to: str | None = None,
    model: Path | None = None,
    columns: str = "",
    skip_bad: bool = False,
    engine: AnyEngine | None = None,
    address: str | None = None,
    workers: int | None = None,
    thumbnails: bool = False,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Make features of all pictures of a folder or a table, with a file of them that `search` and `evaluate` read.

    With --engine ray many workers make them, on this machine or in a cluster, and they go to a gallery. Stopped with
    Ctrl-C or killed, the same command goes on where it was. People need not be known: they are in the file as -1,
    cameras as 0.

    Args:
        source: A folder, whose pictures and those of all folders in it are taken, or a table (.csv, .parquet) with the
            column path and perhaps person, camera and a box x, y, w, h.
        output: The file to write, .npz or .parquet.
        to: With --engine ray, the gallery.
        model: The folder of a run, a model file (.safetensors), hf:owner/name or an ONNX file; by default the newest
            run in runs.
        columns: What a table calls its columns, where they have other names: person=pid,camera=camid.
        skip_bad: Leave out pictures that cannot be read.
        engine: What runs the network; by default, for many pictures on a CPU, the fastest that is installed and gives
            the model's own features. ray: workers of Ray, each by that rule.
        address: With --engine ray, a cluster to join, HOST:PORT or auto; by default Ray is started on this machine.
        workers: With --engine ray, how many; by default one for each GPU, or for each core where there is none.
        thumbnails: Keep a small picture of each in the gallery.
        onnx: An ONNX file.
    """
    _require_target(output, to, engine, source, model)
    if engine != "ray" and (address is not None or workers is not None or thumbnails):
        raise InputError("--address, --workers and --thumbnails go with --engine ray.")
    if not source.is_dir():
        require_file(source, "a folder of pictures or a table of them (.csv, .parquet)")
    chosen = chosen_model(model, onnx)
    require_engine(engine, chosen)
    if engine == "ray":
        assert to is not None
        if workers is not None and not 0 < workers <= 10_000:
            raise InputError(f"--workers is {workers}; it must lie in 1 to 10,000.")
        _embed_on_ray(source, to, chosen, columns, skip_bad, address, workers, thumbnails)
        return
    assert output is not None

    from strongreid.reports.console import Console
    from strongreid.runs import embed as embedding
    from strongreid.runs.feature_files import require_parquet

    if output.suffix.lower() == ".parquet":
        require_parquet(output)
    console = Console()
    choices = embedding.Choices(skip_bad, engine)
    stored = embedding.embed_source(source, output, open_model(chosen, onnx), choices, console, columns=columns)
    features = stored.embeddings
    console.say(f"Features: {output}, {len(features):,} pictures, {features.features.shape[1]} numbers each.")
    console.suggest("search", stored.path[0], "--in", output, *model_words(model, onnx))


def _require_target(
    output: Path | None, to: str | None, engine: AnyEngine | None, source: Path, model: Path | None
) -> None:
    """Refuse what does not say where features go: into a file, or by Ray into a gallery."""
    if engine == "ray":
        if output is not None:
            raise InputError(f"--engine ray writes to a gallery, not to a file such as {output}: name it with --to.")
        if to is None:
            raise InputError("--engine ray writes to a gallery: name it with --to ADDRESS.")
        return
    if to is not None:
        here = command_line("gallery", "add", model or "RUN", source, "--to", to)
        raise InputError(f"--to goes with --engine ray. Without Ray, in this process: {here}")
    if output is None:
        raise InputError(
            "Where shall the features go? To a file: -o features.npz; by Ray to a gallery: --engine ray --to ADDRESS"
        )
    require_output_file("--output", output, "features.npz")
    if output.suffix.lower() not in FEATURE_FILES:
        raise InputError(f"--output {output} must end in .npz or .parquet, which says what kind of file to write.")


def _embed_on_ray(
    source: Path,
    to: str,
    model: Path,
    columns: str,
    skip_bad: bool,
    address: str | None,
    workers: int | None,
    thumbnails: bool,
) -> None:
    from strongreid.runs.ray_cluster import require_ray

    require_ray()

    from functools import partial

    from strongreid.gallery import Gallery
    from strongreid.reports.console import Console
    from strongreid.runs.embed import Choices
    from strongreid.runs.enrol import Enrolment, enrol
    from strongreid.runs.ray_embedding import embedded_on_ray

    Gallery.open(to)  # an address that cannot be one is refused before the model is loaded
    console, used = Console(), open_model(model, NOT_ONNX)
    gallery = Gallery.open(to, metric=used.network.metric)
    on_ray = partial(
        embedded_on_ray, used=used, thumbnails=thumbnails, say=console.say, address=address, workers=workers
    )
    how, choices = Enrolment(thumbnails=thumbnails), Choices(skip_bad)
    done = enrol(source, gallery, used, how, choices, console, columns, on_ray)
    console.say(done.words(gallery))
    console.suggest("gallery", "search", "person.jpg", "--in", to, "--model", model)


def embed_parser() -> ArgumentParser:
    """Return the parser of `embed`."""
    parser = parser_of(embed_source, skip={"source", "output", "to", "skip_bad", "thumbnails"})
    parser.add_argument(
        "source",
        type=Path,
        help="A folder, whose pictures and those of all folders in it are taken, or a table (.csv, .parquet) with the "
        "column path and perhaps person, camera and a box x, y, w, h.",
    )
    parser.add_argument("-o", "--output", type=Path, help="The file to write, .npz or .parquet.")
    parser.add_argument("--to", type=str, metavar="ADDRESS", help="With --engine ray, the gallery to write to.")
    parser.add_argument("--skip_bad", action="store_true", help=SKIP_BAD)
    parser.add_argument(
        "--thumbnails", action="store_true", help="With --engine ray, keep a small picture of each in the gallery."
    )
    return parser


EMBEDDING = {
    "embed": Command(
        embed_source,
        "features of all pictures of a folder or a table",
        ("embed FOLDER -o features.npz --model RUN", "embed crops.csv --to people.gallery --engine ray --skip_bad"),
        make_parser=embed_parser,
    ),
}
