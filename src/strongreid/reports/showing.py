"""Sections of pictures: what was found, where the network looks, how people lie in feature space, what it confuses."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from strongreid.evaluation import Embeddings
from strongreid.evaluation.distance import Metric
from strongreid.models import ReIDModel
from strongreid.reports.activation import activation_maps, overlaid
from strongreid.reports.confusions import Confusions, Pair
from strongreid.reports.images import figure_picture, pixels_uri
from strongreid.reports.page import Block, Picture, Pictures, Section, Text, Tile, TileRow, Tiles
from strongreid.reports.plane import (
    as_compared,
    embedding_figure,
    images_of,
    person_colors,
    principal_plane,
    some_people,
)
from strongreid.reports.ranked import ImageGallery, RankedList, strip

PEOPLE_ON_MAP = 12


def strips_section(
    groups: Mapping[str, Sequence[RankedList]], query: ImageGallery, gallery: ImageGallery, precision: Sequence[float]
) -> Section:
    """Return ranked strips under the name of each group; `precision` [Q] is each query's average precision."""
    blocks: list[Block] = [
        Tiles([strip(found, query, gallery, precision[found.query]) for found in lists], title=f"{name} queries")
        for name, lists in groups.items()
        if lists
    ]
    lead = (
        "A query and its ten nearest gallery images. Green ✓: the same person. Red ✗: somebody else. Grey, dotted: "
        "the same person seen by the same camera, which is left out. Best, median and worst by average precision, "
        "all of different people."
    )
    return Section("What it finds", blocks, lead)


def activation_section(
    model: ReIDModel, lists: Sequence[RankedList], query: ImageGallery, gallery: ImageGallery
) -> Section:
    """Return activation maps of the strips' queries, each beside that of the first image that counts."""
    rows = []
    size: list[int] = []
    for found in lists:
        tiles = []
        first = next(
            (row for row, frame in zip(found.gallery.tolist(), found.frames, strict=True) if frame != "left_out")
        )
        for album, row, what in ((query, found.query, "query"), (gallery, first, "first found")):
            pixels = album.pixels(row)
            activation = activation_maps(model, torch.from_numpy(pixels)[None])[0]
            size = list(activation.shape)
            seen = Picture(pixels_uri(overlaid(pixels, activation)), f"Activation map of {album.names[row]}")
            tiles += [Tile(album.picture(row), "none", f"{what}\n{album.lines(row)}"), Tile(seen)]
        rows.append(TileRow("", "", tiles))
    lead = (
        f"How strongly each place of the last feature map ({size[0]} x {size[1]} places) responds: the norm over its "
        "channels, drawn over the picture. Bright places have most say in the feature. Each map is stretched from its "
        "own weakest to its own strongest place."
    )
    return Section("Where it looks", [Tiles(rows, compact=True)], lead)


def plane_section(query: Embeddings, gallery: Embeddings, pictures: ImageGallery, metric: Metric) -> Section:
    """Return a map of some people's embeddings; `pictures` are those of the gallery."""
    people = some_people(query, gallery, PEOPLE_ON_MAP)
    sides = [(side, images_of(side, people)) for side in (query, gallery)]
    features = np.concatenate([as_compared(side.take(rows).features, metric) for side, rows in sides])
    person = np.concatenate([side.person[rows] for side, rows in sides])
    camera = np.concatenate([side.camera[rows] for side, rows in sides])
    points, share = principal_plane(features)
    colors = person_colors(people)
    key = [
        Tile(pictures.picture(int(np.flatnonzero(gallery.person == one)[0])), "none", f"person {one}", colors[one])
        for one in people
    ]
    figure = figure_picture(
        embedding_figure(points, person, camera, share),
        f"Map of {len(points)} images of {len(people)} people",
        f"The two axes hold {sum(share):.0%} of the variance of these {len(points)} images' features "
        f"({features.shape[1]} numbers each): people who overlap here may lie apart in the other directions.",
    )
    lead = (
        f"Query and gallery images of {len(people)} people, spread evenly over the person numbers, on the two "
        "principal axes of their features. A colour and a number stand for a person, a marker for a camera. In a good "
        "space people are islands and cameras do not matter."
    )
    return Section("Map of people", [Pictures([figure]), Tiles([TileRow("", "", key)])], lead)


def confusions_section(found: Confusions, query: ImageGallery, gallery: ImageGallery) -> Section:
    """Return the hardest pairs: look-alikes, and people who do not look like themselves."""
    blocks: list[Block] = []
    for title, pairs, frame in (
        ("Different people, most similar", found.different, "wrong"),
        ("The same person, least similar", found.same, "right"),
    ):
        if pairs:
            rows = [_pair(pair, query, gallery, frame == "right") for pair in pairs]
            blocks.append(Tiles(rows, title=title, compact=True))
    lead = (
        "Of each query's nearest image of somebody else the closest (one pair for each two people), and of its "
        "farthest image of the same person that counts the most distant (one pair a person). Wrong labels show up "
        "here too."
    )
    return Section("Hardest confusions", blocks or [Text("There are none.")], lead)


def _pair(pair: Pair, query: ImageGallery, gallery: ImageGallery, right: bool) -> TileRow:
    tiles = [
        Tile(query.picture(pair.query), "query", query.lines(pair.query)),
        Tile(gallery.picture(pair.gallery), "right" if right else "wrong", gallery.lines(pair.gallery)),
    ]
    names = f"{query.names[pair.query]}\n{gallery.names[pair.gallery]}"
    return TileRow("", f"distance {pair.distance:#.3g}\n{names}", tiles)
