"""False matches by who is taken for whom, and how sure their rate is on other people.

Pairs of images of the same two people are no independent trials, nor are all the pairs of one person: ten people with
a hundred images each say about other people what ten people can say. So people are drawn again, on both sides of the
pairs at once (the two-way bootstrap, Bolle et al. 2004).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.facts import Indices
from strongreid.evaluation.ground_truth import MatchIndex, SameCamera, check
from strongreid.evaluation.search import SearchBlock, search
from strongreid.evaluation.statistics import Interval

RESAMPLES: Final = 2_000


@dataclass(frozen=True)
class FalseMatches:
    """Pairs of a query and a gallery image of different people, and those taken for one person, by the two people."""

    asked: Indices
    """int64 `[n]`: query images of each person."""
    held: Indices
    """int64 `[n]`: gallery images of each person."""
    of: Indices
    """int64 `[m]`: whose query, 0..n-1, in pairs of people that are taken for one."""
    found: Indices
    """int64 `[m]`: whose gallery image, another person's."""
    times: Indices
    """int64 `[m]`: how many pairs of images of these two people are, at least 1."""

    @property
    def pairs(self) -> int:
        """Pairs of images of different people."""
        return int(self.asked.sum() * self.held.sum() - self.asked @ self.held)

    @property
    def rate(self) -> float:
        """Share of these pairs that is taken for one person, 0..1."""
        return float(self.times.sum() / self.pairs)

    def interval(self, *, confidence: float = 0.95, seed: int = 0) -> Interval:
        """Interval of the rate on other people, by drawing these again.

        Where no pair was taken for one, drawing again finds none either: the upper end is then the Clopper-Pearson
        bound of as many trials as there are pairs of people, each of which counts once, however many images it has.
        """
        tail = (1 - confidence) / 2
        if not len(self.times):
            asks, answers = self.asked > 0, self.held > 0
            both = int((asks & answers).sum())
            trials = int(asks.sum() * answers.sum()) - both - both * (both - 1) // 2
            return Interval(0.0, 0.0, float(1 - tail ** (1 / trials)), confidence)
        rng, count = np.random.default_rng((seed, 2)), len(self.asked)
        rates = []
        for _ in range(RESAMPLES):
            drawn = np.bincount(rng.integers(0, count, count), minlength=count)
            asked, held = drawn * self.asked, drawn * self.held
            if (pairs := asked.sum() * held.sum() - asked @ held) > 0:
                rates.append((self.times * drawn[self.of] * drawn[self.found]).sum() / pairs)
        low, high = np.quantile(rates, [tail, 1 - tail])
        return Interval(self.rate, float(low), float(high), confidence)


def count_false_matches(
    query: Embeddings,
    gallery: Embeddings,
    threshold: float,
    *,
    metric: Metric = "cosine",
    same_camera: SameCamera = "exclude",
) -> FalseMatches:
    """Count the pairs of different people that are taken for one, distance < `threshold`, by who they are.

    Arguments and errors as in `verify`; junk takes no part.
    """
    check(query, [gallery], metric, same_camera)
    asked, held = np.flatnonzero(query.person != JUNK), np.flatnonzero(gallery.person != JUNK)
    people = np.union1d(query.person[asked], gallery.person[held])
    of, to = (np.searchsorted(people, side.person) for side in (query, gallery))

    def accepted(block: SearchBlock) -> Indices:
        """Each accepted pair of different people as one number."""
        found, row = np.nonzero(block.distance.actual(block.distances.cpu().numpy()) < threshold)
        whose, whom = of[block.rows[row]], to[found]
        keys: Indices = (whose * len(people) + whom)[whose != whom]
        return keys

    truth = MatchIndex(query, gallery, same_camera)
    keys = search(query, [gallery], truth, accepted, metric=metric, queries=asked)
    both, times = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *keys]), return_counts=True)
    images = [np.bincount(at[used], minlength=len(people)) for at, used in ((of, asked), (to, held))]
    return FalseMatches(images[0], images[1], both // len(people), both % len(people), times)
