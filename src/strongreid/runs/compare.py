"""Runs side by side: figures, whether a difference is more than chance, and the settings that differ."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strongreid.config import as_plain
from strongreid.errors import InputError
from strongreid.evaluation import RetrievalResult, paired_test
from strongreid.recipes import read_config
from strongreid.reports.console import Console
from strongreid.reports.results import duration
from strongreid.runs.folder import read_metrics, read_record

SHOWN = (("rank_1", "rank-1"), ("rank_5", "rank-5"), ("rank_10", "rank-10"), ("mean_ap", "mAP"), ("mean_inp", "mINP"))
NOT_COMPARED = ("name", "output", "data.cache")
"""Settings that mean nothing for what was learned."""


def compare_runs(folders: Sequence[Path], console: Console) -> None:
    """Write a table of the runs, the paired test of each against the first, and the settings in which they differ."""
    if len(folders) < 2:
        raise InputError("Name at least two runs to compare.")
    for folder in folders:
        _refuse_unfinished(folder)
    metrics = [read_metrics(folder) for folder in folders]
    rows = [
        [folder.name, *(f"{100 * found[key]:.1f}" for key, _ in SHOWN), duration(found.get("training_seconds"))]
        for folder, found in zip(folders, metrics, strict=True)
    ]
    console.table("Runs (percent)", ("", *(name for _, name in SHOWN), "training"), rows)
    for folder in folders[1:]:
        for sentence in _tests(folders[0], folder):
            console.say(f"{folder.name} against {folders[0].name}: {sentence}")
    console.say("The tests are over queries; they do not know how much trainings with other seeds differ.")
    settings = [as_plain(read_config(folder / "config.yaml")) for folder in folders]
    differing = {name: values for name, values in differences(settings).items() if name not in NOT_COMPARED}
    if differing:
        console.say("Settings that differ, run by run:")
        for name, values in differing.items():  # no table: a narrow terminal would cut the names
            console.say(f"  {name}: {'  |  '.join(json.dumps(value) for value in values)}")
    else:
        console.say("All settings are the same.")


def differences(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the dotted fields that do not have one value in all settings, with the value of each."""
    flat = [_flat(item) for item in settings]
    names = list(dict.fromkeys(name for item in flat for name in item))
    found = {name: [item.get(name) for item in flat] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat


def _refuse_unfinished(folder: Path) -> None:
    for name in ("config.yaml", "run.json", "result.json", "result.npz"):
        if not (folder / name).is_file():
            raise InputError(f"{folder} is not the folder of a finished run: it holds no {name}.")


def _tests(first: Path, other: Path) -> list[str]:
    """Return the paired tests in sentences, or why there are none."""
    before, after = (RetrievalResult.load(folder / "result.npz") for folder in (first, other))
    queries = [read_record(folder)["data"]["fingerprint"]["query"] for folder in (first, other)]
    if queries[0] != queries[1]:
        return ["no paired test, because they were tested with other query images."]
    try:
        return [paired_test(before, after, figure).sentence for figure in ("mean_ap", "rank_1")]
    except InputError as error:
        return [f"no paired test. {error}"]
