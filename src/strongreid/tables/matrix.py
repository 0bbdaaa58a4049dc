"""A matrix: trained on each set and on each two of them, tested on those that a training does not know.

Rows are what is trained on, columns what is tested on. A set that the user does not have leaves its cells empty, and
they say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from strongreid.config_sections import DataConfig, main_set
from strongreid.reports.page import Table
from strongreid.tables.outcome import RowOutcome, spread
from strongreid.tables.plan import Direction, Sweep

MISSING = "missing"
TRAINED_ON = "trained on"
"""Title of the first column."""


def trained_on(sets: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what is trained on: each set, then each two of them, as long as one is left to test on."""
    return [chosen for count in (1, 2) if count < len(sets) for chosen in combinations(sets, count)]


def matrix_directions(sets: Sequence[str], found: Mapping[str, DataConfig]) -> list[Direction]:
    """Return the cells that can be filled with the sets that were found, by name."""
    directions = []
    for chosen in trained_on(sets):
        for tested in sets:
            if tested not in chosen and found.keys() >= {*chosen, tested}:
                first, *more = (found[name] for name in chosen)
                joined = [replace(main_set(data), label=name) for data, name in zip(more, chosen[1:], strict=True)]
                label = f"{_plus(chosen)} -> {tested}"
                train = replace(first, joined=joined)
                directions.append(Direction(label, train, found[tested], cell=(chosen, tested)))
    return directions


def matrix_tables(sweep: Sweep, found: Sequence[RowOutcome]) -> list[Table]:
    """Return for each row of the table its matrix, mAP (rank-1) in percent; nothing for a table that is no matrix.

    From the second row on with the gain in mAP over the row above.
    """
    sets = sweep.table.matrix
    by_cell = {(item.row.name, item.direction.cell): item for item in found}
    tables = []
    for above, row in zip((None, *sweep.rows), sweep.rows if sets else (), strict=False):
        rows = [
            [_plus(chosen), *(_cell(by_cell.get((row.name, (chosen, tested))), tested in chosen) for tested in sets)]
            for chosen in trained_on(sets)
        ]
        gain = f", gain over {above.name} (* more than chance)" if above else ""
        tables.append(Table([TRAINED_ON, *sets], rows, title=f"{row.name}: mAP (rank-1){gain}, tested on"))
    return tables


def _cell(item: RowOutcome | None, own: bool) -> str:
    if own:
        return "-"
    if item is None:
        return MISSING
    if not item.values["mean_ap"]:
        return ""
    gain = item.gains.get("mean_ap")
    found = f"{spread(item.values['mean_ap'])} ({spread(item.values['rank_1'])})"
    if gain is None:
        return found
    real = "*" if gain.p_value < 1 - gain.difference.confidence else ""
    return f"{found}, {100 * gain.difference.value:+.1f}{real}"


def _plus(names: Sequence[str]) -> str:
    return " + ".join(names)
