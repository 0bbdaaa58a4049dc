"""Features of any origin, evaluated: figures, an interval, and a metric of your own. Nothing is trained here.

    python examples/evaluate.py NEW_FOLDER

Draws people and describes each image by the mean colours of eight stripes, from head to foot.
"""

import argparse
from pathlib import Path

import numpy as np

from strongreid import Embeddings, ImageTable, RetrievalResult, evaluate
from strongreid.data import load_benchmark
from strongreid.drawn import draw_people
from strongreid.evaluation import METRICS, RetrievalMetric, bootstrap_interval
from strongreid.pixels import read_image


def described(table: ImageTable) -> Embeddings:
    stripes = [read_image(path, (8, 4)).mean(axis=2).ravel() for path in table.path]
    return Embeddings(np.stack(stripes) - 128, table.person, table.camera)


def found_among_ten(result: RetrievalResult) -> np.ndarray:
    """Share of each query's matches that are among its ten nearest images: float64 [Q]."""
    queries = np.split(result.match_rank, np.cumsum(result.match_count)[:-1])
    return np.array([np.mean(ranks <= 10) if len(ranks) else np.nan for ranks in queries])


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder, for the drawn people")
    parser.add_argument("--people", type=int, default=80, help="people to look for")
    options = parser.parse_args(words)

    people = draw_people(options.folder, train_people=2, test_people=options.people)
    data = load_benchmark("market1501", people)
    result = evaluate(described(data.query), described(data.gallery))
    own = RetrievalMetric.mean_of("recall at 10", found_among_ten)
    for metric in (METRICS["mean_ap"], METRICS["rank_1"], own):
        interval = bootstrap_interval(result, metric)
        low, value, high = (100 * edge for edge in (interval.low, interval.value, interval.high))
        print(f"{metric.label}: {value:.1f} % (95 %: {low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
