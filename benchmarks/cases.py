"""What benchmarks of several cases share: each case is a process of its own, and a table is written after each."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from strongreid.files import atomic_file, write_json

Found = dict[str, Any]
"""What a case's process printed as JSON, or why it failed, under `error`."""


def measure_apart(words: Sequence[str], threads: int) -> Found:
    """Run a Python script with its words in a process of its own, and read the last line that it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"signal {-done.returncode}"])[-1]}
    answer: Found = json.loads(done.stdout.splitlines()[-1])
    return answer


def case_name(network: str, size: tuple[int, int], threads: int, *more: str, load: int = 0) -> str:
    """Name a case: its network, its image size (height, width), what else it is, and how many processes are beside."""
    words = [f"{network} {size[0]} x {size[1]}", f"{threads} threads", *more]
    return ", ".join([*words, f"beside {load} busy"] if load else words)


def write_cases(
    cases: Iterable[tuple[str, Found]],
    rows: Callable[[str, Found], list[list[str]]],
    header: Sequence[str],
    machine: str,
    file: Path,
) -> None:
    """Print and write each case as it comes, as `file` with .md and .json; print all as one table at the end.

    Args:
        cases: names, and what was found.
        rows: the cells of a case's rows; of a failed one, those of one row.
        header: titles of the columns.
        machine: what the table is headed with.
        file: path without an ending.
    """
    table, found, lines = Table(*header, title=machine), dict[str, Found](), list[str]()
    file.parent.mkdir(parents=True, exist_ok=True)
    for case, value in cases:
        found[case] = value
        for row in [[case, value["error"], *[""] * (len(header) - 2)]] if "error" in value else rows(case, value):
            print(" | ".join(row), flush=True)
            table.add_row(*row)
            lines.append("| " + " | ".join(row) + " |")
        write_json(file.with_suffix(".json"), {"machine": machine, "cases": found})
        with atomic_file(file.with_suffix(".md")) as partial:
            head = [machine, "", f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
            partial.write_text("\n".join([*head, *lines, ""]))
    Console().print(table)
