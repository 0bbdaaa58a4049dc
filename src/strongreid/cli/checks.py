"""What can be refused at once, before any library that trains networks is loaded: names, folders, files."""

import os
import shlex
from contextlib import suppress
from itertools import islice
from pathlib import Path

from strongreid.errors import InputError, did_you_mean, nearest_name
from strongreid.files import require_target

MOST_BESIDE = 1000
"""Names in a folder that are looked at for the one that was meant."""


def require_set(name: str, root: Path | None) -> None:
    """Refuse a data set whose name is not known, or that cannot lie in `root`; slips are told from mistakes."""
    from strongreid.data.specs import NAMES

    if name not in NAMES:
        if root is not None and str(root) in NAMES:
            raise InputError(
                f"{name} is no data set, but {root} is: the name comes first, then its folder: {root} {name}"
            )
        listed = f"Known are: {', '.join(NAMES)}."
        raise InputError(f"There is no data set {name}.{did_you_mean(name, NAMES)} {listed}")
    if root is None:
        raise InputError(f"data.root is missing, the folder of {name}: write --data.root DIR.")
    wanted = "the table, such as people.csv" if name == "table" else "its folder"
    if not root.exists():
        raise InputError(f"There is no {root}{_hint(root)}. Name {wanted}.")
    if name == "table" and root.is_dir():
        raise InputError(
            f"{root} is a folder. Name {wanted}; for a folder of images a person the data set is `folder`."
        )
    if name != "table" and root.is_file():
        raise InputError(
            f"{root} is a file, but {name} is read from a folder. For a table of images the data set is `table`."
        )


def require_table(table: str, file: Path | None) -> None:
    """Refuse a file in place of a table's name, and a table of one's own whose file is not there."""
    if Path(table).is_file():
        raise InputError(f"{table} is a file; a table of one's own is filled by: reproduce own --file {table}")
    if file is not None:
        require_file(file, "the YAML file of the table")


def require_run(run: Path) -> None:
    """Refuse what is not the folder of a run; `InputError` names the folder that was probably meant."""
    if (run / "config.yaml").is_file():
        return
    if run.suffix == ".npz":
        raise InputError(f"{run} is a file of features: --embeddings QUERY.npz GALLERY.npz takes two.")
    if run.is_file():
        raise InputError(f"{run} is a file; name the folder of a run" + _within_run(run))
    if not run.is_dir():
        raise InputError(f"There is no folder {run}{_hint(run)}. Name the folder that a training wrote.")
    inside = [str(found.relative_to(run)) for found in runs_inside(run)]
    hint = f"It holds the runs {', '.join(inside)}: name one." if inside else "Name the folder that a training wrote."
    raise InputError(f"{run} is not the folder of a run: it holds no config.yaml{_within_run(run)}. {hint}")


def require_model(source: Path) -> None:
    """Refuse what is neither the folder of a run or model nor a model file."""
    if source.suffix in (".onnx", ".pt", ".pth", ".xml", ".engine"):
        raise InputError(f"{source} is no model of ours: name the folder of a run, or a model file (.safetensors).")
    if not source.exists():
        raise InputError(f"There is no {source}{_hint(source)}. Name the folder of a run, or a model file.")
    if source.is_dir() and not (source / "model.safetensors").is_file():
        inside = [str(found.relative_to(source)) for found in runs_inside(source)]
        if inside:
            raise InputError(f"{source} is not the folder of a run, but holds {', '.join(inside)}: name one.")
        unfinished = (source / "config.yaml").is_file()
        hint = f"Finish it: strongreid train --resume {source}" if unfinished else "Name the folder of a run."
        raise InputError(f"{source} holds no model.safetensors. {hint}")


def newest_run(folder: Path) -> Path:
    """Return the run in `folder` that was finished last; `InputError` where there is none."""
    finished = [run / "result.json" for run in runs_inside(folder) if (run / "model.safetensors").is_file()]
    times = {file.parent: file.stat().st_mtime for file in finished if file.is_file()}
    if not times:
        raise InputError(
            f"Which model? There is no finished run in {folder}: name one with --model, the folder of a run, a model "
            "file (.safetensors) or an ONNX file."
        )
    return max(times, key=lambda run: times[run])


def runs_inside(folder: Path) -> list[Path]:
    """Return the folders of the runs in a folder that is none itself, up to three levels down, sorted."""
    if (folder / "config.yaml").is_file():
        return []
    return sorted({file.parent for depth in range(1, 4) for file in folder.glob("*/" * depth + "config.yaml")})


def next_command(run: Path) -> str:
    """Return, indented, the command that a run is ready for."""
    finished = (run / "result.json").is_file()
    return f"  strongreid {shlex.join(['report', str(run)] if finished else ['train', '--resume', str(run)])}"


def require_file(path: Path, what: str) -> None:
    """Refuse a path where there is no file, `what` it should be in the error."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name {what} in it.")
    if not path.exists():
        raise InputError(f"There is no {path}{_hint(path)}. Name {what}.")


def require_output_file(option: str, path: Path | None, example: str) -> None:
    """Refuse a path where no file can be written."""
    if path is not None and path.is_dir():
        raise InputError(f"{option} {path} is a folder. Name a file in it, such as {path / example}.")
    if path is not None:
        require_target(path)


def _within_run(path: Path) -> str:
    above = next((folder for folder in path.parents if (folder / "config.yaml").is_file()), None)
    return f": {above}" if above is not None else ""


def _hint(path: Path) -> str:
    """Return, in parentheses, what may have happened to a path that does not exist."""
    text = str(path)
    if text.startswith("~"):
        return " (the shell did not expand ~: write $HOME, or a space in place of =)"
    if "$" in text:
        return " (the shell did not expand $: write it without single quotes)"
    with suppress(OSError):
        beside = [entry.name for entry in islice(os.scandir(path.parent), MOST_BESIDE)]
        near = nearest_name(path.name, beside)
        return f" (but there is {path.with_name(near)})" if near else ""
    return ""
