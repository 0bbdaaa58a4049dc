"""Evaluation and re-ranking at the scale of the field's sets, beside the bare product and beside torchreid 0.2.5.

    pip download torchreid==0.2.5 --no-deps --no-binary :all: -d $PEER && tar xf $PEER/torchreid-0.2.5.tar.gz -C $PEER
    python benchmarks/evaluation.py --shape market1501 msmt17 --torchreid $PEER/torchreid-0.2.5 --output DIR
    python benchmarks/evaluation.py --shape market1501 --busy 3 --reranking_repeats 0

`--busy N` measures everything twice in each round: alone, and beside N processes that this script keeps busy itself.
Writes DIR/SHAPE.json and DIR/SHAPE.md anew after each measurement, so that a run which is cut off keeps what it has.
Every measurement is a process of its own; the tasks take turns, so that a slow spell of the machine falls on all of
them; medians, each with its number of runs. Features are generated: clusters in 48 dimensions, seen in 2,048, with as
many people, cameras and distractors as the set has. On 2 idle cores: Market-1501 shape with re-ranking about 40 min
(nearly all of it torchreid's re-ranking), MSMT17 shape about 30 min. torchreid takes no part at MSMT17's size, which it
does not fit: its re-ranking alone would take about 209 GB; and re-ranking takes part in one round only.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from busy import busy
from strongreid.files import atomic_file, write_json

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
    fits_peers: bool = True
    reranking_repeats: int | None = None
    """Rounds in which re-ranking takes part; all of them if not given."""


SHAPES = {
    "market1501": Shape(3_368, 15_913, 750, 6, 2_793),
    "msmt17": Shape(11_659, 82_161, 3_060, 15, 0, fits_peers=False, reranking_repeats=1),
    "small": Shape(400, 2_000, 90, 6, 300),
}
PRODUCTS = ("gallery @ query.T", "query @ gallery.T")
OURS = ("evaluate", "evaluate, re-ranked")
PEERS = ("torchreid", "torchreid, re-ranked")
PAIRS = ("verify", "open set")
ONE_THREAD = ", one thread"
"""Ends the names of tasks that are measured beside busy processes: more workers should not be slower than one."""


def generate(shape: Shape, folder: Path) -> None:
    """Write `query_*.npy` and `gallery_*.npy`: images scatter around their person, as seen through one random map."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(shape.people + 1, LATENT)).astype(np.float32)
    seen = rng.normal(size=(LATENT, WIDTH)).astype(np.float32)
    for name, count, distractors in (
        ("query", shape.queries, 0),
        ("gallery", shape.images, shape.distractors),
    ):
        person = rng.integers(1, shape.people + 1, count)
        person[:distractors] = 0
        person = rng.permutation(person)
        features = np.lib.format.open_memmap(folder / f"{name}_features.npy", "w+", np.float32, (count, WIDTH))
        for start in range(0, count, 4096):
            part = person[start : start + 4096]
            latent = np.where(part[:, None] > 0, centers[part], rng.normal(size=(len(part), LATENT)))
            latent = latent + SPREAD * rng.normal(size=latent.shape)
            features[start : start + 4096] = np.maximum(latent.astype(np.float32) @ seen, 0)
        features.flush()
        np.save(folder / f"{name}_person.npy", person)
        np.save(folder / f"{name}_camera.npy", rng.integers(0, shape.cameras, count))


def measure(task: str, features: Path, torchreid: Path, threads: int | None) -> dict[str, Any]:
    command = [
        sys.executable,
        str(Path(__file__).with_name("evaluation_tasks.py")),
        task.removesuffix(ONE_THREAD),
        str(features),
        str(torchreid),
    ]
    if task.endswith(ONE_THREAD):
        threads = 1
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
    """The table's cells: one row a task, with its ratios to the faster of the two bare products."""
    summaries = {task: summary(runs) for task, runs in results.items()}
    products = [task for task in PRODUCTS if "wall_s" in summaries[task]]
    bare = results[min(products, key=lambda task: summaries[task]["wall_s"])] if products else []
    return [cells(task, row, results[task], bare) for task, row in summaries.items()]


def cells(task: str, row: dict[str, Any], runs: list[dict[str, Any]], bare: list[dict[str, Any]]) -> list[str]:
    if "error" in row:
        return [task, row["error"], *[""] * (len(HEADER) - 2)]
    return [
        task,
        f"{row['wall_s']:.2f}",
        ratio("wall_s", runs, bare),
        f"{row['cpu_s']:.2f}",
        ratio("cpu_s", runs, bare),
        f"{row['peak_mb']:.0f}",
        f"{100 * row['mean_ap']:.3f}" if "mean_ap" in row else "",
        str(row["runs"]),
    ]


def ratio(name: str, runs: list[dict[str, Any]], bare: list[dict[str, Any]]) -> str:
    """Median of the ratios to the product of the same round, which met the machine in the same mood."""
    both = [(run[name], floor[name]) for run, floor in zip(runs, bare, strict=False) if name in run and name in floor]
    return f"{median(own / floor for own, floor in both):.2f}" if both else ""


