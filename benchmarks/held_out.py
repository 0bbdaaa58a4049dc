"""The training part of a set as a table of its own, with some of its people held out: for choices, which must not see
the set's test people.

    python benchmarks/held_out.py ROOT --people 100 --output held_out.csv
    strongreid reproduce own --file candidates.yaml --data.name table --data.root held_out.csv

The people are drawn with seed 0. Their images of the lowest camera that they have are queries, the others the gallery;
the set's own query and gallery take no part.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from strongreid.data import ImageTable, load_benchmark
from strongreid.files import atomic_file


def write_table(train: ImageTable, people: int, file: Path) -> None:
    """Write the training part as a table of its own: people to learn from, and people held out as query and gallery."""
    held_out = np.random.default_rng(0).choice(train.people, people, replace=False)
    with atomic_file(file) as partial, partial.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "person", "camera", "split"])
        for path, person, camera in zip(train.path, train.person, train.camera, strict=True):
            split = "train"
            if person in held_out:
                first = train.camera[train.person == person].min()
                split = "query" if camera == first else "gallery"
            writer.writerow([Path(path).absolute(), person, camera, split])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="a set in Market-1501's layout")
    parser.add_argument("--people", type=int, default=100, help="how many are held out")
    parser.add_argument("--output", type=Path, default=Path("held_out.csv"))
    given = parser.parse_args()
    write_table(load_benchmark("market1501", given.root).train, given.people, given.output)


if __name__ == "__main__":
    main()
