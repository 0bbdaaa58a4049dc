"""Images a second on a CPU, way by way: what `strongreid embed` runs a network in, and what else there is.

    python benchmarks/inference.py [--network resnet50 ...] [--threads 1 2] [--busy 1] [--no_compile] [--output DIR]

Each case (network, threads, load) is a process of its own. In it the ways take turns, one batch each, so that a slow
spell of the machine meets all of them; ratios to eager are of one round, medians of the rounds count:

- eager: `ReIDModel.embed`; channels_last: the same with weights and images in that order of memory
- compiled: the same with its backbone through torch.compile (which takes a minute before the first round)
- onnxruntime, openvino: `export.runner.Runner`, what `embed` uses

CPU time is of all threads together: other programs disturb it less, and threads that wait for each other show in it.
All take uint8 pixels and give features; beside stands how far these are from eager's, in shares of their root mean
square. Required: onnxruntime or openvino at least 1.5 times eager for resnet50. Prints one table, writes
DIR/inference.md and .json anew after each case.
"""

import argparse
import copy
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
import torch

from busy import busy
from cases import Found, case_name, measure_apart, write_cases
from strongreid.export.proof import compared, drawn_pictures
from strongreid.export.runner import FASTEST, Runner
from strongreid.models import ReIDModel

SIZES = {"resnet50": (256, 128), "resnet10_small": (128, 64), "tf_efficientnet_lite0": (128, 64)}
HEADER = ("case", "way", "images/s", "x eager", "x eager, CPU time", "largest difference")
LIBRARIES = ("torch", "onnxruntime", "openvino")


def ways_of(model: ReIDModel, threads: int, compiled: bool) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """Each way's function from images to features."""
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    ways = {
        "eager": model.embed,
        "channels_last": lambda images: last.embed(images.contiguous(memory_format=torch.channels_last)),
    }
    if compiled:
        faster = copy.deepcopy(model)
        faster.backbone.compile()
        ways["compiled"] = faster.embed
    return {**ways, **{engine: Runner(model, engine, threads).embed for engine in FASTEST}}


def measure_here(network: str, threads: int, given: argparse.Namespace) -> Found:
    """Seconds of a batch, by way and round, and how far each way's features are from eager's."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = ReIDModel(backbone=network, people=10, image_size=SIZES[network]).eval()
    images = torch.from_numpy(drawn_pictures(model.image_size, given.images))
    ways = ways_of(model, threads, not given.no_compile)
    expected = model.embed(images).double().numpy()
    difference = {way: compared(run(images).double().numpy(), expected)[0] for way, run in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(given.rounds):
        for way in np.roll(list(ways), turn).tolist():
            began, cpu_began = time.perf_counter(), time.process_time()
            ways[way](images)
            seconds[way].append(time.perf_counter() - began)
            cpu[way].append(time.process_time() - cpu_began)
    return {"seconds": seconds, "cpu_seconds": cpu, "difference": difference, "images": given.images}


def measure(network: str, threads: int, given: argparse.Namespace) -> Found:
    words = [__file__, "--here", "--network", network, "--threads", str(threads)]
    words += ["--images", str(given.images), "--rounds", str(given.rounds)]
    return measure_apart(words + (["--no_compile"] if given.no_compile else []), threads)


def faster(own: list[float], eager: list[float]) -> float:
    """How many times as fast as eager, in the median of the rounds."""
    return median(base / taken for taken, base in zip(own, eager, strict=True))


def rows(case: str, found: Found) -> list[list[str]]:
    seconds: dict[str, list[float]] = found["seconds"]
    cpu: dict[str, list[float]] = found["cpu_seconds"]
    return [
        [
            case,
            way,
            f"{found['images'] / median(taken):.1f}",
            f"{faster(taken, seconds['eager']):.2f}",
            f"{faster(cpu[way], cpu['eager']):.2f}",
            f"{found['difference'][way]:.1e}",
        ]
        for way, taken in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=SIZES, nargs="+", default=list(SIZES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--busy", type=int, nargs="+", default=[0], help="processes that this script keeps busy beside")
    parser.add_argument("--images", type=int, default=32, help="images of a batch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no_compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--output", type=Path, default=Path("inference"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure_here(given.network[0], given.threads[0], given)))
        return
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
    machine += ", ".join(f"{name} {version(name)}" for name in LIBRARIES)

    def cases() -> Iterator[tuple[str, Found]]:
        for network, threads, load in product(given.network, given.threads, given.busy):
            with busy(load):
                found = measure(network, threads, given)
            yield case_name(network, SIZES[network], threads, load=load), found

    write_cases(cases(), rows, HEADER, machine, given.output / "inference")


if __name__ == "__main__":
    main()
