"""A run's folder, and the only way to read one.

Its files say where a run stands: with config.yaml it is a run, with result.json a finished one. Each is read when it is
asked for, and checked then; one that is damaged is named, with what to do about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from strongreid.config import ADDED_FIELDS, Config, as_plain
from strongreid.config_sections import DataConfig, EvaluationConfig, SetConfig, set_label
from strongreid.errors import InputError, command_line
from strongreid.evaluation import HEADLINE, METRICS, Identification, RetrievalResult
from strongreid.files import dotted, read_json
from strongreid.recipes.values import read_run_config
from strongreid.runs.finding import require_run
from strongreid.training.log import read_log

if TYPE_CHECKING:
    from strongreid.models import ReIDModel

COSTS: Final = ("training_seconds", "evaluation_seconds", "images_per_second", "peak_memory_mb")
"""What a training cost; a result of an earlier version lacks some."""
_PLACES: Final = ("name", "output", "data.root", "data.cache")
"""Settings that may change after the training: where things lie. (Those of `data.joined` and `data.tested` too.)"""


@dataclass(frozen=True)
class Run:
    """A run in its folder; made with `InputError` where that is not the folder of a run."""

    folder: Path
    data_root: Path | None = None
    """Where its data set lies now, if it was moved since the training."""
    moved: Mapping[str, Path] = field(default_factory=dict)
    """Where others of its sets (`data.joined`, `data.tested`) lie now, by name or label."""

    def __post_init__(self) -> None:
        require_run(self.folder)

    @property
    def name(self) -> str:
        """What results call it: the folder's name."""
        return self.folder.name or self.folder.resolve().name

    @property
    def finished(self) -> bool:
        """Whether it was trained to its end and tested."""
        return (self.folder / "result.json").is_file()

    @property
    def recorded(self) -> bool:
        """Whether it has its run.json: weights and settings may have been copied without it."""
        return (self.folder / "run.json").is_file()

    @cached_property
    def config(self) -> Config:
        """Its settings, from config.yaml; `InputError` too where they are not those that run.json recorded."""
        config = read_run_config(self.folder / "config.yaml")
        if self.recorded:
            refuse_changed(config, self.record["config"], self.folder)
        if self.data_root is not None:
            config = replace(config, data=replace(config.data, root=self.data_root))
        if self.moved:
            config = replace(config, data=_moved(config.data, self.moved))
        if not config.output.is_absolute() or not config.output.is_dir():  # of an older version, or moved
            config = replace(config, output=self.folder.absolute().parent)
        return with_absolute_paths(config) if self.recorded else config

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json: settings, versions, machine, seed, data fingerprints, label map."""
        path = self.folder / "run.json"
        remedy = "Restore it; the newest checkpoint's state.json has the same entries."
        content = read_json(path, remedy=remedy)
        data = content.get("data")
        fingerprint = data.get("fingerprint") if isinstance(data, dict) else None
        if not isinstance(fingerprint, dict) or not {"query", "gallery"} <= fingerprint.keys():
            raise InputError(f"{path} is damaged: it does not say which images the run was tested on. {remedy}")
        if not isinstance(content.get("config"), dict):
            raise InputError(f"{path} is damaged: it does not hold the run's settings. {remedy}")
        return content

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """result.json of a finished run: figures by their names in `METRICS` (those of `HEADLINE` at least), what it
        cost (`COSTS`) and, under `tested`, the figures on further test sets.
        """
        path = self.folder / "result.json"
        remedy = (
            f"Remove it; {command_line('train', '--resume', self.folder)} then tests the trained weights once more and "
            "writes it anew."
        )
        content = read_json(path, remedy=remedy)
        tested = content.get("tested", {})
        sound = isinstance(content.get("protocol"), str) and all(name in content for name in HEADLINE)
        sound = sound and all(content.get(name) is None or _is_number(content[name], 1e15) for name in COSTS)
        sound = sound and isinstance(tested, dict) and all(map(_are_figures, [content, *tested.values()]))
        if not sound:
            raise InputError(f"{path} is damaged: it does not hold a run's figures. {remedy}")
        return content

    @cached_property
    def result(self) -> RetrievalResult:
        """result.npz of a finished run: the figures of each query."""
        try:
            return RetrievalResult.load(self.folder / "result.npz")
        except InputError as error:
            raise InputError(
                f"{error} Remove it and result.json: {command_line('train', '--resume', self.folder)} then writes both "
                "anew."
            ) from error

    @cached_property
    def identification(self) -> Identification | None:
        """identification.npz of a finished run: its searches among enrolled people; None without (an older run)."""
        path = self.folder / "identification.npz"
        return Identification.load(path) if path.exists() else None

    @cached_property
    def log(self) -> list[dict[str, float]]:
        """The lines of log.jsonl, empty where there is none."""
        return read_log(self.folder)

    def model(self, evaluation: EvaluationConfig | None = None) -> "ReIDModel":
        """Load its last weights, onto the GPU where there is one and the run's settings do not ask for the CPU.

        evaluation: compare by this feature and metric in place of the run's own.
        """
        from strongreid.models import ReIDModel  # timm takes seconds to load, and most readers need no model

        model = ReIDModel.load(self.folder)
        if evaluation is not None:
            model.feature, model.metric = evaluation.feature, evaluation.metric
        return model.cuda() if torch.cuda.is_available() and self.config.runtime.accelerator != "cpu" else model


def with_absolute_paths(config: Config) -> Config:
    """Return settings whose data sets and outputs are found from any working folder."""
    data = config.data
    try:
        return replace(
            config,
            output=config.output.absolute(),
            data=replace(
                data,
                root=data.root and data.root.absolute(),
                cache=data.cache and data.cache.absolute(),
                joined=[replace(one, root=one.root.absolute()) for one in data.joined],
                tested=[replace(one, root=one.root.absolute()) for one in data.tested],
            ),
        )
    except FileNotFoundError as error:
        raise InputError(
            "The working folder was removed, and relative paths cannot be found: change into one that exists (cd)."
        ) from error


def finished_run(folder: Path, data_root: Path | None = None) -> Run:
    """Return the run in `folder`; `InputError` where there is none or where it is not finished."""
    run = Run(folder, data_root)
    if not run.finished:
        raise InputError(
            f"{folder} is not the folder of a finished run: it holds no result.json. Finish it by: "
            f"{command_line('train', '--resume', folder)}"
        )
    return run


def _moved(data: DataConfig, roots: Mapping[str, Path]) -> DataConfig:
    """Return the sets of a run, those named in `roots` where they lie now."""
    known = list(dict.fromkeys(map(set_label, (*data.joined, *data.tested))))
    for name in roots:
        if name not in known:
            beside = f"the others are {', '.join(known)}" if known else "there is no other"
            raise InputError(f"The run has no set {name} beside its main one (--data.root); {beside}.")

    def now(sets: list[SetConfig]) -> list[SetConfig]:
        return [replace(one, root=roots.get(set_label(one), one.root)) for one in sets]

    return replace(data, joined=now(data.joined), tested=now(data.tested))


def refuse_changed(config: Config, recorded: Mapping[str, Any], folder: Path) -> None:
    """Raise `InputError` where a run's settings are not those that were recorded when it was started.

    Where data sets and outputs lie may have changed.
    """
    now, then = _learned(as_plain(config)), _learned({**ADDED_FIELDS, **dotted(recorded)})
    for name, value in now.items():
        if name in then and then[name] != value:
            file = folder / "config.yaml"
            again = command_line("train", "--recipe", file, "--name", "NAME")
            raise InputError(
                f"{file} was changed: {name} is {value}, but the run was started with {then[name]}. Put it back; to "
                f"train with what is there now, start a new run: {again}"
            )


def _learned(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted name, without where things lie."""
    settings = {name: value for name, value in dotted(plain).items() if name not in _PLACES}
    for name in ("data.joined", "data.tested"):
        sets = settings.get(name)
        if isinstance(sets, list) and all(isinstance(one, dict) for one in sets):
            settings[name] = [{key: value for key, value in one.items() if key != "root"} for one in sets]
    return settings


def _are_figures(figures: Any) -> bool:
    """Whether a mapping's entries that are named like one of `METRICS` can be values of it."""
    return isinstance(figures, dict) and all(
        _is_number(figures.get(name, 0), 1 if metric.fraction else 1e15) for name, metric in METRICS.items()
    )


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
