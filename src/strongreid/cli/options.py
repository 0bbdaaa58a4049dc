"""Options that several commands on runs and features share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ArgumentParser

from strongreid.cli.checks import refuse_lone_folder, require_file, require_set
from strongreid.cli.command import parser_of
from strongreid.config_sections import SetConfig
from strongreid.errors import InputError
from strongreid.recipes.parsing import Given
from strongreid.runs.finding import require_run

if TYPE_CHECKING:
    from strongreid.evaluation import Reranking

OLD_NAMES = {"--data_name": "--data.name", "--data_root": "--data.root", "--split_seed": "--data.split_seed"}
IMAGES = "; with an array path [N], relative to the file's folder, the images are shown"
FEATURES = "a file of features (.npz)"


@dataclass(frozen=True)
class RerankingSettings:
    """Settings of re-ranking by k-reciprocal encoding (Zhong et al. 2017)."""

    k1: int | None = None
    """Neighbours that make up a k-reciprocal set; by default 20."""
    k2: int | None = None
    """Neighbours over which encodings are averaged; by default 6."""
    distance_weight: float | None = None
    """Weight of the original distance, 0 to 1; by default 0.3."""

    @property
    def given(self) -> dict[str, Any]:
        """Those that were given, by name."""
        values = {"k1": self.k1, "k2": self.k2, "distance_weight": self.distance_weight}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class RerankingChoice(RerankingSettings):
    """Re-ranking by k-reciprocal encoding (Zhong et al. 2017); any of its settings switches it on."""

    on: bool | None = None
    """Whether to re-rank; also written --reranking true."""

    def __post_init__(self) -> None:
        if self.on is False and self.given:
            raise InputError(
                f"--reranking is false, but --reranking.{next(iter(self.given))} was given; leave one out."
            )

    def settings(self) -> "Reranking | None":
        """Return what was chosen; None: not to re-rank."""
        from strongreid.evaluation import Reranking

        return Reranking(**self.given) if self.on or self.given else None


@dataclass(frozen=True)
class OtherSet:
    """Another data set to test on, or where the run's own lies now."""

    name: str | None = None
    """The other data set, in place of the run's own; `strongreid data list` names the known ones."""
    root: Path | None = None
    """Its folder; without a name, where the run's own data set lies now, if it was moved since the training."""
    split_seed: int = 0
    """Seed of its split, for sets that leave the split to the user."""
    layout: Literal["market1501"] | None = None
    """market1501 for own data (`folder`) in Market-1501's folders and file names, with any cameras."""
    columns: str = ""
    """What a `table` calls its columns, where they have other names: person=pid,camera=camid."""


OWN_SET, NOT_CHOSEN = OtherSet(), RerankingChoice()
"""What stands where nothing is given."""


def parser_with_source(
    command: Callable[..., None], run: str, more: str = "", skip: frozenset[str] = frozenset()
) -> ArgumentParser:
    """Return a command's parser with the two ways of naming what to work on: RUN, or --embeddings QUERY GALLERY.

    run: what RUN is; more: what the files may hold beside the arrays that they must; skip: arguments that the caller
    adds.
    """
    parser = parser_of(command, skip={"run", "embeddings", "moved", *skip})
    parser.add_argument("run", nargs="?", type=Path, help=run)
    parser.add_argument(
        "--embeddings",
        nargs=2,
        type=Path,
        metavar=("QUERY", "GALLERY"),
        help="Two .npz files in place of a run, each with the arrays features [N, D], person [N] and camera [N] (where "
        f"cameras are not known zeros, with --same_camera include){more}.",
    )
    return parser


def where(root: Path | None) -> list[str | Path]:
    """Return the words that the next command on a run needs too, where its main set was said to lie in `root`."""
    return [] if root is None else ["--data.root", root]


def given_words(values: Mapping[str, object], group: str = "") -> list[str]:
    """Return the options with which another command takes these values, but for those that are not given, or 0."""
    given = {name: value for name, value in values.items() if value}
    return [word for name, value in given.items() for word in (f"--{group}{name}", _as_written(value))]


