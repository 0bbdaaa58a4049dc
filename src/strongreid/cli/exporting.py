"""`export`: a model for the program that is to use it."""

from pathlib import Path
from typing import Literal, get_args

from jsonargparse import ArgumentParser

from strongreid.cli.checks import require_model
from strongreid.cli.command import Command, parser_of
from strongreid.runs.finding import is_on_hub

Consumer = Literal["onnx", "ultralytics", "boxmot", "deepstream", "openvino", "roboflow", "torch"]
"""Those of `export.consumers`, which PyTorch would have to be loaded for."""


def export(
    source: Path,
    consumer: Consumer,
    output: Path | None = None,
    precision: Literal["float32", "float16"] = "float32",
    batch: int | None = None,
    l2: bool | None = None,
    normalisation: Literal["inside", "outside"] | None = None,
) -> None:
    """Write a model as a tracker or another program loads it unchanged, and prove that it gives the same features.

    The file is read again and compared with the model on pictures; where they differ, nothing is written. Beside it go
    what its consumer reads beside it, such as a tracker's configuration, and a model card.

    Args:
        source: The folder of a run, a model file (.safetensors), or hf:owner/name.
        consumer: Who will use it.
        output: The file to write, for roboflow the folder; by default in the run's folder `export`, or beside the
            model file; for hf:owner/name in the working folder.
        precision: float16 halves the file; the features' cosine with the model's must stay above 0.999.
        batch: A fixed number of images at once; by default any number, for openvino 1.
        l2: Whether features leave the file with the length 1; by default not, because most consumers do it.
        normalisation: Whether mean and deviation are in the file or left to whoever uses it, for onnx and torch; the
            others have no choice. By default inside.
    """
    if not is_on_hub(source):
        require_model(source)

    from strongreid.reports.console import Console
    from strongreid.runs.export import Choices, export_source

    choices = Choices(precision, batch, l2, normalisation)
    export_source(source, consumer, choices, output, Console())


def export_parser() -> ArgumentParser:
    """Return the parser of `export`."""
    parser = parser_of(export, skip={"source", "consumer", "output"})
    parser.add_argument("run", type=Path, help="The folder of a run, a model file (.safetensors), or hf:owner/name.")
    parser.add_argument(
        "--for", type=Consumer, required=True, help=f"Who will use it: {', '.join(get_args(Consumer))}."
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path | None,
        help="The file to write, for roboflow the folder; by default in the run's folder export, beside the model "
        "file, or for hf:owner/name in the working folder.",
    )
    return parser


EXPORTING = {
    "export": Command(
        export,
        "write a model for a tracker or another program, proven",
        ("export RUN --for ultralytics", "export model.safetensors --for boxmot --output person.onnx"),
        make_parser=export_parser,
        arguments={"run": "source", "for": "consumer"},
    ),
}
