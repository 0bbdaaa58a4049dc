"""Open-set identification: is this somebody known, and who?

The people of the gallery are enrolled. A search answers with its rank 1, the nearest gallery image, where that is
nearer than a threshold, and otherwise with "nobody known". What that is worth: `identification_result`.
"""

import numpy as np
import torch

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.facts import Floats, Indices
from strongreid.evaluation.ground_truth import MatchIndex, SameCamera, check
from strongreid.evaluation.identification_result import Identification
from strongreid.evaluation.nearest import nearest_of_block
from strongreid.evaluation.search import Progress, SearchBlock, search


def identify(
    query: Embeddings,
    gallery: Embeddings,
    *,
    metric: Metric = "cosine",
    same_camera: SameCamera = "include",
    memory_mb: float = 160,
    progress: Progress | None = None,
) -> Identification:
    """Search each query among enrolled people, those of the gallery; others are strangers to it.

    A person may be enrolled with any number of images; the nearest one counts. Rank 1 is the first in `evaluate`'s
    order: of images at one distance the one that stands first in the gallery, whoever they show, is rank 1. Junk
    (person -1) is dropped from the gallery and is no search.

    Args:
        query: Q images, each searched for.
        gallery: the enrolled people's images.
        metric: `cosine` or `euclidean`.
        same_camera: `include` searches all that is enrolled, as a system in use does. `exclude` leaves gallery images
            of the query's person AND camera out, which benchmarks need, whose images of one camera are often moments
            apart; a search for somebody enrolled of whom nothing is left then does not count, as in `evaluate`.
        memory_mb: as in `evaluate`.
        progress: called with (queries done, queries in all).

    Raises `InputError` where widths or devices differ, or there is no query or no gallery image that counts.
    """
    check(query, [gallery], metric, same_camera)
    truth = MatchIndex(query, gallery, same_camera)
    people = np.unique(gallery.person[gallery.person != JUNK])
    enrolled = np.isin(query.person, people)
    counted = np.flatnonzero((query.person != JUNK) & ((truth.counts > 0) | ~enrolled))
    if not len(counted):
        raise InputError(f"No search can be counted: {_why_none(query)}.")

    def first(block: SearchBlock) -> tuple[Indices, Floats]:
        index = nearest_of_block(block, 1)[:, 0]
        rows = torch.from_numpy(block.rows).to(index.device)
        # Measured again pair by pair: then searches with the same features tie, wherever they stand in a block.
        distances = block.distance.rowwise(query.features[rows], gallery.features[index])
        return index.cpu().numpy(), block.distance.actual(distances.cpu().numpy())

    blocks = search(
        query, [gallery], truth, first, metric=metric, queries=counted, memory_mb=memory_mb, progress=progress
    )
    index, nearest = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    person = query.person[counted]
    camera = "included" if same_camera == "include" else "excluded"
    protocol = f"rank 1 by {metric} distance among {len(people)} enrolled people, same camera {camera}"
    return Identification(protocol, metric, person, enrolled[counted], nearest, gallery.person[index] == person)


def _why_none(query: Embeddings) -> str:
    if (query.person == JUNK).all():
        return f"all {len(query)} queries are junk (person -1)"
    return (
        "each query's person is enrolled with images of the query's own camera alone, and images of the same person "
        'and camera are left out. Use same_camera="include"'
    )