def _as_written(value: object) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def reading_words(one: SetConfig) -> list[str]:
    """Return the options with which another command reads a set as it was read here, beside its name and folder."""
    return given_words({"split_seed": one.split_seed, "layout": one.layout, "columns": one.columns}, "data.")


def naming_words(one: SetConfig) -> list[str | Path]:
    """Return the options that name a set for another command, to be read as it was read here."""
    return ["--data.name", one.name, "--data.root", one.root, *reading_words(one)]


def add_moved(parser: ArgumentParser, when: str) -> None:
    """Add the option for where the further sets of a run lie now. `when` says when it is taken."""
    parser.add_argument(
        "--moved",
        nargs="+",
        metavar="NAME=DIR",
        help=f"{when} where further sets of the run (data.joined, data.tested) lie now, by name or label; the main one "
        "has --data.root.",
    )


def moved_sets(words: Sequence[str] | None) -> dict[str, Path]:
    """Return where sets lie now, by name, from words such as cuhk01=DIR."""
    found = {}
    for word in words or ():
        name, _, root = word.partition("=")
        if not (name and root):
            raise InputError(f"--moved takes NAME=DIR, such as cuhk01=DIR, but {word!r} came.")
        found[name] = Path(root)
    return found


def require_source(
    run: Path | None, embeddings: tuple[Path, Path] | None, of_run: bool, of_files: bool = False
) -> None:
    """Refuse both or neither of a run and two files, and options of the one with the other.

    of_run, of_files: whether options were given that go with a run, or with files, alone.
    """
    if (run is None) == (embeddings is None):
        missing = "RUN is missing: name" if run is None else "Name"
        raise InputError(f"{missing} a run's folder, or --embeddings QUERY.npz GALLERY.npz: one of the two.")
    if run is not None:
        require_run(run)
        if of_files:
            raise InputError("--metric and --same_camera go with --embeddings: a run has its own.")
    elif of_run:
        raise InputError("--data.name, --data.root and the like go with a run, not with --embeddings.")
    for file in embeddings or ():
        require_file(file, FEATURES)


def other_set(data: OtherSet) -> SetConfig | None:
    """Return the other set to test on; None where it is the run's own."""
    if data.name is None:
        if data != OtherSet(root=data.root):
            raise InputError("--data.split_seed and the like go with --data.name: the run's own are in its settings.")
        return None
    if data.root is None:
        raise InputError(f"--data.name {data.name} needs --data.root DIR, the folder of that set.")
    require_set(data.name, data.root)
    return SetConfig(data.name, data.root, data.split_seed, layout=data.layout, columns=data.columns)


def require_own_set(data: OtherSet) -> None:
    """Refuse another set than the run's own."""
    if data != OtherSet(root=data.root):
        raise InputError(
            "--data.name and the like go with a model file; a run is reported on its own set. On another it is tested "
            "by: strongreid evaluate RUN --data.name NAME --data.root DIR"
        )


def put_first(parser: ArgumentParser, names: Sequence[str]) -> None:
    """Put the options that matter first in front of the others in a parser's help, in that order."""
    first = parser.add_argument_group("What matters first")
    *others, _ = parser._action_groups
    actions = {action.dest: action for action in parser._actions}
    for name in names:
        for group in others:
            if actions[name] in group._group_actions:
                group._group_actions.remove(actions[name])
        first._group_actions.append(actions[name])
    parser._action_groups = [first, *others]


def set_words(given: Given, command: str) -> list[str]:
    """Return the options for NAME DIR, the words that stand alone, of a command."""
    match given.alone:
        case []:
            return []
        case [name, root]:
            if given.options.keys() & {"data.name", "data.root"}:
                raise InputError(
                    f"{name} {root} and --data.name or --data.root both name the data set; give one of them."
                )
            return [f"--data.name={name}", f"--data.root={root}"]
        case [one]:
            refuse_lone_folder([one], command)
            raise InputError(f"{one} stands alone; a data set takes two words: strongreid {command} NAME DIR")
        case _:
            raise InputError(f"Two words, NAME DIR, name the data set, but {len(given.alone)} came: {given.alone}.")
