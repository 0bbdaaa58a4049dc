"""Finding runs and models: what they are told by, and what is said of a path that is none. Loads no PyTorch."""

from pathlib import Path

from strongreid.errors import InputError, command_line
from strongreid.files import hint_for_missing


def is_on_hub(model: str | Path) -> bool:
    """Whether a name stands for a model on the hub, hf:owner/name, not for a path."""
    return str(model).startswith("hf:")  # models.hub.PREFIX, which PyTorch would have to be loaded for


def require_run(run: Path) -> None:
    """Refuse what is not the folder of a run; `InputError` names the folder that was probably meant."""
    if (run / "config.yaml").is_file():
        return
    if run.suffix == ".npz" and within_run(run) is None:
        raise InputError(f"{run} is a file of features: --embeddings QUERY.npz GALLERY.npz takes two.")
    if run.is_file():
        raise InputError(f"{run} is a file; name the folder of a run" + _inside(run))
    if not run.is_dir():
        raise InputError(f"There is no folder {run}{hint_for_missing(run)}. Name the folder that a training wrote.")
    inside = [str(found.relative_to(run)) for found in runs_inside(run)]
    hint = f"It holds the runs {', '.join(inside)}: name one." if inside else "Name the folder that a training wrote."
    raise InputError(f"{run} is not the folder of a run: it holds no config.yaml{_inside(run)}. {hint}")


def runs_inside(folder: Path) -> list[Path]:
    """Return the folders of the runs in a folder that is none itself, up to three levels down, sorted."""
    if (folder / "config.yaml").is_file():
        return []
    return sorted({file.parent for depth in range(1, 4) for file in folder.glob("*/" * depth + "config.yaml")})


def next_command(run: Path) -> str:
    """Return, indented, the command that a run is ready for."""
    finished = (run / "result.json").is_file()
    return f"  {command_line('report', run) if finished else command_line('train', '--resume', run)}"


def within_run(path: Path) -> Path | None:
    """Return the folder of the run that a path lies in; None where it lies in none."""
    return next((folder for folder in path.parents if (folder / "config.yaml").is_file()), None)


def _inside(path: Path) -> str:
    above = within_run(path)
    return f": {above}" if above is not None else ""
