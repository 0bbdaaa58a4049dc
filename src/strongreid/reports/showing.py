"""Sections of pictures: what was found, where the network looks, how people lie in feature space, what it confuses."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from strongreid.evaluation import Embeddings, normalised
from strongreid.evaluation.distance import Metric
from strongreid.models import ReIDModel
from strongreid.pixels import normalise
from strongreid.reports.confusions import Confusions, Pair
from strongreid.reports.images import figure_picture, pixels_uri
from strongreid.reports.page import Block, Frame, Picture, Pictures, Section, Text, Tile, TileRow, Tiles
from strongreid.reports.plane import embedding_figure, images_of, person_colors, principal_plane, some_people
from strongreid.reports.ranked import ImageGallery, RankedList, strip

PEOPLE_ON_MAP = 12


def strips_section(
    groups: Mapping[str, Sequence[RankedList]],
    query: ImageGallery,
    gallery: ImageGallery,
    precision: Sequence[float],
    labels: Mapping[int, str] | None = None,
) -> Section:
    """Return ranked strips under the name of each group that is not empty.

    Args:
        groups: lists of queries, by a word for them such as "Best".
        query: the query images.
        gallery: the gallery images.
        precision: [Q], each query's average precision, 0 to 1.
        labels: what to say of some queries, by their rows, such as "occluded".
    """
    shown = {name: lists for name, lists in groups.items() if lists}
    said = labels or {}
    blocks: list[Block] = [
        Tiles(
            [strip(one, query, gallery, precision[one.query], said.get(one.query, "")) for one in lists],
            title=f"{name} queries" if len(shown) > 1 else "",
        )
        for name, lists in shown.items()
    ]
    lead = (
        "A query and its ten nearest gallery images. ✓ and a full frame: the same person. ✗ and a dashed frame: "
        "somebody else. Grey, dotted: the same person seen by the same camera, which is left out."
    )
    if len(shown) > 1:
        lead += f" {', '.join(shown)}: by average precision, in each group different people."
    return Section("What it finds", blocks or [Text("No query has a match in the gallery.")], lead if blocks else "")


def activation_section(
    model: ReIDModel, lists: Sequence[RankedList], query: ImageGallery, gallery: ImageGallery
) -> Section:
    """Return activation maps of the strips' queries, each beside that of the first image that counts."""
    rows = []
    size: list[int] = []
    for found in lists:
        shown = [(query, found.query, "query")]
        counted = [row for row, frame in zip(found.gallery.tolist(), found.frames, strict=True) if frame != "left_out"]
        shown += [(gallery, row, "first found") for row in counted[:1]]
        tiles = []
        for images, row, what in shown:
            pixels = images.pixels(row)
            activation = activation_maps(model, torch.from_numpy(pixels)[None])[0]
            size = list(activation.shape)
            overlay = Picture(pixels_uri(overlaid(pixels, activation)), f"Activation map of {images.name(row)}")
            tiles += [Tile(images.picture(row), "none", f"{what}\n{images.lines(row)}"), Tile(overlay)]
        rows.append(TileRow("", "", tiles))
    if not rows:
        return Section("Where it looks", [Text("No query has a match in the gallery, so there is none to look at.")])
    lead = (
        f"How strongly each cell of the last feature map ({size[0]} x {size[1]}) responds: the norm over its channels, "
        "drawn over the picture. Bright cells have most say in the feature. Each map is stretched from its own weakest "
        "to its own strongest cell."
    )
    return Section("Where it looks", [Tiles(rows, compact=True)], lead)


@torch.no_grad()
def activation_maps(model: ReIDModel, images: Tensor) -> Tensor:
    """Return how strongly each cell of a network's last feature map responds: float32 [N, h, w] on the CPU.

    The map is the norm over channels. Its mean over cells is what the pooled feature is made of, so a bright cell has
    much say in the feature; it says nothing of whether that was right. (Zagoruyko and Komodakis 2017 call such maps
    activation-based attention.)

    `images`: uint8 [N, 3, H, W] at the model's own size, few enough for one batch. The model is in eval mode, as
    `ReIDModel.load` gives it.
    """
    images = images.to(model.classifier.weight.device)
    feature_map = model.feature_map(normalise(images, normalisation=model.normalisation))
    response: Tensor = torch.linalg.vector_norm(feature_map.float(), dim=1).cpu()
    return response


