"""Splitting people, where a set leaves that to its user: nobody is in both training and test."""

import numpy as np
import numpy.typing as npt

TEST_SHARE = 0.5
"""Share of the people that test, where no split is given: half, as in the benchmarks."""
SPLIT_STREAM = 0x0E7
"""Second word of the generator's key: keeps the split apart from other draws with the same seed."""


def split_rows(
    person: npt.NDArray[np.int64], camera: npt.NDArray[np.int64] | None, seed: int, test_share: float = TEST_SHARE
) -> dict[str, npt.NDArray[np.int64]]:
    """Split rows so that no person is in both training and test: rows of "train", "query" and "gallery".

    Of each test person one image for each camera becomes a query and the others the gallery; without cameras one
    image in all. A person who could not be found then (seen by one camera, or once) stays in the gallery entirely. A
    pure function of its arguments.

    Args:
        person: int64 [N].
        camera: int64 [N], or None where it is not known.
        seed: at least 0.
        test_share: share of the people that test, rounded; both sides get at least one.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, SPLIT_STREAM]))
    people = generator.permutation(np.unique(person))
    tested = people[: min(max(round(len(people) * test_share), 1), len(people) - 1)]
    test = np.flatnonzero(np.isin(person, tested))
    order = generator.permutation(test)
    groups = np.stack((person[order], np.zeros_like(order) if camera is None else camera[order]), 1)
    candidates = np.sort(order[np.unique(groups, axis=0, return_index=True)[1]])
    query = _findable(candidates, np.setdiff1d(test, candidates), person, camera)
    return {
        "train": np.setdiff1d(np.arange(len(person)), test),
        "query": query,
        "gallery": np.setdiff1d(test, query),
    }


def _findable(
    candidates: npt.NDArray[np.int64],
    gallery: npt.NDArray[np.int64],
    person: npt.NDArray[np.int64],
    camera: npt.NDArray[np.int64] | None,
) -> npt.NDArray[np.int64]:
    """The candidates that have something to find; each of the others joins the gallery, where the next may find it."""
    seen: dict[int, set[int]] = {}  # the cameras that show a person in the gallery
    for row in gallery.tolist():
        seen.setdefault(int(person[row]), set()).add(0 if camera is None else int(camera[row]))
    query = []
    for row in candidates.tolist():
        cameras = seen.setdefault(int(person[row]), set())
        own = None if camera is None else int(camera[row])
        if cameras - {own}:
            query.append(row)
        else:
            cameras.add(0 if own is None else own)
    return np.array(query, dtype=np.int64)
