"""Tracks: one feature for all images that follow one person through one camera, and finding a person again later.

A mean over a track is steadier than any of its images, and one feature is stored and searched in place of many. Images
count by weights, which come as an array: evaluation knows no pictures (`strongreid.data.track_weights` looks at them).
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from strongreid.errors import InputError
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.embeddings import JUNK, Embeddings
from strongreid.evaluation.facts import Floats, Indices
from strongreid.evaluation.ground_truth import MatchIndex
from strongreid.evaluation.identification_result import Identification
from strongreid.evaluation.nearest import nearest_of_block
from strongreid.evaluation.search import SearchBlock, search
from strongreid.evaluation.workers import slices

_ROWS_AT_ONCE: Final = 1024


def average_tracks(images: Embeddings, weights: Tensor | npt.ArrayLike | None = None) -> Embeddings:
    """Return one feature for each track, ascending by track: sum_i w_i f_i / sum_i w_i over its images.

    Features count as they are: for the cosine metric bring them to length 1 first (`normalised`), or long ones outweigh
    others. Junk (person -1) is dropped. What comes out is evaluated, identified and stored like images.

    Args:
        images: N images with tracks.
        weights: w, `[N]`, finite and at least 0; all 1 if not given.

    Raises `InputError` where images have no tracks or some of them none (-1), where a track shows two people or is of
    two cameras (track numbers must be each camera's own), and where the weights of a track are all 0.
    """
    kept, group, first = _grouped(images)
    weight = _weights(weights, len(images))[kept]
    total = np.bincount(group, weight, minlength=len(first))
    if (total == 0).any():
        raise InputError(f"The weights of track {_track_of(images, first[total == 0])} are all 0: it has no mean.")
    device = images.features.device
    sums = torch.zeros((len(first), images.features.shape[1]), dtype=torch.float64, device=device)
    for some in slices(len(kept), _ROWS_AT_ONCE):
        rows = images.features[torch.from_numpy(kept[some]).to(device)].double()
        share = torch.from_numpy(weight[some] / total[group[some]]).to(device)
        sums.index_add_(0, torch.from_numpy(group[some]).to(device), rows * share[:, None])
    tracks = images.take(first)
    return tracks.with_features(sums.float())


def reassociate(
    images: Embeddings,
    frame: npt.ArrayLike,
    gap: int,
    *,
    weights: Tensor | npt.ArrayLike | None = None,
    metric: Metric = "cosine",
    memory_mb: float = 160,
) -> Identification:
    """Search each track among those of its camera that ended at least `gap` frames before it began (re-association).

    A track ended in the last frame and began in the first one of its images; a gap of n frames lies between frames f
    and f + n. One that pauses so long counts as two, because who keeps a person's number over a pause (annotators do)
    has solved what is to be measured. So a gap must be longer than the steps between a track's images.

    The search is right where its rank 1 is an earlier track of the same person, and its person is enrolled where there
    is such a track; the others are people whom the camera meets for the first time. So `.detection_rate(1)` says how
    many of those who come back are found again, and `.fnir(0.01)` how many are not at a threshold that takes one of a
    hundred newcomers for somebody seen before. Tracks before which none ended are no search; where that is all of
    them, there are no rates (NaN).

    Args:
        images: N images with tracks.
        frame: `[N]` whole numbers, each image's frame in its camera's video.
        gap: frames, at least 1.
        weights: as in `average_tracks`.
        metric: `cosine` or `euclidean`.
        memory_mb: as in `evaluate`.

    Raises `InputError` as `average_tracks` does, and for frames or gaps that are none.
    """
    if gap < 1:
        raise InputError(f"gap is {gap}; it must be at least 1 frame.")
    kept, _, _ = _grouped(images)
    frames = _frames(frame, len(images))[kept]
    cut = _cut_at_pauses(images.take(kept), frames, gap)
    tracks = average_tracks(cut, _weights(weights, len(images))[kept])
    began, ended = _first_and_last(cut, frames)
    on = tracks.features.device
    camera, start, stop = (torch.from_numpy(column).to(on) for column in (tracks.camera, began, ended))

    def first(block: SearchBlock) -> tuple[Indices, Floats]:
        rows = torch.from_numpy(block.rows).to(on)
        for some in slices(len(block.distances), _ROWS_AT_ONCE):
            earlier = (camera[some, None] == camera[rows]) & (stop[some, None] + gap <= start[rows])
            block.distances[some].masked_fill_(~earlier, torch.inf)
        index = nearest_of_block(block, 1)[:, 0]
        far = block.distance.rowwise(tracks.features[rows], tracks.features[index])
        return index.cpu().numpy(), block.distance.actual(far.cpu().numpy())

    truth = MatchIndex(tracks, tracks, "include")
    blocks = search(tracks, [tracks], truth, first, metric=metric, memory_mb=memory_mb)
    index, nearest = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    searched = index >= 0
    known = _seen_before(tracks, began, ended, gap)
    right = tracks.person[index] == tracks.person
    protocol = f"rank 1 by {metric} distance among tracks of the same camera that ended at least {gap} frames before"
    return Identification(
        protocol, metric, tracks.person[searched], known[searched], nearest[searched], right[searched]
    )


def tracks_in_both(query: Embeddings, gallery: Embeddings) -> int:
    """How many tracks have images in both: the same number, person and camera."""
    first, second = (
        set()
        if side.track is None
        else {*zip(*(c.tolist() for c in (side.track, side.person, side.camera)), strict=True)}
        for side in (query, gallery)
    )
    return len(first & second)


def _grouped(images: Embeddings) -> tuple[Indices, Indices, Indices]:
    """Rows that count, the group of each (its track), and each group's first row: int64 `[n]`, `[n]`, `[T]`."""
    if images.track is None:
        raise InputError("These images have no tracks. Give them: Embeddings(features, person, camera, track=...).")
    kept = np.flatnonzero(images.person != JUNK)
    if not len(kept):
        raise InputError("There are no tracks: there is no image, or all are junk (person -1).")
    if (missing := np.flatnonzero(images.track[kept] < 0)).size:
        raise InputError(
            f"{len(missing):,} of {len(kept):,} images have no track (a number below 0), such as row "
            f"{kept[missing[0]]}. Give each its track's number, or leave them out: take(track >= 0)."
        )
    _, start, group = np.unique(images.track[kept], return_index=True, return_inverse=True)
    first = kept[start]
    for name, column in (("people", images.person), ("cameras", images.camera)):
        if (mixed := np.flatnonzero(column[kept] != column[first][group])).size:
            row = kept[mixed[0]]
            other = first[group[mixed[0]]]
            raise InputError(
                f"Track {images.track[row]} is of two {name}, {column[other]} (row {other}) and {column[row]} (row "
                f"{row}). A track follows one person through one camera: number tracks through all cameras, and cut "
                "one where it changes to somebody else."
            )
    return kept, group.astype(np.int64), first


def _track_of(images: Embeddings, rows: Indices) -> int:
    assert images.track is not None
    return int(images.track[rows[0]])


def _weights(given: Tensor | npt.ArrayLike | None, count: int) -> Floats:
    """Check weights: float64 `[count]`."""
    if given is None:
        return np.ones(count)
    array = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    if array.shape != (count,) or array.dtype.kind not in "fiub":
        raise InputError(
            f"The weights are {array.dtype} {list(array.shape)}; give a number for each of {count} images."
        )
    weights = array.astype(np.float64)
    if (wrong := np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))).size:
        raise InputError(f"The weight of row {wrong[0]} is {weights[wrong[0]]}; it must be finite and at least 0.")
    return weights


