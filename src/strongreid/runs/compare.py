"""Runs side by side: figures, whether a difference is more than chance, and the settings that differ."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strongreid.config import as_plain, dotted
from strongreid.errors import InputError
from strongreid.evaluation import HEADLINE, RetrievalResult, paired_test
from strongreid.reports.console import Console
from strongreid.reports.plots import better_equal_worse
from strongreid.reports.results import duration, precision_differences
from strongreid.runs.evaluate_features import COLUMNS, figure_cells
from strongreid.runs.folder import Run, finished_run

NOT_COMPARED = ("name", "output", "data.cache")
"""Settings that mean nothing for what was learned."""


def compare_runs(folders: Sequence[Path], console: Console) -> None:
    """Write a table of the runs, the paired test of each against the first, and the settings in which they differ."""
    if len(folders) < 2:
        raise InputError("Name at least two runs to compare.")
    runs = [finished_run(folder) for folder in folders]
    rows = [[run.name, *figure_cells(run.metrics), duration(run.metrics.get("training_seconds"))] for run in runs]
    console.table("Runs (percent)", ("", *COLUMNS, "training"), rows)
    for run in runs[1:]:
        for sentence in _tests(runs[0], run):
            console.say(f"{run.name} against {runs[0].name}: {sentence}")
    console.say("The tests are over queries; they do not know how much trainings with other seeds differ.")
    settings = [as_plain(run.config) for run in runs]
    differing = {name: values for name, values in differences(settings).items() if name not in NOT_COMPARED}
    if differing:
        console.say("Settings that differ, run by run:")
        for name, values in differing.items():  # no table: a narrow terminal would cut the names
            console.say(f"  {name}: {'  |  '.join(json.dumps(value) for value in values)}")
    else:
        console.say("All settings are the same.")


def comparison_sentences(first: RetrievalResult, second: RetrievalResult) -> list[str]:
    """Say how `second` differs from `first`: each of `HEADLINE` with interval and p, then query by query.

    Raises `InputError` where the results are not of the same queries, as `paired_test` does.
    """
    tests = [paired_test(first, second, figure).sentence for figure in HEADLINE]
    better, equal, worse = better_equal_worse(precision_differences(first, second))
    return [*tests, f"{better:,} of {better + equal + worse:,} queries got better, {worse:,} worse, {equal:,} equal."]


def differences(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the dotted fields that do not have one value in all settings, with the value of each."""
    flat = [dotted(item) for item in settings]
    names = list(dict.fromkeys(name for item in flat for name in item))
    found = {name: [item.get(name) for item in flat] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def _tests(first: Run, other: Run) -> list[str]:
    """Return the paired tests in sentences, or why there are none."""
    queries = [run.record["data"]["fingerprint"]["query"] for run in (first, other)]
    if queries[0] != queries[1]:
        return ["no paired test, because they were tested with other query images."]
    try:
        return comparison_sentences(first.result, other.result)
    except InputError as error:
        return [f"no paired test. {error}"]
