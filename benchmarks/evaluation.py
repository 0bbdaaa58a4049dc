"""Evaluation and re-ranking at the scale of the field's sets, beside the bare product and beside torchreid 0.2.5.

    pip download torchreid==0.2.5 --no-deps --no-binary :all: -d $PEER && tar xf $PEER/torchreid-0.2.5.tar.gz -C $PEER
    python benchmarks/evaluation.py --shape market1501 --torchreid $PEER/torchreid-0.2.5 --output market1501
    python benchmarks/evaluation.py --shape msmt17 --output msmt17

Writes $OUTPUT.json and $OUTPUT.md. Every measurement is a process of its own; the tasks take turns, so that a slow
spell of the machine falls on all of them; medians. Features are generated: clusters in 48 dimensions, seen in 2,048,
with as many people, cameras and distractors as the set has. On 2 idle cores: Market-1501 shape with re-ranking about
40 min (nearly all of it torchreid's re-ranking), MSMT17 shape about 2 h. torchreid does not fit at MSMT17's size: its
re-ranking alone would take about 209 GB.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

WIDTH = 2048
LATENT = 48
SPREAD = 1.1


@dataclass(frozen=True)
class Shape:
    queries: int
    images: int
    people: int
    cameras: int
    distractors: int


SHAPES = {
    "market1501": Shape(3_368, 15_913, 750, 6, 2_793),
    "msmt17": Shape(11_659, 82_161, 3_060, 15, 0),
    "small": Shape(400, 2_000, 90, 6, 300),
}
PRODUCTS = ("gallery @ query.T", "query @ gallery.T")
OURS = ("evaluate", "evaluate, re-ranked")
PEERS = ("torchreid", "torchreid, re-ranked")


def generate(shape: Shape, folder: Path) -> None:
    """Write `query_*.npy` and `gallery_*.npy`: images scatter around their person, as seen through one random map."""
    chance = np.random.default_rng(0)
    centers = chance.normal(size=(shape.people + 1, LATENT)).astype(np.float32)
    seen = chance.normal(size=(LATENT, WIDTH)).astype(np.float32)
    for name, count, distractors in (
        ("query", shape.queries, 0),
        ("gallery", shape.images, shape.distractors),
    ):
        person = chance.integers(1, shape.people + 1, count)
        person[:distractors] = 0
        person = chance.permutation(person)
        features = np.lib.format.open_memmap(folder / f"{name}_features.npy", "w+", np.float32, (count, WIDTH))
        for start in range(0, count, 4096):
            part = person[start : start + 4096]
            latent = np.where(part[:, None] > 0, centers[part], chance.normal(size=(len(part), LATENT)))
            latent = latent + SPREAD * chance.normal(size=latent.shape)
            features[start : start + 4096] = np.maximum(latent.astype(np.float32) @ seen, 0)
        features.flush()
        np.save(folder / f"{name}_person.npy", person)
        np.save(folder / f"{name}_camera.npy", chance.integers(0, shape.cameras, count))


def measure(task: str, features: Path, torchreid: Path, threads: int | None) -> dict[str, Any]:
    command = [
        sys.executable,
        str(Path(__file__).with_name("evaluation_tasks.py")),
        task,
        str(features),
        str(torchreid),
    ]
    if threads:
        command += ["--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"signal {-done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    good = [run for run in runs if "error" not in run]
    if not good:
        return {"error": runs[0]["error"] if runs else "not run"}
    row: dict[str, Any] = {name: median(run[name] for run in good) for name in ("wall_s", "cpu_s", "peak_mb")}
    row |= {"runs": len(good), "threads": good[0]["threads"]}
    row |= {name: good[0][name] for name in ("mean_ap", "rank_1") if name in good[0]}
    return row


def rows(results: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    """The table's cells: one row a task, ratios of wall and CPU time to the faster of the two bare products."""
    summaries = {task: summary(runs) for task, runs in results.items()}
    bare = min((summaries[task] for task in PRODUCTS if "wall_s" in summaries[task]), key=lambda row: row["wall_s"])
    cells = []
    for task, row in summaries.items():
        if "error" in row:
            cells.append([task, row["error"], *[""] * 6])
            continue
        cells.append(
            [
                task,
                f"{row['wall_s']:.2f}",
                f"{row['wall_s'] / bare['wall_s']:.2f}",
                f"{row['cpu_s']:.2f}",
                f"{row['cpu_s'] / bare['cpu_s']:.2f}",
                f"{row['peak_mb']:.0f}",
                f"{100 * row['mean_ap']:.3f}" if "mean_ap" in row else "",
                str(row["runs"]),
            ]
        )
    return cells


HEADER = ["", "wall s", "x product", "CPU s", "x product", "peak MB above features", "mAP %", "runs"]


def machine() -> str:
    cores = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    return f"{cores}, Python {platform.python_version()}, torch {torch.__version__}"


def write(output: Path, name: str, shape: Shape, results: dict[str, list[dict[str, Any]]]) -> None:
    value = {"shape": name, **shape.__dict__, "width": WIDTH, "machine": machine(), "runs": results}
    output.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n")
    title = f"{name}: {shape.queries:,} queries x {shape.images:,} images x {WIDTH:,}, {machine()}, medians"
    lines = [title, "", "| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(results)]
    output.with_suffix(".md").write_text("\n".join(lines) + "\n")
    table = Table(*HEADER, title=title)
    for row in rows(results):
        table.add_row(*row)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rerank-repeats", type=int, help="fewer for the long ones; as many as --repeats if not given")
    parser.add_argument("--torchreid", type=Path, help="unpacked torchreid-0.2.5; without it torchreid is left out")
    parser.add_argument("--no-reranking", action="store_true")
    parser.add_argument("--threads", type=int, help="torch's threads; its own choice if not given")
    parser.add_argument("--output", type=Path, default=Path("evaluation"), help="name of the .json and .md files")
    given = parser.parse_args()
    chosen = [*PRODUCTS, *OURS, *(PEERS if given.torchreid else ())]
    if given.no_reranking:
        chosen = [task for task in chosen if "re-ranked" not in task]
    repeats = {
        task: given.repeats if "re-ranked" not in task else given.rerank_repeats or given.repeats for task in chosen
    }
    shape, results = SHAPES[given.shape], {task: [] for task in chosen}
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        bar = progress.add_task("features", total=sum(repeats.values()))
        generate(shape, Path(folder))
        for turn in range(max(repeats.values())):
            for task in chosen:
                if turn < repeats[task]:
                    progress.update(bar, description=task)
                    results[task].append(measure(task, Path(folder), given.torchreid or Path(), given.threads))
                    progress.advance(bar)
    write(given.output, given.shape, shape, results)


if __name__ == "__main__":
    main()
