"""Who is enrolled: a seeded split into known people and strangers, and how rates change with the number of people.

Benchmarks are closed: everybody searched for is in the gallery. A part of the people is taken out of it, and their
searches are those of strangers. The draw depends on the people's numbers and the seed alone, so two models tested on
one set meet the same strangers.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.facts import Indices
from strongreid.evaluation.ground_truth import SameCamera, require_gallery
from strongreid.evaluation.identification import identify
from strongreid.evaluation.identification_result import Identification
from strongreid.evaluation.search import Progress

_HALVINGS: Final = 3
_FEWEST: Final = 2
"""People of the smallest gallery that is tried: with one there is nobody to be confused with."""


def people_in_both(query: Embeddings, gallery: Embeddings) -> Indices:
    """The people of whom there are queries and gallery images, without junk, ascending: int64 `[n]`."""
    return np.setdiff1d(np.intersect1d(query.person, gallery.person), [JUNK])


def split_enrolled(
    query: Embeddings, gallery: Embeddings, share: float = 0.5, *, seed: int = 0
) -> tuple[Embeddings, Embeddings]:
    """Enrol a share of the people, drawn by `seed`, and make strangers of the others: return query and gallery.

    Drawn are people who are in both. The gallery keeps the enrolled ones' images alone: those of others are left out,
    and so are those of people whom no query shows (distractors, which nobody would enrol). The query stays as it is.

    Args:
        query: Q images.
        gallery: G images.
        share: of the people, above 0 and below 1; of n people it enrols the nearest whole number from 1 to n - 1.
        seed: of the draw, a whole number from 0 on.

    Raises `InputError` for another share, or where query and gallery do not have two people in common.
    """
    if not 0 < share < 1:
        raise InputError(f"share is {share}; it must lie between 0 and 1, such as 0.5 to enrol half of the people.")
    people = people_in_both(query, gallery)
    if len(people) < _FEWEST:
        raise InputError(
            f"Query and gallery have {len(people)} people in common; at least 2 are needed, one to enrol and one "
            "stranger. Check that both use the same numbers for people."
        )
    count = int(np.clip(round(share * len(people)), 1, len(people) - 1))
    enrolled = _drawn(people, seed)[:count]
    return query, gallery.take(np.isin(gallery.person, enrolled))


def identify_at_sizes(
    query: Embeddings,
    gallery: Embeddings,
    sizes: Sequence[int] | None = None,
    *,
    seed: int = 0,
    metric: Metric = "cosine",
    same_camera: SameCamera = "include",
    memory_mb: float = 160,
    progress: Progress | None = None,
) -> dict[int, Identification]:
    """Identify with several numbers of enrolled people: the more there are, the nearer the nearest stranger.

    Each size enrols the first so many people of one seeded order, so that a larger gallery holds the smaller ones.
    Searches for people who are enrolled at another size only are left out of the smaller ones: the strangers are the
    same at every size.

    Args:
        query: as in `identify`.
        gallery: as in `identify`: the people of all sizes.
        sizes: numbers of enrolled people, each from 1 to all; by default all, and three times half as many.
        seed: of the order of people.
        metric: as in `identify`.
        same_camera: as in `identify`.
        memory_mb: as in `identify`.
        progress: called with (sizes done, sizes in all).

    Returns results by the number of enrolled people, ascending. Raises `InputError` as `identify` does, and for sizes
    that are none.
    """
    require_gallery([gallery])
    order = _drawn(np.unique(gallery.person[gallery.person != JUNK]), seed)
    wanted = _halved(len(order)) if sizes is None else sorted(set(sizes))
    if not wanted or wanted[0] < 1 or wanted[-1] > len(order):
        raise InputError(f"sizes is {sizes}; give numbers of people from 1 to {len(order)}, which are in the gallery.")
    found: dict[int, Identification] = {}
    for size in wanted:
        held_back = order[size:]
        searched = query if size == len(order) else query.take(~np.isin(query.person, held_back))
        enrolled = gallery if size == len(order) else gallery.take(np.isin(gallery.person, order[:size]))
        found[size] = identify(searched, enrolled, metric=metric, same_camera=same_camera, memory_mb=memory_mb)
        if progress is not None:
            progress(len(found), len(wanted))
    return found


def _drawn(people: Indices, seed: int) -> Indices:
    """The people in an order drawn by `seed`; they are given ascending."""
    try:
        return np.random.default_rng(seed).permutation(people)
    except (TypeError, ValueError) as error:
        raise InputError(f"seed is {seed!r}; it must be a whole number from 0 on.") from error


def _halved(people: int) -> list[int]:
    """All people and three times half as many, ascending, from two on."""
    sizes = {people // 2**halving for halving in range(_HALVINGS + 1)}
    return sorted(size for size in sizes if size >= _FEWEST or size == people)
