"""A sweep that takes seconds, for several test modules."""

import json
from pathlib import Path
from typing import Any

from tests.conftest import SMALL

TABLE = """
title: Two trainings, three rows
recipe: standard_baseline
rows:
  - name: plain
    paper: {market1501: [87.7, 74.0, R]}
  - name: smooth
    from: plain
    take: [objective.identity.label_smoothing]
    paper: {market1501: [88.7, 75.0, "?"]}
  - name: smooth, ranked again
    from: smooth
    reranking: true
"""
LENGTH = ["--epochs=3", *(word for word in SMALL if "schedule" not in word)]


def sweep_words(drawn: Path, output: Path, *more: str) -> list[str]:
    """The command line of a sweep that takes seconds."""
    file = output.parent / "mine.yaml"
    file.write_text(TABLE)
    return [
        "reproduce",
        "own",
        f"--file={file}",
        f"--data.root={drawn}",
        "--scale=cpu",
        f"--output={output}",
        *LENGTH,
        *more,
    ]


def table_of(output: Path) -> dict[str, Any]:
    """The table's figures: everything but its cost."""
    table: dict[str, Any] = json.loads((output / "mine-drawn-people" / "table.json").read_text())
    for row in table["rows"]:
        row.pop("cost")
    return table
