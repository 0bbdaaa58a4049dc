"""Fill a table of one's own from Python, on drawn people: python examples/own_table.py

Each row changes settings by their dotted names (`strongreid train --help` lists them). Stopped and started again it
goes on where it was; rows that need the same training share it. A few minutes on two CPU cores.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strongreid.config_sections import DataConfig
from strongreid.drawn import draw_people
from strongreid.evaluation import Reranking
from strongreid.reports.console import Console
from strongreid.tables.fill import reproduce, show
from strongreid.tables.outcome import RowOutcome
from strongreid.tables.plan import Direction, plan_sweep
from strongreid.tables.spec import ResultTable, Row

TABLE = ResultTable(
    name="smoothing",
    title="How much smoothing",
    rows=(
        Row("none", values={"objective.identity.label_smoothing": 0.0}),
        Row("0.1", values={"objective.identity.label_smoothing": 0.1}),
        Row("0.1, ranked again", start="0.1", reranking=Reranking(k1=10)),
    ),
)


def fill_table(people: Path, output: Path, overrides: Mapping[str, Any] | None = None) -> list[RowOutcome]:
    """Train and measure all rows below `output`; `overrides` are settings of all of them."""
    data = DataConfig(root=people)
    sweep = plan_sweep(
        TABLE, [Direction("drawn people", data, data)], output, scale="cpu", seeds=(0, 1), overrides=overrides
    )
    found = reproduce(sweep, Console())
    show(sweep, found, Console())
    return found


if __name__ == "__main__":
    folder = Path("runs/own_table")
    if not (folder / "people").is_dir():
        draw_people(folder / "people")
    fill_table(folder / "people", folder)
