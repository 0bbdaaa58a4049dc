"""A training step beside its floor: what the network alone costs, what losses, optimiser, input and log add.

    python benchmarks/training.py [--network resnet10_small ...] [--threads 1 2] [--busy 1] [--output DIR]

Each case (network, threads, memory order, load) is a process of its own. In it these take turns, a few steps each, so
that a slow spell of the machine meets all of them; ratios are of one round, medians of the rounds count:

- forward + backward: the bare floor, on one batch, of the same network with neck and classifier
- + Adam: the same with a fused Adam step, the floor of the loop; `foreach` and `for-loop` are torch's other two
- + losses: the objective of the bag of tricks, with its optimisers
- whole loop: `fit` on drawn people, with input, learning rate, sums and log
- whole loop, bfloat16: the same with `runtime.precision` bf16-mixed
- DataLoader loop: the same step, fed by 2 workers through the reference's transforms (Pillow and torchvision)
- input: a batch gathered, augmented and normalised, and nothing else

Goals: the whole loop at most 1.05 x forward + backward + Adam; input at most 5 % of a step; never slower than the
DataLoader loop. Prints one table, writes DIR/training.md and .json anew after each case.
"""

import argparse
import os
import platform
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import median

import torch

from busy import busy
from cases import Found, case_name, measure_apart, write_cases

SIZES = {
    "resnet10_small": (128, 64),
    "tf_efficientnet_lite0": (128, 64),
    "resnet18": (256, 128),
    "resnet50": (256, 128),
}
STEPS = {"resnet18": 3, "resnet50": 2}
"""Steps of each way in a round; 12 where nothing is said here."""
FLOOR = "forward + backward + Adam"


def measure(network: str, threads: int, order: str, given: argparse.Namespace) -> Found:
    words = [str(Path(__file__).with_name("training_tasks.py")), network, str(threads), order]
    words += [*map(str, SIZES[network]), str(STEPS.get(network, 12)), str(given.rounds)]
    return measure_apart(words + (["--compile"] if given.compile else []), threads)


def rows(case: str, found: Found) -> list[list[str]]:
    """One row a way: seconds a step, images a second, and the ratio to the floor of the same round."""
    seconds: dict[str, list[float]] = found["seconds"]
    return [
        [
            case,
            way,
            f"{1000 * median(taken):.1f}",
            f"{found['images'] / median(taken):.0f}",
            f"{median(own / floor for own, floor in zip(taken, seconds[FLOOR], strict=True)):.3f}",
        ]
        for way, taken in seconds.items()
    ]


HEADER = ("case", "", "ms a step", "images/s", "x forward + backward + Adam")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=SIZES, nargs="+", default=list(SIZES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--order", choices=("channels_last", "contiguous"), nargs="+", default=["channels_last"])
    parser.add_argument("--busy", type=int, nargs="+", default=[0], help="processes that this script keeps busy beside")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="also with torch.compile (a minute more for each case)")
    parser.add_argument("--output", type=Path, default=Path("training"))
    given = parser.parse_args()
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
    machine += f"torch {torch.__version__}"

    def cases() -> Iterator[tuple[str, Found]]:
        for network, threads, order, load in product(given.network, given.threads, given.order, given.busy):
            with busy(load):
                found = measure(network, threads, order, given)
            yield case_name(network, SIZES[network], threads, order, load=load), found

    write_cases(cases(), rows, HEADER, machine, given.output / "training")


if __name__ == "__main__":
    main()
