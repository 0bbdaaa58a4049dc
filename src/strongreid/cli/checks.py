"""What can be refused at once, before any library that trains networks is loaded: names, folders, files.

(That a folder is no run's: `runs.finding`.)
"""

from pathlib import Path

from strongreid.errors import InputError, command_line, did_you_mean
from strongreid.files import hint_for_missing, require_target
from strongreid.runs.finding import runs_inside


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
        raise InputError(f"There is no {root}{hint_for_missing(root)}. Name {wanted}.")
    if name == "table" and root.is_dir():
        raise InputError(
            f"{root} is a folder. Name {wanted}; for a folder of images a person the data set is `folder`."
        )
    if name != "table" and root.is_file():
        raise InputError(
            f"{root} is a file, but {name} is read from a folder. For a table of images the data set is `table`."
        )


def refuse_lone_folder(words: list[str], command: str) -> None:
    """Refuse one word in place of NAME DIR, where it is a folder."""
    if len(words) == 1 and Path(words[0]).is_dir():
        with_name = command_line(*command.split(), "folder", Path(words[0]))
        raise InputError(f"{words[0]} is a folder; name its data set before it: {with_name}")


def refuse_several_sources(words: list[str], command: str) -> None:
    """Refuse several words where one run is taken: files of features have an option, and runs a command."""
    if len(words) < 2:
        return
    if all(word.endswith(".npz") for word in words):
        pair = command_line(command, "--embeddings", *map(Path, words[:2]))
        raise InputError(f"Query and gallery of features are named by an option: {pair}")
    several = command_line("compare", *map(Path, words))
    raise InputError(f"{command} takes one run, but {len(words)} words came. Runs side by side: {several}")


def require_table(table: str, file: Path | None) -> None:
    """Refuse a file in place of a table's name, and a table of one's own whose file is not there."""
    if Path(table).is_file():
        own = command_line("reproduce", "own", "--file", Path(table))
        raise InputError(f"{table} is a file; a table of one's own is filled by: {own}")
    if file is not None:
        require_file(file, "the YAML file of the table")


def require_model(source: Path) -> None:
    """Refuse what is neither the folder of a run or model nor a model file."""
    if source.suffix in (".onnx", ".pt", ".pth", ".xml", ".engine"):
        raise InputError(f"{source} is no model of ours: name the folder of a run, or a model file (.safetensors).")
    if not source.exists():
        raise InputError(f"There is no {source}{hint_for_missing(source)}. Name the folder of a run, or a model file.")
    if source.is_dir() and not (source / "model.safetensors").is_file():
        inside = [str(found.relative_to(source)) for found in runs_inside(source)]
        if inside:
            raise InputError(f"{source} is not the folder of a run, but holds {', '.join(inside)}: name one.")
        unfinished = (source / "config.yaml").is_file()
        hint = f"Finish it: {command_line('train', '--resume', source)}" if unfinished else "Name the folder of a run."
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


def require_file(path: Path, what: str) -> None:
    """Refuse a path where there is no file, `what` it should be in the error."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name {what} in it.")
    if not path.exists():
        raise InputError(f"There is no {path}{hint_for_missing(path)}. Name {what}.")


def require_output_file(option: str, path: Path | None, example: str) -> None:
    """Refuse a path where no file can be written."""
    if path is not None and path.is_dir():
        raise InputError(f"{option} {path} is a folder. Name a file in it, such as {path / example}.")
    if path is not None:
        require_target(path)


def require_queries(queries: list[Path], count: int) -> None:
    """Refuse pictures to search with that are not there, and a number of pictures to show that is none."""
    if count < 1:
        raise InputError(f"--count is {count}; it must be at least 1.")
    for query in queries:
        if not query.is_dir():
            require_file(query, "a picture or a folder of pictures")
