"""Features made of several features: of one person's images, of an image and its mirror image, of neighbours.

None of these look at who is in the gallery: query expansion and database-side augmentation use distances alone.
For the cosine metric bring features to length 1 first (`normalised`): otherwise long features outweigh short ones.
"""

from functools import partial
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric, measure
from strongreid.evaluation.embeddings import JUNK, Embeddings, float32_rows
from strongreid.evaluation.ground_truth import MatchIndex, check, require_count, require_gallery
from strongreid.evaluation.nearest import nearest_of_block
from strongreid.evaluation.search import search
from strongreid.evaluation.topk import find_neighbours
from strongreid.evaluation.workers import full_precision, slices

_ROWS_AT_ONCE: Final = 1024
_SMALLEST_NORM: Final = 1e-12


def normalised(images: Embeddings) -> Embeddings:
    """The same images with features of length 1, as a copy; a feature of length 0 stays 0."""
    lengths = images.features.norm(dim=1, keepdim=True).clamp_min(_SMALLEST_NORM)
    return images.with_features(images.features / lengths)


def flip_average(features: Tensor | npt.ArrayLike, flipped: Tensor | npt.ArrayLike) -> Tensor:
    """Mean of the features of images and of their mirror images, both `[N, D]` of any real dtype: float32 `[N, D]`.

    With a model: `flip_average(model.embed(images), model.embed(images.flip(-1)))`.

    Raises `InputError` where the shapes disagree, or a value is not finite in float32 (naming the row).
    """
    first, second = float32_rows(features), float32_rows(flipped)
    if first.shape != second.shape:
        raise InputError(f"Features have shape {list(first.shape)}, flipped ones {list(second.shape)}; give the same.")
    return (first + second) / 2


def pool_queries(images: Embeddings, how: Literal["average", "max"] = "average") -> Embeddings:
    """One feature for each person and camera: the multi-query setting (Zheng et al. 2015, section 5).

    For Market-1501 give the images of `gt_bbox` that belong to the queries' people and cameras. Sorted by person, then
    camera; junk (person -1) is dropped. Raises `InputError` for another way of pooling.
    """
    if how not in ("average", "max"):
        raise InputError(f"how is {how!r}; it must be one of 'average', 'max'.")
    kept = np.flatnonzero(images.person != JUNK)
    labels, group = np.unique(np.stack([images.person[kept], images.camera[kept]], axis=1), axis=0, return_inverse=True)
    features = images.features[torch.from_numpy(kept).to(images.features.device)]
    rows = torch.from_numpy(group.reshape(-1, 1)).to(features.device).expand_as(features)
    pooled = features.new_zeros((len(labels), features.shape[1]))
    pooled.scatter_reduce_(0, rows, features, "mean" if how == "average" else "amax", include_self=False)
    return Embeddings(pooled, labels[:, 0], labels[:, 1])


def average_query_expansion(
    query: Embeddings, gallery: Embeddings, count: int = 5, *, metric: Metric = "cosine", memory_mb: float = 160
) -> Embeddings:
    """Replace each query by the mean of itself and its `count` nearest gallery images (Chum et al. 2007).

    Nobody's labels are looked at; only junk (person -1), which a real gallery would not hold either, is left out.
    Equal distances count by gallery index; a smaller gallery is taken whole.

    Raises `InputError` for a count below 1, and where widths or devices differ or the gallery is empty.
    """
    require_count(count)
    check(query, [gallery], metric, "include")
    truth = MatchIndex(query, gallery, "include")
    count = min(count, truth.images - len(truth.junk))
    each = partial(nearest_of_block, count=count)
    nearest = torch.cat(search(query, [gallery], truth, each, metric=metric, memory_mb=memory_mb))
    expanded = query.features.clone()
    for block in slices(len(query), _ROWS_AT_ONCE):
        for column in range(count):
            expanded[block] += gallery.features[nearest[block, column]]
    return query.with_features(expanded.div_(count + 1))


def database_side_augmentation(gallery: Embeddings, count: int = 5, *, metric: Metric = "cosine") -> Embeddings:
    """Replace each gallery image by the mean of itself and its `count` nearest (Arandjelovic and Zisserman 2012).

    An image is taken once even where copies come before it in its own list. Junk (person -1) keeps its features and
    is nobody's neighbour. Needs a copy of the features.

    Raises `InputError` for a count below 1, and for a gallery that is empty.
    """
    require_count(count)
    require_gallery([gallery])
    kept = np.flatnonzero(gallery.person != JUNK)
    features = gallery.features if len(kept) == len(gallery) else gallery.features[torch.from_numpy(kept)]
    with full_precision(features.device):
        found = find_neighbours(*measure(features, (), metric), count + 1)
    nearest = found.index.clone()
    rows = torch.arange(len(nearest), device=nearest.device)
    # The image itself goes to the front; where copies crowd it out of its list, it takes the last entry.
    own = (nearest == rows[:, None]).int()
    index = torch.where(own.any(dim=1), own.argmax(dim=1), nearest.shape[1] - 1)
    nearest[rows, index] = nearest[:, 0].clone()
    nearest[:, 0] = rows
    mean = torch.empty_like(features)
    for block in slices(len(features), _ROWS_AT_ONCE):
        mean[block] = 0
        for column in range(nearest.shape[1]):
            mean[block] += features[nearest[block, column]]
    mean /= nearest.shape[1]
    augmented = mean if len(kept) == len(gallery) else gallery.features.clone()
    if augmented is not mean:
        augmented[torch.from_numpy(kept).to(mean.device)] = mean
    return gallery.with_features(augmented)
