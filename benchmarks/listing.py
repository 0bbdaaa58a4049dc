"""Listing: how long it takes to read a set of 100,000 images by their names, beside a bare walk through its folders.

    python benchmarks/listing.py [--images 100000] [--runs 5] [--json FILE]

Empty files in Market-1501's layout are made in a temporary folder (which takes longest), then
`load_benchmark` reads them to a table of paths, people, cameras and frames, sorted and checked. The bare walk is
`os.scandir` over the same folders, doing nothing with the names. Medians, taking turns; processor time is what this
process used, whatever else the machine did. The aim is under 2 seconds.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from strongreid.data import load_benchmark

SHARES = {"bounding_box_train": 0.2, "query": 0.02, "bounding_box_test": 0.78}
PEOPLE = 3_000


def make(root: Path, images: int) -> None:
    """Lay out `images` empty files: training people 1 to 1500, the others in query and gallery."""
    for folder, share in SHARES.items():
        (root / folder).mkdir(parents=True)
        first = 1 if folder == "bounding_box_train" else PEOPLE // 2 + 1
        for number in range(round(images * share)):
            person, camera = first + number % (PEOPLE // 2), number // 7 % 6 + 1
            os.close(os.open(f"{root}/{folder}/{person:04}_c{camera}s1_{number:06}_01.jpg", os.O_CREAT))


def walk(root: Path) -> int:
    count = 0
    for folder in SHARES:
        with os.scandir(root / folder) as entries:
            count += sum(1 for _ in entries)
    return count


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and seconds of processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def measure(images: int, runs: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, images)
        listing, walking = [], []
        for _ in range(runs):
            listing.append(timed(lambda: load_benchmark("market1501", root)))
            walking.append(timed(lambda: walk(root)))
        data = load_benchmark("market1501", root)
        found = len(data.train) + len(data.query) + len(data.gallery)
    assert found == sum(round(images * share) for share in SHARES.values())
    clock, processor = (statistics.median(column) for column in zip(*listing, strict=True))
    bare_clock, bare_processor = (statistics.median(column) for column in zip(*walking, strict=True))
    return {
        "images": found,
        "listing_s": round(clock, 3),
        "listing_processor_s": round(processor, 3),
        "bare_walk_s": round(bare_clock, 3),
        "bare_walk_processor_s": round(bare_processor, 3),
        "ratio_of_processor_time": round(processor / bare_processor, 1),
        "all_listing_s": [round(value, 3) for value, _ in listing],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    arguments = parser.parse_args()
    result = measure(arguments.images, arguments.runs) | {"load": os.getloadavg()[0]}
    print(json.dumps(result, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
