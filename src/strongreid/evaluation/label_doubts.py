"""Which labels the features contradict: one person under two ids, and two people under one.

Two rules, on means of cosine distances (of features of length 1, so that a mean over all pairs of two groups is one
product of their means). Most labels are taken to be right: how far images of one person lie apart, and of two, is
learned from the set itself. Where two cameras saw them, only pairs of images of different cameras count: a camera alone
brings images closer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.facts import Floats, Indices

SAME_QUANTILE: Final = 0.9
"""Two ids may be one person if their images lie no further apart than those of this share of people..."""
SAME_SHARE: Final = 0.8
"""... and nearer than this share of the distance of either to the next person."""
TWO_SHARE: Final = 0.4
"""How far apart, on the way from images of one person (0) to those of two (1), the halves of such an id lie."""
GAP_SHARE: Final = 0.5
"""How much further apart the halves lie than images within a half: as a share of the same way."""
WEAK_SHARE: Final = 0.6
"""Features by which images of one person lie so far apart, as a share of the distance of two, cannot judge labels."""
FEWEST_PEOPLE: Final = 4
"""With fewer there is nothing to learn from."""
FEWEST_IMAGES: Final = 2
"""Images of each of two people under one id: a single odd image may be a bad one."""
_PEOPLE_AT_ONCE: Final = 256
_MOST_MEANS: Final = 2**22
"""Mean distances of two people that are kept at once (32 MB): of over 2,048 people, of every so many pairs one."""


@dataclass(frozen=True)
class SamePerson:
    """Two ids that are probably one person, and the mean distance of their images."""

    people: tuple[int, int]
    distance: float


@dataclass(frozen=True)
class TwoPeople:
    """An id that is probably two people: the rows of each, and the mean distance between them."""

    person: int
    rows: tuple[Indices, Indices]
    distance: float


@dataclass(frozen=True)
class LabelDoubts:
    """What was found, the surest first, and what it was measured by.

    Attributes:
        same: ids that are probably one person.
        two: ids that are probably two people.
        within: median over people of the mean distance of their own images.
        between: median over pairs of people of the mean distance of their images; of over 2,048 people, over some of
            the pairs, which are taken evenly.
    """

    same: tuple[SamePerson, ...] = ()
    two: tuple[TwoPeople, ...] = ()
    within: float = float("nan")
    between: float = float("nan")

    @property
    def judged(self) -> bool:
        """Whether anything could be said: the features tell these people apart, and there are enough of them."""
        return self.within < WEAK_SHARE * self.between


def doubt_labels(images: Embeddings) -> LabelDoubts:
    """Find the labels that the features of N images contradict; people with the number -1 are nobody.

    Two ids are doubted where each is the other's nearest, their images lie no further apart than those of nine in ten
    people do among themselves, and nearer than 0.8 of the way to either's next. An id is doubted where its images fall
    into two groups (2-means, at least 2 images each) that lie at least 0.4 of the way from one person to two apart,
    and 0.5 of that way further than images within a group. Of fewer than 4 people nothing is said, nor where the
    features hardly tell these people apart: images of one person lie 0.6 times as far apart as those of two.
    """
    known = np.flatnonzero(images.person != JUNK)
    people, person = np.unique(images.person[known], return_inverse=True)
    if len(people) < FEWEST_PEOPLE:
        return LabelDoubts()
    features = images.features.double().numpy()[known]
    features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    rows = np.split(np.argsort(person, kind="stable"), np.cumsum(np.bincount(person))[:-1])
    camera = images.camera[known]
    own = np.array([_own_distance(features[some], camera[some]) for some in rows])
    nearest, distance, following, between = _nearest_people(features, person, camera)
    spread = own[np.isfinite(own)]
    if not len(spread):
        return LabelDoubts(between=between)
    within, farthest = float(np.median(spread)), float(np.quantile(spread, SAME_QUANTILE))
    if not within < WEAK_SHARE * between:
        return LabelDoubts((), (), within, between)
    same = [
        SamePerson((int(people[one]), int(people[two])), float(distance[one]))
        for one, two in enumerate(nearest.tolist())
        if one < two
        and nearest[two] == one
        and distance[one] <= farthest
        and distance[one] < SAME_SHARE * min(following[one], following[two])
    ]
    way = between - within
    two = []
    for number, some in zip(people.tolist(), rows, strict=True):
        split = _halves(features[some])
        if split is None:
            continue
        apart, gap, first = split
        if apart >= within + TWO_SHARE * way and gap >= GAP_SHARE * way:
            two.append(TwoPeople(number, (known[some[first]], known[some[~first]]), apart))
    return LabelDoubts(
        tuple(sorted(same, key=lambda one: one.distance)),
        tuple(sorted(two, key=lambda one: -one.distance)),
        within,
        between,
    )


def _own_distance(features: Floats, camera: Indices) -> float:
    """Mean distance of one person's images [n, D], of different cameras if there are two; NaN for a single image."""
    total, count = features.sum(axis=0), len(features)
    products, pairs = total @ total, float(count * count)
    for one in np.unique(camera):
        of_one = features[camera == one]
        inner = of_one.sum(axis=0)
        products, pairs = products - inner @ inner, pairs - len(of_one) ** 2
    if pairs == 0:  # one camera: all pairs but of an image with itself
        products, pairs = total @ total - (features**2).sum(), float(count * (count - 1))
    return float(1 - products / pairs) if pairs else float("nan")


