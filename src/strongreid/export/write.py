"""Exporting: write, read again, compare, and only then put the files in their place, the one that is named last."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from strongreid.errors import InputError
from strongreid.export.card import Card, card_text
from strongreid.export.graph import ExportGraph, GraphSettings, Precision
from strongreid.export.pixels_in import PREFIX, PixelInput
from strongreid.export.profile import Exported, Profile, Where
from strongreid.export.proof import Proof, prove
from strongreid.files import atomic_file, inside, write_text
from strongreid.models import Calibrated, ReIDModel
from strongreid.models.calibrated import calibrated_text
from strongreid.pixels import Colour

MOST_AT_ONCE: Final = 4096
"""Largest fixed batch."""
STEPS: Final = 3


def settings_for(
    profile: Profile,
    model: ReIDModel,
    *,
    precision: Precision = "float32",
    batch: int | None = None,
    l2: bool | None = None,
    normalisation: Where | None = None,
) -> GraphSettings:
    """Return what a graph of `model` takes and gives, by the profile and the choices that its consumer leaves open.

    None: the profile's own. Raises `InputError` for a choice that the consumer does not leave.
    """
    if batch is not None and not 1 <= batch <= MOST_AT_ONCE:
        raise InputError(f"`batch` is {batch}; it must be 1 to {MOST_AT_ONCE}.")
    where = normalisation or profile.normalisation
    if where != profile.normalisation and not profile.free:
        does = "does not normalise" if where == "outside" else "subtracts mean and deviation itself"
        raise InputError(
            f"{profile.title} {does}: with `normalisation` {where} it would get wrong features without a word. Leave "
            "it out, or export for onnx."
        )
    pixels = PixelInput(profile.top, profile.order)
    if where == "outside":
        applied = profile.applies or model.normalisation
        pixels = replace(pixels, mean=_scaled(applied.mean, profile.top), std=_scaled(applied.std, profile.top))
    own = profile.batch if batch is None else batch
    unit = model.unit_length or (profile.l2 if l2 is None else l2)
    return GraphSettings(pixels, own, unit, precision)


def export_model(
    model: ReIDModel,
    profile: Profile,
    settings: GraphSettings,
    path: Path,
    card: Card,
    *,
    source: Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Exported, Proof]:
    """Write a model for a consumer, with its side files and its model card, and prove it.

    `source`: the run or file that the model is of, for what is said of it. `progress` is called with (steps done, all).
    Raises `InputError`, and writes nothing, where the file would not give the model's features.
    """
    same_distances = model.metric == "cosine" or settings.l2 == model.unit_length
    exported = Exported(
        source=source,
        path=path,
        image_size=model.image_size,
        width=model.width,
        metric=model.metric,
        calibrated=model.calibrated if same_distances else None,
        batch=settings.batch,
        l2=settings.l2,
        half=settings.precision == "float16",
    )
    made = [folder for folder in path.absolute().parents if not folder.exists()]
    try:
        proof = _written(ExportGraph(model, settings), model, profile, exported, card, progress or (lambda *_: None))
    finally:
        for folder in made:
            with suppress(OSError):  # not empty, so it is wanted
                folder.rmdir()
    return exported, proof


def _written(
    graph: ExportGraph,
    model: ReIDModel,
    profile: Profile,
    exported: Exported,
    card: Card,
    report: Callable[[int, int], None],
) -> Proof:
    """Write the files, the model last, once it is proven."""
    path, settings, otherwise = exported.path, graph.settings, profile.otherwise(exported.source)
    with atomic_file(path) as partial:
        report(0, STEPS)
        try:
            profile.format.write(
                graph, partial, _metadata(model, profile, settings, exported.calibrated) | profile.metadata(exported)
            )
            infer = profile.format.load(partial)
        except InputError as error:
            raise InputError(f"{error} {otherwise}".rstrip()) from error
        report(1, STEPS)
        proof = prove(infer, model, settings, otherwise)
        report(2, STEPS)
        for name in profile.format.names_beside(path):
            with atomic_file(inside(path.parent, name)) as copy:
                copy.write_bytes(partial.with_name(name).read_bytes())
        for name, text in profile.sides(exported).items():
            write_text(inside(path.parent, name), text)
        write_text(
            inside(path.parent, card_path(path).name),
            card_text(
                replace(
                    card,
                    threshold=card.threshold if exported.calibrated else "",
                    proof=proof.sentence(),
                    pixels=settings.pixels.words(),
                )
            ),
        )
    report(3, STEPS)
    return proof


def card_path(path: Path) -> Path:
    """Return where the model card of a file lies: README.md in a folder that is a model, else beside it."""
    return path.with_name("README.md") if path.suffix == ".json" else path.with_name(f"{path.stem}.card.md")


def _scaled(colour: Colour, top: int) -> Colour:
    red, green, blue = colour
    return red * top, green * top, blue * top


def _metadata(
    model: ReIDModel, profile: Profile, settings: GraphSettings, calibrated: Calibrated | None
) -> dict[str, str]:
    """What the file says of itself."""
    known = {}
    if calibrated is not None:
        known = {"threshold": f"{calibrated.threshold:.6g}", "calibrated": calibrated_text(calibrated)}
    said = {
        "version": version("strongreid"),
        "for": profile.title,
        "backbone": model.arguments["backbone"],
        "pixels": settings.pixels.text(),
        "interpolation": model.interpolation,
        "feature": model.feature,
        "metric": model.metric,
        "l2": str(settings.l2).lower(),
        "precision": settings.precision,
        **known,
    }
    return {PREFIX + key: value for key, value in said.items()}
