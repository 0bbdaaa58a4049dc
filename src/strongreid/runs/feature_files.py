"""Files of features: beside the features of N pictures, where each lies, whom it shows, and which model made them.

In a .npz file they are arrays, as `evaluate` and `report` read them; in a .parquet file columns. Paths are kept
relative to the file's folder, so that both can be moved together. Files may come from anybody: plain arrays and text
are read, and checked.
"""

import importlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import read_arrays
from strongreid.evaluation.facts import Floats, Indices
from strongreid.files import atomic_file, open_regular, parse_json, unreadable
from strongreid.runs.finding import is_on_hub

BOX: Final = ("x", "y", "w", "h")
"""Columns of a box in a .parquet file, as in tables of pictures."""
OF_TRACKS: Final = ("track", "weight", "frame")
"""What a file has where pictures belong to tracks, and their frames where these are known."""
_BY_EMBED: Final = "Write it with strongreid embed."
_ARRAYS: Final = ("features", "person", "camera", "path", "model")


@dataclass(frozen=True)
class MadeBy:
    """The model that made features."""

    fingerprint: str
    """See `models.fingerprint`."""
    feature: str
    """Which of its features they are: pooled or necked; "features" of an ONNX file."""
    metric: Metric
    """How they are compared."""
    path: str
    """Where it lay, or its name on the hub."""


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """Features of N pictures."""

    embeddings: Embeddings
    """Person -1 where it is not known whom a picture shows, camera 0 where it is not known which took it."""
    path: tuple[str, ...]
    """Where each picture lies, as `open` takes it."""
    box: npt.NDArray[np.int64] | None
    """x, y, width and height in pixels, int64 [N, 4]; None where pictures are whole files."""
    made_by: MadeBy
    weight: Floats | None = None
    """How much each picture counts in the mean of its track, float64 [N]; None where there are no tracks."""
    frame: Indices | None = None
    """Each picture's frame in its video, int64 [N]; None where that is not known."""


def write_features(path: Path, stored: StoredFeatures) -> None:
    """Write features to a .npz or .parquet file, atomically. `InputError` where pyarrow is missing for the latter."""
    folder = _folder(path)
    paths = [os.path.relpath(os.path.abspath(name), folder) for name in stored.path]  # noqa: PTH100 - speed
    place = stored.made_by.path
    place = place if is_on_hub(place) else os.path.relpath(place, folder)
    made_by = json.dumps({**asdict(stored.made_by), "path": place})
    columns: dict[str, Any] = {
        "path": paths,
        "person": stored.embeddings.person,
        "camera": stored.embeddings.camera,
    }
    of_tracks = zip(OF_TRACKS, (stored.embeddings.track, stored.weight, stored.frame), strict=True)
    columns |= {name: column for name, column in of_tracks if column is not None}
    features = stored.embeddings.features.cpu().numpy()
    if path.suffix.lower() == ".parquet":
        columns |= {} if stored.box is None else dict(zip(BOX, stored.box.T, strict=True))
        _write_parquet(path, features, columns, made_by)
        return
    columns |= {"path": np.array(paths, dtype=np.str_), "model": np.array(made_by)}
    columns |= {} if stored.box is None else {"box": stored.box}
    with atomic_file(path) as partial, partial.open("wb") as stream:
        np.savez(stream, features=features, **columns)


def holds_features(path: Path) -> bool:
    """Whether a file is one of features, not a table of pictures or anything else."""
    if path.suffix.lower() != ".parquet":
        return path.suffix.lower() == ".npz"
    arrow = require_parquet(path)
    try:
        return "features" in arrow.parquet.read_schema(path).names
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise unreadable(path, f"it is no Parquet file ({error})") from error