def overlaid(image: npt.NDArray[np.uint8], activation: Tensor) -> npt.NDArray[np.uint8]:
    """Lay a map [h, w] over its picture, uint8 [3, H, W], turned grey: bright where the response is strongest.

    Each map is stretched from its own weakest to its own strongest cell.
    """
    low, high = activation.min(), activation.max()
    heat = (activation - low) / (high - low).clamp_min(1e-12)
    size = (image.shape[1], image.shape[2])
    smooth = F.interpolate(heat[None, None], size, mode="bilinear", align_corners=False)[0, 0].numpy()
    colors = matplotlib.colormaps["inferno"](smooth)[..., :3].transpose(2, 0, 1)
    grey = (image.astype(np.float32) / 255).mean(axis=0, keepdims=True)
    share = 0.35 + 0.4 * smooth
    return np.asarray(np.clip(255 * ((1 - share) * grey + share * colors), 0, 255), dtype=np.uint8)


def plane_section(query: Embeddings, gallery: Embeddings, images: ImageGallery, metric: Metric) -> Section:
    """Return a map of some people's embeddings; `images` are those of the gallery."""
    people = some_people(query, gallery, PEOPLE_ON_MAP)
    if not people:
        return Section("Map of people", [Text("Nobody is among both queries and gallery, so there is no map.")])
    sides = [(side, images_of(side, people)) for side in (query, gallery)]
    shown = [side.take(rows) for side, rows in sides]
    compared = [normalised(some) for some in shown] if metric == "cosine" else shown  # which knows directions only
    features = np.concatenate([some.features.cpu().numpy() for some in compared])
    person = np.concatenate([side.person[rows] for side, rows in sides])
    camera = np.concatenate([side.camera[rows] for side, rows in sides])
    points, share = principal_plane(features)
    figure = figure_picture(
        embedding_figure(points, person, camera, share),
        f"Map of {len(points)} images of {_people(people)}",
        f"The two axes hold {sum(share):.0%} of the variance of these {len(points)} images' features "
        f"({features.shape[1]} numbers each): people who overlap here may lie apart in the other directions.",
    )
    blocks: list[Block] = [Pictures([figure])]
    if images.packed is not None:
        colors = person_colors(people)
        firsts = [int(np.flatnonzero(gallery.person == one)[0]) for one in people]
        tiles = [
            Tile(images.picture(row), "none", f"person {one}", colors[one])
            for one, row in zip(people, firsts, strict=True)
        ]
        blocks.append(Tiles([TileRow("", "", tiles)]))
    spread = ", spread evenly over the person numbers," if len(people) > 1 else ""
    lead = (
        f"Query and gallery images of {_people(people)}{spread} on the two principal axes of their features. A colour "
        "and a number stand for a person, a marker for a camera. In a good space people are islands and cameras do not "
        "matter."
    )
    return Section("Map of people", blocks, lead)


def confusions_section(found: Confusions, query: ImageGallery, gallery: ImageGallery) -> Section:
    """Return the hardest pairs: look-alikes, and people who do not look like themselves."""
    blocks: list[Block] = []
    kinds: list[tuple[str, list[Pair], Frame]] = [
        ("Different people, most similar", found.different, "wrong"),
        ("The same person, least similar", found.same, "right"),
    ]
    for title, pairs, frame in kinds:
        if pairs:
            rows = [_pair(pair, frame, query, gallery) for pair in pairs]
            blocks.append(Tiles(rows, title=title, compact=True))
    lead = (
        "Of each query's nearest image of somebody else the closest (one pair for each two people), and of its "
        "farthest image of the same person that counts the most distant (one pair a person). Wrong labels show up "
        "here too."
    )
    return Section("Hardest confusions", blocks or [Text("There are none.")], lead if blocks else "")


def _pair(pair: Pair, frame: Frame, query: ImageGallery, gallery: ImageGallery) -> TileRow:
    tiles = [
        Tile(query.picture(pair.query), "query", query.lines(pair.query)),
        Tile(gallery.picture(pair.gallery), frame, gallery.lines(pair.gallery)),
    ]
    lines = [f"distance {pair.distance:#.3g}"]
    if query.packed is not None:  # otherwise the names stand in the tiles
        lines += [query.name(pair.query), gallery.name(pair.gallery)]
    return TileRow("", "\n".join(lines), tiles)


def _people(people: Sequence[int]) -> str:
    return "1 person" if len(people) == 1 else f"{len(people)} people"
