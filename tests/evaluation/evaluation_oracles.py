"""Slow plain-loop forms of what the package computes in blocks; float64 where it matters."""

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def distances(query: Array, gallery: Array, metric: str) -> Array:
    """[Q, G] in float64; euclidean is squared, as in the package's ranking."""
    query, gallery = query.astype(np.float64), gallery.astype(np.float64)
    result = np.empty((len(query), len(gallery)))
    for i, a in enumerate(query):
        for j, b in enumerate(gallery):
            if metric == "euclidean":
                result[i, j] = sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True))
            else:
                norms = max(math.sqrt(float(a @ a)), 1e-12) * max(math.sqrt(float(b @ b)), 1e-12)
                result[i, j] = 1 - float(a @ b) / norms
    return result


def average_precision(hits: list[bool], kind: str) -> float:
    """Walk down one ranked list (junk and left-out images already gone)."""
    found, total, previous = 0, 0.0, 1.0
    for place, hit in enumerate(hits, start=1):
        if hit:
            found += 1
            now = found / place
            total += now if kind == "rectangular" else (now + previous) / 2
        previous = found / place
    return total / found


def evaluate(
    distance: npt.NDArray[np.floating],
    query: tuple[list[int], list[int]],
    gallery: tuple[list[int], list[int]],
    same_camera: str = "exclude",
    kind: str = "rectangular",
) -> list[tuple[float, float, int] | None]:
    """For each query (average precision, inverse negative penalty, first rank), or None without a match."""
    answers: list[tuple[float, float, int] | None] = []
    for i, (person, camera) in enumerate(zip(*query, strict=True)):
        places = []
        for j, (other, other_camera) in enumerate(zip(*gallery, strict=True)):
            same = other == person and other_camera == camera and same_camera == "exclude"
            if other != -1 and not same:
                places.append((distance[i, j], j))
        hits = [gallery[0][j] == person for _, j in sorted(places)]
        if not any(hits):
            answers.append(None)
            continue
        ranks = [place for place, hit in enumerate(hits, start=1) if hit]
        answers.append((average_precision(hits, kind), len(ranks) / ranks[-1], ranks[0]))
    return answers


def rerank(distance: Array, queries: int, k1: int, k2: int, weight: float) -> Array:
    """Re-ranked distances [queries, N - queries] from all distances [N, N], by sets and loops, in float64."""
    count = len(distance)
    scaled = np.array([row / row.max() if row.max() > 0 else row for row in distance])
    lists = [sorted(range(count), key=lambda j, i=i: (scaled[i, j], j)) for i in range(count)]  # type: ignore[misc]

    def reciprocal(i: int, k: int) -> set[int]:
        return {j for j in lists[i][:k] if i in lists[j][:k]}

    encoding = np.zeros((count, count))
    for i in range(count):
        members = reciprocal(i, k1 + 1)
        expanded = set(members)
        for j in members:
            half = reciprocal(j, round(k1 / 2) + 1)
            if 3 * len(half & members) > 2 * len(half):
                expanded |= half
        total = sum(math.exp(-scaled[i, j]) for j in expanded)
        for j in expanded:
            encoding[i, j] = math.exp(-scaled[i, j]) / total
    mean = np.array([encoding[lists[i][:k2]].mean(axis=0) for i in range(count)])
    result = np.empty((queries, count - queries))
    for i in range(queries):
        for j in range(queries, count):
            most = np.maximum(mean[i], mean[j]).sum()
            jaccard = 1 - (np.minimum(mean[i], mean[j]).sum() / most if most else 0.0)
            result[i, j - queries] = (1 - weight) * jaccard + weight * scaled[i, j]
    return result