def _frames(given: npt.ArrayLike, count: int) -> Indices:
    """Check frames: int64 `[count]`."""
    frames = np.asarray(given)
    if frames.shape != (count,) or frames.dtype.kind not in "iu":
        raise InputError(
            f"frame is {frames.dtype} {list(frames.shape)}; give a whole number for each of {count} images."
        )
    return frames.astype(np.int64)


def _cut_at_pauses(images: Embeddings, frames: Indices, gap: int) -> Embeddings:
    """The same images with tracks numbered anew, by track and time: another one after each pause of `gap` frames."""
    assert images.track is not None
    order = np.lexsort((frames, images.track))
    follows = (np.diff(images.track[order]) == 0) & (np.diff(frames[order]) < gap)
    track = np.zeros_like(images.track)
    track[order[1:]] = np.cumsum(~follows)
    return Embeddings(images.features, images.person, images.camera, track=track)


def _first_and_last(images: Embeddings, frames: Indices) -> tuple[Indices, Indices]:
    """First and last frame of each track: int64 `[T]` each."""
    _, group, first = _grouped(images)
    began = np.full(len(first), np.iinfo(np.int64).max)
    ended = np.full(len(first), np.iinfo(np.int64).min)
    np.minimum.at(began, group, frames)
    np.maximum.at(ended, group, frames)
    return began, ended


def _seen_before(tracks: Embeddings, began: Indices, ended: Indices, gap: int) -> npt.NDArray[np.bool_]:
    """Whether a track of the same person and camera ended at least `gap` frames before each began: bool `[T]`."""
    _, group = np.unique(np.stack([tracks.person, tracks.camera]), axis=1, return_inverse=True)
    earliest = np.full(len(began), np.iinfo(np.int64).max)
    np.minimum.at(earliest, group.reshape(-1), ended)
    return earliest[group.reshape(-1)] + gap <= began
