"""A map of people: features seen from where they spread most, by singular value decomposition.

A colour and a number stand for a person, a marker for a camera: dots of one person should lie together, whatever
their markers.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from strongreid.evaluation import Embeddings
from strongreid.evaluation.embeddings import JUNK
from strongreid.reports.drawing import INK, SOFT, WIDTH, new_figure

MOST_IMAGES_OF_PERSON: Final = 30
PEOPLE: Final = (
    "#332288", "#e69f00", "#44aa99", "#cc6677", "#88ccee", "#999933",
    "#aa4499", "#117733", "#ddcc77", "#882255", "#4477dd", "#777777",
)  # fmt: skip
"""A dozen colours, most of them Tol's "muted": told apart with the numbers beside them, not alone."""
MARKERS: Final = "os^DvPX*<>ph8dH"


def principal_plane(features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], tuple[float, float]]:
    """Project features [N, D] onto their two principal axes: float64 [N, 2], and the share of variance of each axis.

    Signs are fixed so that each axis's largest loading is positive: the same features give the same picture.
    """
    centred = features.astype(np.float64) - features.astype(np.float64).mean(axis=0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    axes, lengths = np.vstack([axes, np.zeros((2, axes.shape[1]))])[:2], np.concatenate([lengths, np.zeros(2)])
    axes = axes * np.where(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1) < 0, -1, 1)
    variance = lengths**2 / max(float((lengths**2).sum()), 1e-300)
    return centred @ axes.T, (float(variance[0]), float(variance[1]))


def some_people(query: Embeddings, gallery: Embeddings, count: int) -> list[int]:
    """Return `count` people who are in both, spread evenly over their numbers; all where there are fewer, junk not."""
    people = np.setdiff1d(np.intersect1d(query.person, gallery.person), [JUNK])
    chosen = np.linspace(0, len(people) - 1, min(count, len(people))).round().astype(np.int64)
    return [int(person) for person in people[chosen]]


def images_of(side: Embeddings, people: list[int]) -> npt.NDArray[np.int64]:
    """Return the rows of these people's images, of each at most 30, spread evenly: int64 [n]."""
    rows = []
    for person in people:
        own = np.flatnonzero(side.person == person)
        few = np.linspace(0, len(own) - 1, min(len(own), MOST_IMAGES_OF_PERSON)).round().astype(np.int64)
        rows.append(own[few])
    return np.concatenate(rows).astype(np.int64)


def embedding_figure(
    points: npt.NDArray[np.float64],
    person: npt.NDArray[np.int64],
    camera: npt.NDArray[np.int64],
    share: tuple[float, float],
) -> Figure:
    """Draw images as points of a plane: a colour and a number for each person, a marker for each camera.

    Args:
        points: float64 [N, 2].
        person: int64 [N].
        camera: int64 [N].
        share: each axis's share of the variance, 0 to 1.
    """
    figure, axes = new_figure(WIDTH, 4.4)
    cameras = np.unique(camera).tolist()
    colors = person_colors(np.unique(person).tolist())
    for number, color in colors.items():
        for index, one in enumerate(cameras):
            rows = (person == number) & (camera == one)
            marker = MARKERS[index % len(MARKERS)]
            axes.scatter(
                points[rows, 0], points[rows, 1], s=32, color=color, marker=marker, edgecolors="white", linewidths=0.5
            )
    for number, color in colors.items():
        x, y = np.median(points[person == number], axis=0)
        box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": color, "alpha": 0.8}
        axes.text(x, y, str(number), fontsize=10, ha="center", va="center", color=INK, bbox=box)
    axes.set_xlabel(f"first axis: {share[0]:.0%} of the variance")
    axes.set_ylabel(f"second axis: {share[1]:.0%} of the variance")
    axes.set_xticks([])
    axes.set_yticks([])
    keys = [Line2D([], [], linestyle="none", marker=MARKERS[i % len(MARKERS)], color=SOFT) for i in range(len(cameras))]
    figure.legend(
        keys[:18],
        [f"camera {one}" for one in cameras[:18]],
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=10,
        handletextpad=0.1,
        columnspacing=0.9,
    )
    return figure


def person_colors(people: Sequence[int]) -> dict[int, str]:
    """Return a colour for each person, as #rrggbb; they repeat after a dozen."""
    return {person: PEOPLE[index % len(PEOPLE)] for index, person in enumerate(people)}
