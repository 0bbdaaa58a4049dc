"""Re-association: how many people a camera finds again after it lost them, and how many newcomers it takes for them.

Works on one file of features with the arrays track and frame, as `embed` writes it of a tracker's output.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, Identification, normalised, reassociate
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import read_arrays
from strongreid.files import write_json
from strongreid.reports.console import Console, in_percent
from strongreid.runs.feature_files import metric_of


def reassociate_file(
    path: Path, gaps: Sequence[int], metric: Metric | None, console: Console
) -> tuple[dict[int, Identification], int]:
    """Search each track of a file among the earlier ones of its camera: results by the gap, and how many cameras.

    metric: None: that of the model which made the features, cosine where the file does not say it. Raises `InputError`
    for a file without tracks or frames, and as `reassociate` does.
    """
    images = Embeddings.load(path)
    arrays = read_arrays(path, ("features",), optional=("frame", "weight"))
    if "frame" not in arrays:
        raise InputError(
            f"{path} has no array frame, each image's frame in its video. strongreid embed writes it of a table with "
            "the columns track and frame."
        )
    metric = metric or metric_of(path) or "cosine"
    if metric == "cosine":
        images = normalised(images)
    found = {}
    with console.bar("Looking back") as report:
        for done, gap in enumerate(sorted(set(gaps)), start=1):
            found[gap] = reassociate(images, arrays["frame"], gap, weights=arrays.get("weight"), metric=metric)
            report(done, len(set(gaps)))
    return found, len(np.unique(images.camera))


def show(found: Mapping[int, Identification], rates: Sequence[float], console: Console) -> None:
    """Write what was found as a table, a row for each gap, and what the columns mean."""
    rows = [
        [
            f"{gap:,}",
            f"{one.enrolled_searches:,}",
            in_percent(one.detection_rate(1)),
            *map(in_percent, one.fnir(list(rates))),
            f"{one.unknown_searches:,}",
        ]
        for gap, one in found.items()
    ]
    missed = [f"missed at {in_percent(rate)}" for rate in rates]
    console.table("Tracks of people who come back", ("gap", "back", "found again", *missed, "newcomers"), rows)
    console.say(
        "Each track is searched among those of its camera that ended at least the gap, in frames, before it began; one "
        "that pauses so long counts as two. "
        "Found again: the nearest one shows the same person. Missed at a rate: not so, or not below the threshold that "
        "takes this share of the newcomers for somebody seen before; - where there is none."
    )


def write(found: Mapping[int, Identification], rates: Sequence[float], path: Path) -> None:
    """Write what was found as JSON, a list of gaps."""
    gaps: list[dict[str, Any]] = []
    for gap, one in found.items():
        again = one.detection_rate(1)
        gaps.append({"gap": gap, "found_again": None if np.isnan(again) else again, **one.to_json(rates)})
    write_json(path, {"gaps": gaps})