def read_features(path: Path) -> StoredFeatures:
    """Read what `write_features` wrote; `InputError` for anything else, and for what is damaged."""
    open_regular(path, "Name a file that strongreid embed wrote.").close()
    arrays = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_npz(path)
    try:
        embeddings = Embeddings(arrays["features"], arrays["person"], arrays["camera"], track=arrays.get("track"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    count, names, box = len(embeddings), arrays["path"], arrays.get("box")
    if names.dtype.kind != "U" or names.shape != (count,):
        raise InputError(f"{path}: The paths must be text [{count}]; they are {names.dtype} {list(names.shape)}.")
    if box is not None and (box.dtype.kind not in "iu" or box.shape != (count, 4) or (count and box[:, 2:].min() < 1)):
        raise InputError(f"{path}: The boxes must be whole numbers [{count}, 4], with a width and height from 1.")
    if any("\0" in name for name in names.tolist()):
        raise unreadable(path, "a path in it has a NUL", _BY_EMBED)
    made_by = _made_by(str(arrays["model"]), path)
    paths = tuple(os.path.normpath(os.path.join(_folder(path), name)) for name in names.tolist())  # noqa: PTH118 - speed
    weight, frame = arrays.get("weight"), arrays.get("frame")
    for name, column, kinds in (("weight", weight, "fiu"), ("frame", frame, "iu")):
        if column is not None and (column.dtype.kind not in kinds or column.shape != (count,)):
            wanted = "numbers" if name == "weight" else "whole numbers"
            raise InputError(
                f"{path}: The array {name} must be {wanted} [{count}]; it is {column.dtype} {list(column.shape)}."
            )
    return StoredFeatures(
        embeddings,
        paths,
        None if box is None else box.astype(np.int64),
        made_by,
        None if weight is None else weight.astype(np.float64),
        None if frame is None else frame.astype(np.int64),
    )


def metric_of(path: Path) -> Metric | None:
    """How the features of a .npz file are compared, by the model that made them; None where it is not said."""
    model = read_arrays(path, ("features",), optional=("model",)).get("model")
    return None if model is None else _made_by(str(model), path).metric


def _folder(path: Path) -> str:
    """The folder that paths in a file are relative to: that of the file itself, where `path` is a link."""
    return str(Path(os.path.realpath(path)).parent)


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    known = ("features", "person", "camera")
    arrays = read_arrays(path, (*_ARRAYS, "box"), _ARRAYS, known, known[:1], optional=OF_TRACKS)
    if not set(_ARRAYS) <= arrays.keys():
        raise InputError(
            f"{path} holds features, but not which model made them, so nothing can be compared with them. {_BY_EMBED} "
            "Features of any model are evaluated by: strongreid evaluate --embeddings QUERY.npz GALLERY.npz"
        )
    return arrays


def _made_by(text: str, path: Path) -> MadeBy:
    content = parse_json(text, path, _BY_EMBED)
    values = {name: content.get(name) for name in ("fingerprint", "feature", "metric", "path")}
    if not all(isinstance(value, str) for value in values.values()) or values["metric"] not in ("cosine", "euclidean"):
        raise unreadable(path, "it does not say which model made its features", _BY_EMBED)
    place = str(values["path"]).replace("\0", "")
    if not is_on_hub(place):
        place = os.path.normpath(os.path.join(_folder(path), place))  # noqa: PTH118
    metric: Metric = "euclidean" if values["metric"] == "euclidean" else "cosine"
    return MadeBy(str(values["fingerprint"]), str(values["feature"]), metric, place)


def require_parquet(path: Path) -> Any:
    """Import pyarrow, and its reader of Parquet; `InputError` where it is missing."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise InputError(
            f"{path}: Parquet needs the package pyarrow, which is not installed: pip install 'strongreid[parquet]'. "
            "Or take a .npz file."
        ) from error


def _write_parquet(path: Path, features: npt.NDArray[np.float32], columns: dict[str, Any], made_by: str) -> None:
    arrow = require_parquet(path)
    try:
        names = arrow.array(columns["path"], type=arrow.string())
    except (UnicodeError, arrow.ArrowException) as error:
        raise InputError(f"{path}: Parquet holds no file names that are not UTF-8 ({error}). Take .npz.") from error
    values = arrow.FixedSizeListArray.from_arrays(arrow.array(features.reshape(-1)), features.shape[1])
    table = arrow.table({**columns, "path": names, "features": values}).replace_schema_metadata({"strongreid": made_by})
    with atomic_file(path) as partial:
        arrow.parquet.write_table(table, partial)


def _read_parquet(path: Path) -> dict[str, npt.NDArray[Any]]:
    arrow = require_parquet(path)
    try:
        table = arrow.parquet.read_table(path)
        made_by = (table.schema.metadata or {})[b"strongreid"].decode()
        width = table.schema.field("features").type.list_size
        values = table["features"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        arrays = {name: np.array(table[name].to_pylist()) for name in ("path", "person", "camera")}
        arrays |= {"features": values.reshape(table.num_rows, width), "model": np.array(made_by)}
        arrays |= {name: np.array(table[name].to_pylist()) for name in OF_TRACKS if name in table.column_names}
        if set(BOX) <= set(table.column_names):
            arrays["box"] = np.stack([np.array(table[name].to_pylist()) for name in BOX], axis=1)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, arrow.ArrowException) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise unreadable(path, f"it is no Parquet file of features ({reason})", _BY_EMBED) from error
    return arrays
