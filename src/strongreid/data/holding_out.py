"""Holding people out: of training, to stop it by; of the test, for a threshold. Groups of people never overlap.

Whoever chooses weights by some people, or a threshold, must not report figures on them: they are too good. So the
people of a set become up to four groups: learned from, stopped by, reported on, and calibrated on.
"""

from dataclasses import replace

import numpy as np

from strongreid.data.splitting import query_rows
from strongreid.data.table import ImageTable, Integers, ReIDData
from strongreid.errors import InputError

HELD_OUT_STREAM = 0x0E8
"""Second word of the generator's key: keeps these draws apart from others with the same seed."""


def hold_out(data: ReIDData, *, stop_share: float = 0.0, threshold_share: float = 0.0, seed: int = 0) -> ReIDData:
    """Hold people of a set out: the set without them, which has them as its `stop` and `threshold`.

    A pure function of its arguments. Query images are drawn of the people to stop by, one for each of their cameras
    that another camera can answer; those for the threshold keep their own queries, and distractors stay in the test.

    Args:
        data: the set.
        stop_share: share of the training people, 0 to 1, rounded; 0 for nobody.
        threshold_share: share of the people that the test looks for, likewise.
        seed: at least 0.

    Raises `InputError` where fewer than 2 people were on one side of such a division, or nobody could be found.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, HELD_OUT_STREAM]))
    learned, tested = data.train.people, np.unique(data.query.person)
    stop_by, calibrate_on = rng.permutation(learned), rng.permutation(tested)
    if stop_share:
        data = _without_stop(data, np.sort(stop_by[: _count(len(learned), stop_share, "stop_share")]), rng)
    if threshold_share:
        data = _without_threshold(
            data, np.sort(calibrate_on[: _count(len(tested), threshold_share, "threshold_share")])
        )
    return data


def _count(people: int, share: float, name: str) -> int:
    count = round(people * share)
    if not 2 <= count <= people - 2:
        raise InputError(
            f"`{name}` is {share:g}: of {people} people it holds {count} out, but there must be at least 2 of these "
            "and 2 others. Choose another share, 0 for none, or give more people."
        )
    return count


def _without_stop(data: ReIDData, people: Integers, rng: np.random.Generator) -> ReIDData:
    held, train = _divided(data.train, people)
    camera = held.camera if data.same_camera == "exclude" else None
    query = query_rows(np.arange(len(held)), held.person, camera, rng)
    if not len(query):
        wanted = "is seen by two cameras" if data.same_camera == "exclude" else "has two images"
        raise InputError(
            f"None of the {len(people)} people whom `stop_share` holds out of training {wanted}, so nobody could be "
            "found. Choose a larger share, or 0."
        )
    gallery = np.setdiff1d(np.arange(len(held)), query)
    return replace(data, train=train, stop=_part(data, held.select(query), held.select(gallery), "training"))


def _without_threshold(data: ReIDData, people: Integers) -> ReIDData:
    query, left_query = _divided(data.query, people)
    gallery, left_gallery = _divided(data.gallery, people)
    more = None if data.multi_query is None else _divided(data.multi_query, people)[1]
    threshold = _part(data, query, gallery, "test")
    return replace(data, query=left_query, gallery=left_gallery, multi_query=more, threshold=threshold)


def _divided(table: ImageTable, people: Integers) -> tuple[ImageTable, ImageTable]:
    """The images of some people, and the others."""
    theirs = np.isin(table.person, people)
    return table.select(theirs), table.select(~theirs)


def _part(data: ReIDData, query: ImageTable, gallery: ImageTable, of: str) -> ReIDData:
    """A set of people that were held out, of whom nobody learns."""
    nobody = query.select([])
    return ReIDData(
        data.name,
        nobody,
        query,
        gallery,
        f"{data.protocol}; {len(query.people)} people held out of its {of}",
        data.same_camera,
    )