def beside_peers(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """One line for each of torchreid's functions that was measured: how many times more it needs than ours."""
    lines = []
    for ours, peer in zip(OURS, PEERS, strict=True):
        own, other = (summary(results.get(task, [])) for task in (ours, peer))
        if "error" not in own and "error" not in other:
            more = [f"{other[name] / max(own[name], 1e-9):.1f} x the {unit}" for name, unit in COMPARED]
            lines.append(f"{peer} needs {', '.join(more)} of {ours} ({other['runs']} and {own['runs']} runs).")
    return lines


COMPARED = (("wall_s", "time"), ("cpu_s", "CPU-seconds"), ("peak_mb", "memory above the features"))
HEADER = ["", "wall s", "x product", "CPU s", "x product", "peak MB above features", "mAP %", "runs"]


def machine() -> str:
    cores = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    return f"{cores}, Python {platform.python_version()}, torch {torch.__version__}"


def write(folder: Path, name: str, load: int, results: dict[str, list[dict[str, Any]]]) -> str:
    """Write what is measured so far, as JSON and as a table; return the table's title."""
    shape = SHAPES[name]
    value = {"shape": name, **asdict(shape), "width": WIDTH, "machine": machine(), "busy": load, "runs": results}
    title = f"{name}: {shape.queries:,} queries x {shape.images:,} images x {WIDTH:,}, {machine()}, medians"
    title += f", beside {load} busy processes" if load else ""
    lines = [title, "", "| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(results)]
    lines += ["", *beside_peers(results)]
    name += f"-busy{load}" if load else ""
    write_json(folder / f"{name}.json", value)
    with atomic_file(folder / f"{name}.md") as partial:
        partial.write_text("\n".join(lines).rstrip() + "\n")
    return title


def show(title: str, results: dict[str, list[dict[str, Any]]]) -> None:
    table = Table(*HEADER, title=title)
    for row in rows(results):
        table.add_row(*row)
    Console().print(table, *beside_peers(results), sep="\n")


def show_both(alone: dict[str, list[dict[str, Any]]], beside: dict[str, list[dict[str, Any]]], count: int) -> None:
    """Print what each task takes alone and beside busy processes, each with its ratio to the product of its round."""
    table = Table("", "alone: wall s", "x product", f"beside {count} busy: wall s", "x product", "runs")
    for idle, loaded in zip(rows(alone), rows(beside), strict=True):
        table.add_row(idle[0], *idle[1:3], *loaded[1:3], loaded[-1])
    Console().print(table)


def planned(shape: Shape, given: argparse.Namespace) -> list[tuple[int, str]]:
    """Every measurement, in order: its round, from 1, and its task. Re-ranking may take part in fewer rounds."""
    tasks = [
        *PRODUCTS,
        *OURS,
        *PAIRS,
        *([task + ONE_THREAD for task in (*OURS, *PAIRS)] if given.busy else []),
        *(PEERS if given.torchreid and shape.fits_peers else ()),
    ]
    asked = (given.reranking_repeats, shape.reranking_repeats, given.repeats)
    reranking = next(repeats for repeats in asked if repeats is not None)
    repeats = {task: reranking if "re-ranked" in task else given.repeats for task in tasks}
    return [(turn, task) for turn in range(1, max(repeats.values()) + 1) for task in tasks if turn <= repeats[task]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, nargs="+", default=["small"], help="one or several, in turn")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of measurements, default 5")
    parser.add_argument(
        "--reranking_repeats", type=int, help="rounds with re-ranking, 0 for none; default all of them, 1 for msmt17"
    )
    parser.add_argument("--torchreid", type=Path, help="unpacked torchreid-0.2.5; without it torchreid is left out")
    parser.add_argument("--threads", type=int, help="torch's threads; its own choice if not given")
    parser.add_argument("--busy", type=int, default=0, help="also beside so many processes that this script keeps busy")
    parser.add_argument("--output", type=Path, default=Path("evaluation"), help="folder of the .json and .md files")
    given = parser.parse_args()
    if given.repeats < 1:
        parser.error("--repeats is at least 1: ratios need the bare products")
    if given.torchreid and not (given.torchreid / "torchreid" / "reid" / "metrics" / "rank.py").is_file():
        parser.error(f"--torchreid {given.torchreid} holds no torchreid/reid/metrics/rank.py; unpack the archive there")
    return given


def run(name: str, given: argparse.Namespace) -> None:
    plan = planned(SHAPES[name], given)
    loads = sorted({0, given.busy})
    results: dict[int, dict[str, list[dict[str, Any]]]] = {load: {task: [] for _, task in plan} for load in loads}
    titles = {}
    with tempfile.TemporaryDirectory() as folder:
        print(f"making features of {name} shape", flush=True)
        generate(SHAPES[name], Path(folder))
        for done, (turn, task) in enumerate(plan, start=1):
            for load in loads:
                with busy(load):
                    found = measure(task, Path(folder), given.torchreid or Path(), given.threads)
                results[load][task].append(found)
                titles[load] = write(given.output, name, load, results[load])
                said = found.get("error") or f"{found['wall_s']:.2f} s, {found['cpu_s']:.2f} CPU-s"
                beside = f" beside {load} busy" if load else ""
                print(f"{done} of {len(plan)}, round {turn}, {task}{beside}: {said}", flush=True)
    for load in loads:
        show(titles[load], results[load])
    if given.busy:
        show_both(results[0], results[given.busy], given.busy)


def main() -> None:
    given = arguments()
    for name in given.shape:
        run(name, given)


if __name__ == "__main__":
    main()
