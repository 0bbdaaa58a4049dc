"""Any model, also in place of a run: a model file of ours or its folder, one of the hub, or an ONNX file and what it
takes of pixels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from strongreid.cli.checks import newest_run, require_file, require_model
from strongreid.cli.options import OWN_SET, OtherSet, given_words, other_set, require_source
from strongreid.config_sections import SetConfig
from strongreid.errors import InputError
from strongreid.runs.finding import is_on_hub, within_run

if TYPE_CHECKING:
    from strongreid.runs.used_model import UsedModel

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class OnnxChoice:
    """What an ONNX file takes, where it does not say it itself."""

    size: tuple[int, int] | None = None
    """Height and width in pixels, where its graph leaves them open."""
    range: Literal[1, 255] = 1
    """Value of a white pixel."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Order of the colours."""
    mean: Colour | None = None
    """Mean of red, green and blue on the scale of the range; by default ImageNet's; [0,0,0] for none."""
    std: Colour | None = None
    """Their standard deviation, likewise; [1,1,1] for none."""

    @property
    def words(self) -> list[str]:
        """The options with which another command takes the same choice."""
        chosen = {name: value for name, value in vars(self).items() if value != getattr(NOT_ONNX, name)}
        return given_words(chosen, "onnx.")


NOT_ONNX = OnnxChoice()
"""What stands where nothing is given."""


def is_onnx(model: Path) -> bool:
    """Whether an ONNX file stands where a model or a run does."""
    return model.suffix.lower() == ".onnx" and not is_on_hub(model)


def is_model(run: Path | None) -> bool:
    """Whether a model without a run stands in the place of a run."""
    if run is None or (run / "config.yaml").is_file():
        return False
    ours = run.suffix.lower() == ".safetensors" or (run / "model.safetensors").is_file()
    return ours or is_onnx(run) or is_on_hub(run)


def require_any_model(model: Path, onnx: OnnxChoice) -> None:
    """Refuse what is no model, and options of an ONNX file where none is."""
    if is_onnx(model):
        require_file(model, "an ONNX file")
        return
    require_no_onnx(onnx)
    if not is_on_hub(model):
        require_model(model)


def chosen_model(model: Path | None, onnx: OnnxChoice) -> Path:
    """Return the model to use, the newest run in runs where none is named; `InputError` for what is no model."""
    chosen = newest_run(Path("runs")) if model is None else model
    require_any_model(chosen, onnx)
    return chosen


def require_model_and_set(model: Path, embeddings: object, data: OtherSet, onnx: OnnxChoice) -> SetConfig:
    """Return the set to test a model without a run on; `InputError` where the model or the set is not there."""
    if embeddings is not None:
        raise InputError(f"{model} and --embeddings both say what to work on: give one of the two.")
    require_any_model(model, onnx)
    if data.name is None or data.root is None:
        run = within_run(model)
        its_own = f" Or name the run that it is of, for the run's own set: {run}" if run is not None else ""
        raise InputError(f"{model} is a model without a set: name one with --data.name NAME --data.root DIR.{its_own}")
    tested = other_set(data)
    assert tested is not None
    return tested


def require_measured(
    run: Path | None,
    embeddings: tuple[Path, Path] | None,
    data: OtherSet,
    moved: list[str] | None,
    onnx: OnnxChoice,
) -> SetConfig | None:
    """Return the set to measure a run, a model without one or features on; None: the run's own.

    Refuses what does not go together, by `InputError`.
    """
    if run is not None and is_model(run):
        if moved is not None:
            raise InputError(f"--moved goes with a run; {run} is a model without one.")
        return require_model_and_set(run, embeddings, data, onnx)
    require_no_onnx(onnx)
    require_source(run, embeddings, of_run=data != OWN_SET or moved is not None)
    return other_set(data)


def require_engine(engine: str | None, model: Path) -> None:
    """Refuse to choose what runs an ONNX file."""
    if engine is not None and is_onnx(model):
        raise InputError(f"--engine is for models of ours: {model} is run by onnxruntime.")


def require_no_onnx(choice: OnnxChoice) -> None:
    """Refuse options of an ONNX file where none is."""
    if choice != NOT_ONNX:
        raise InputError("--onnx.size, --onnx.range and the like go with an ONNX file, in the place of a run or model.")


def model_words(model: Path | None, onnx: OnnxChoice) -> list[str | Path]:
    """Return the options that name a model for another command, and say what it takes."""
    named: list[str | Path] = [] if model is None else ["--model", model]
    return [*named, *onnx.words]


def open_model(model: Path, onnx: OnnxChoice) -> "UsedModel":
    """Open a model; an ONNX file is fed as was chosen, or as it says itself where nothing was."""
    from strongreid.runs.used_model import load_model, used_onnx

    if not is_onnx(model):
        return load_model(model)

    from strongreid.export.onnx_model import OnnxModel
    from strongreid.export.pixels_in import PixelInput
    from strongreid.pixels import IMAGENET

    if onnx == OnnxChoice(size=onnx.size):
        return used_onnx(OnnxModel(model, size=onnx.size))
    mean, std = (
        given or tuple(value * onnx.range for value in usual)
        for given, usual in ((onnx.mean, IMAGENET.mean), (onnx.std, IMAGENET.std))
    )
    (red, green, blue), (by_red, by_green, by_blue) = mean, std
    pixels = PixelInput(onnx.range, onnx.order, (red, green, blue), (by_red, by_green, by_blue))
    return used_onnx(OnnxModel(model, size=onnx.size, pixels=pixels))
