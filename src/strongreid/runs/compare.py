"""Runs side by side: figures, whether a difference is more than chance, and the settings that differ."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongreid.config import as_plain
from strongreid.errors import InputError
from strongreid.evaluation import HEADLINE, Identification, RetrievalResult, compare_misses, paired_test
from strongreid.evaluation.identification_result import USUAL_RATES
from strongreid.files import dotted
from strongreid.reports.console import Console
from strongreid.reports.plots import better_equal_worse
from strongreid.reports.results import duration, precision_differences
from strongreid.runs.evaluate_features import COLUMNS, figure_cells
from strongreid.runs.folder import Run, finished_run

NOT_COMPARED = ("name", "output", "data.cache")
"""Settings that mean nothing for what was learned."""


@dataclass(frozen=True)
class _Compared:
    """A finished run, or what any model found: of each query, or of each search among enrolled people."""

    name: str
    source: Run | RetrievalResult | Identification

    @property
    def run(self) -> Run | None:
        """The run, where it is one."""
        return self.source if isinstance(self.source, Run) else None

    @property
    def result(self) -> RetrievalResult:
        """The figures of each query; `InputError` where it is searches alone."""
        if isinstance(self.source, Identification):
            raise InputError(f"{self.name} holds searches among enrolled people (strongreid identify --result) alone.")
        return self.source.result if isinstance(self.source, Run) else self.source

    @property
    def identification(self) -> Identification | None:
        """The searches among enrolled people, where they are known."""
        if isinstance(self.source, Run):
            return self.source.identification
        return self.source if isinstance(self.source, Identification) else None

    @property
    def cells(self) -> list[str]:
        """Its row of the table."""
        if isinstance(self.source, Identification):
            return [self.name, *figure_cells({}), duration(None)]
        figures = self.source.metrics if isinstance(self.source, Run) else self.source.to_json()
        return [self.name, *figure_cells(figures), duration(figures.get("training_seconds"))]


def compare_runs(paths: Sequence[Path], console: Console) -> None:
    """Write a table of runs, the paired test of each against the first, and the settings in which they differ.

    paths: folders of finished runs, or files (.npz) that `RetrievalResult.save` or `Identification.save` wrote, of
    which settings are not known. Raises `InputError` for what is neither, and for fewer than two.
    """
    if len(paths) < 2:
        raise InputError("Name at least two runs to compare.")
    compared = [_compared(path) for path in paths]
    console.table("Runs (percent)", ("", *COLUMNS, "training"), [one.cells for one in compared])
    for one in compared[1:]:
        for sentence in _tests(compared[0], one):
            console.say(f"{one.name} against {compared[0].name}: {sentence}")
    console.say(
        "The tests are over queries, of FNIR over people; they do not know how much trainings with other seeds differ."
    )
    settings = [as_plain(one.run.config) for one in compared if one.run is not None]
    if len(settings) < 2:
        return
    differing = {name: values for name, values in differences(settings).items() if name not in NOT_COMPARED}
    if differing:
        console.say("Settings that differ, run by run:")
        for name, values in differing.items():  # no table: a narrow terminal would cut the names
            console.say(f"  {name}: {'  |  '.join(json.dumps(value) for value in values)}")
    else:
        console.say("All settings are the same.")


def _compared(path: Path) -> _Compared:
    if path.suffix == ".npz":
        with suppress(InputError):
            return _Compared(path.name, Identification.load(path))
        try:
            return _Compared(path.name, RetrievalResult.load(path))
        except InputError as error:
            raise InputError(
                f"{error} Of features make a result first: strongreid evaluate --embeddings QUERY.npz GALLERY.npz "
                "--result FILE.npz."
            ) from error
    run = finished_run(path)
    return _Compared(run.name, run)


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


def _tests(first: _Compared, other: _Compared) -> list[str]:
    """Return the comparison in sentences, or why there is none."""
    queries = {one.run.record["data"]["fingerprint"]["query"] for one in (first, other) if one.run is not None}
    if len(queries) > 1:
        return ["no paired test, because they were tested with other query images."]
    try:
        misses = _miss_sentences(first.identification, other.identification)
        if misses and isinstance(first.source, Identification) and isinstance(other.source, Identification):
            return misses
        return [*comparison_sentences(first.result, other.result), *misses]
    except InputError as error:
        return [f"no paired test. {error}"]


def _miss_sentences(first: Identification | None, other: Identification | None) -> list[str]:
    """Say how the share of enrolled people that is missed differs, where it is known of both."""
    if first is None or other is None or not (first.enrolled_searches and first.unknown_searches):
        return []
    return [compare_misses(first, other, rate).sentence for rate in USUAL_RATES]