def _nearest_people(features: Floats, person: Indices, camera: Indices) -> tuple[Indices, Floats, Floats, float]:
    """Of each of P people the nearest other, its mean distance, that of the next, and the median of all pairs."""
    people = int(person.max()) + 1
    sums, counts = _grouped(features, person, people)
    cameras = []
    for one in np.unique(camera):
        seen, number_there = np.unique(person[camera == one], return_inverse=True)
        cameras.append((seen, *_grouped(features[camera == one], number_there.reshape(-1), len(seen))))
    nearest, means, step = np.zeros(people, dtype=np.int64), list[Floats](), -(-people * people // _MOST_MEANS)
    distance, following = np.zeros(people), np.zeros(people)
    for start in range(0, people, _PEOPLE_AT_ONCE):
        block = np.arange(start, min(start + _PEOPLE_AT_ONCE, people))
        products, pairs = sums[block] @ sums.T, np.outer(counts[block], counts)
        across, across_pairs = products.copy(), pairs.copy()
        for seen, of_camera, number in cameras:
            inside = np.flatnonzero((seen >= start) & (seen <= block[-1]))
            where = np.ix_(seen[inside] - start, seen)
            across[where] -= of_camera[inside] @ of_camera.T
            across_pairs[where] -= np.outer(number[inside], number)
        other = across_pairs > 0
        mean = 1 - np.where(other, across / np.maximum(across_pairs, 1), products / pairs)
        mean[np.arange(len(block)), block] = np.inf
        means.append(mean[np.isfinite(mean)][::step].copy())
        two = np.argpartition(mean, 1, axis=1)[:, :2]
        values = np.take_along_axis(mean, two, axis=1)
        order = np.argsort(values, axis=1)
        nearest[block] = np.take_along_axis(two, order, axis=1)[:, 0]
        distance[block], following[block] = np.sort(values, axis=1).T
    return nearest, distance, following, float(np.median(np.concatenate(means)))


def _grouped(features: Floats, group: Indices, groups: int) -> tuple[Floats, Floats]:
    """Sums of the features of each group [groups, D], and their counts [groups]."""
    sums = np.zeros((groups, features.shape[1]))
    np.add.at(sums, group, features)
    return sums, np.bincount(group, minlength=groups).astype(np.float64)


def _halves(features: Floats) -> tuple[float, float, npt.NDArray[np.bool_]] | None:
    """One person's images [n, D] in two groups by 2-means: their mean distance, how much further that is than within a
    group, and which images are in the first; None where a group has too few."""
    if len(features) < 2 * FEWEST_IMAGES:
        return None
    start = features[np.argmin(features @ features.mean(axis=0))]  # the farthest from the middle, and from that
    centers = np.stack((start, features[np.argmin(features @ start)]))
    first = np.zeros(len(features), dtype=np.bool_)
    for groups in _assignments(features, centers):
        first = groups
    if min(first.sum(), (~first).sum()) < FEWEST_IMAGES:
        return None
    one, two = features[first], features[~first]
    apart = float(1 - one.mean(axis=0) @ two.mean(axis=0))
    return apart, apart - (_mean_within(one) + _mean_within(two)) / 2, first


def _assignments(features: Floats, centers: Floats) -> Iterator[npt.NDArray[np.bool_]]:
    """Whether each image belongs to the first center, step by step of 2-means, until nothing changes."""
    before = None
    for _ in range(20):
        products = features @ centers.T
        first = products[:, 0] >= products[:, 1]
        yield first
        if first.all() or not first.any() or (before is not None and (first == before).all()):
            return
        before = first
        centers = np.stack((features[first].mean(axis=0), features[~first].mean(axis=0)))
        centers = centers / np.maximum(np.linalg.norm(centers, axis=1, keepdims=True), 1e-12)


def _mean_within(features: Floats) -> float:
    """Mean distance of all pairs of different images [n, D]."""
    total, count = features.sum(axis=0), len(features)
    return float(1 - (total @ total - (features**2).sum()) / (count * (count - 1)))
