"""Going on from a model that knows people: all of it but the classifier, which is for other people.

The network, its pooling and its neck keep what they have learned. An embedding of cameras is for other cameras too: all
of them start as the average, which is what an unknown camera had.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strongreid.errors import InputError
from strongreid.models.assemble import assemble
from strongreid.models.model import ReIDModel
from strongreid.models.model_file import model_file, read_arguments, require_objects
from strongreid.models.neck import create_classifier
from strongreid.models.weights import read_weights, verify_weights
from strongreid.pixels import IMAGENET_MEAN, IMAGENET_STD

_CAMERAS = "backbone.camera_embedding"
"""Where a model of ours has its embedding of cameras."""


def go_on_from(source: Path, people: int, cameras: int, expected: Mapping[str, object]) -> ReIDModel:
    """Load the model in `source`, a file or a run's folder, with a new classifier for `people`.

    The classifier is drawn from torch's global generator; `cameras`: how many took the images, for a network that
    learns them; `expected`: what the caller takes the model to be made with, by the names of `made_with`, where None
    means whatever it is of `mean` and `std`. Raises `InputError` as `ReIDModel.load` does, where the model is made with
    something else, and for a converted network that takes the camera, whose embedding cannot be renewed.
    """
    file = model_file(source)
    arguments, own = read_arguments(file)
    require_objects(file, arguments, own, frozenset())
    own_settings = made_with(file)
    for name, had in own_settings.items():
        if expected[name] != had and not (name in ("mean", "std") and expected[name] is None):
            raise InputError(
                f"`{name}` is {expected[name]}, but the model in {file} has {had}. Set it to that to go on from it; "
                "`strongreid finetune` sets all of them."
            )
    weights = read_weights(file)
    verify_weights(file, weights)
    kept = {name: value for name, value in weights.items() if not name.startswith("classifier.")}
    if _CAMERAS in kept and arguments.get("cameras"):
        kept[_CAMERAS] = kept[_CAMERAS].mean(dim=0, keepdim=True).repeat(cameras, 1)
        arguments["cameras"] = cameras
    arguments["people"], arguments["feature"] = people, own_settings["feature"]
    model = assemble(ReIDModel, arguments, kept, source=str(file), new_classifier=True)
    if model.takes_camera and not arguments.get("cameras"):
        raise InputError(
            f"The network in {file} takes each image's camera, and its embedding is of the cameras of another "
            "codebase's training: nobody can go on from it. Start from a model that takes images alone."
        )
    model.classifier = create_classifier(arguments.get("neck", "bnneck"), model.width, people)
    return model.train()


def made_with(source: Path) -> dict[str, Any]:
    """Return what a model is made with, by the names that the settings have for it: a training of it has these."""
    arguments, _ = read_arguments(model_file(source))
    neck = arguments.get("neck", "bnneck")
    return {
        "backbone": arguments["backbone"],
        "image_size": arguments.get("image_size", (256, 128)),
        "interpolation": arguments.get("interpolation", "bilinear"),
        "last_stride": arguments.get("last_stride", 1),
        "stem_relu": arguments.get("stem_relu", True),
        "pooling": arguments.get("pooling", "average"),
        "neck": neck,
        "mean": arguments.get("mean", IMAGENET_MEAN),
        "std": arguments.get("std", IMAGENET_STD),
        "patch_stride": arguments.get("patch_stride"),
        "camera_embedding": bool(arguments.get("cameras")),
        "feature": arguments.get("feature", "necked") if neck == "bnneck" else "pooled",  # without a neck they are one
        "metric": arguments.get("metric", "cosine"),
    }
