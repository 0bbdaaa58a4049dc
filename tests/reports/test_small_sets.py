"""Every section of a report on next to nothing: 1 to 6 queries, one or two people, junk, with and without images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from strongreid.data import PackedImages
from strongreid.evaluation import Embeddings, evaluate, identify_at_sizes, split_enrolled, verify
from strongreid.evaluation.enrolment import people_in_both
from strongreid.models import ReIDModel
from strongreid.reports import results, showing
from strongreid.reports.confusions import hardest_pairs
from strongreid.reports.open_set import open_set_section
from strongreid.reports.page import Section, Tile, Tiles, write_page
from strongreid.reports.ranked import ImageGallery, pick_queries, ranked_lists

LINE = {"total_steps": 1, "epoch": 1, "rate": 0.1, "total": 3.0, "identity": 2.0, "images_per_second": 9.0}
RECORDED = {"mean_ap": 0.5, "rank_1": 0.25}
PEOPLE = st.lists(st.integers(-1, 1), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def model() -> ReIDModel:
    return ReIDModel(backbone="resnet10_small", people=2, image_size=(32, 16)).eval()


def side(person: list[int], seed: int, *, spread: float) -> Embeddings:
    rng = np.random.default_rng(seed)
    return Embeddings(1 + spread * rng.normal(size=(len(person), 3)), person, rng.integers(0, 2, len(person)))


def gallery_of(side: Embeddings, images: bool) -> ImageGallery:
    return ImageGallery(side, PackedImages(torch.zeros(len(side), 3, 32, 16, dtype=torch.uint8)) if images else None)


def sections(query: Embeddings, gallery: Embeddings, model: ReIDModel | None, log: list[dict]) -> list[Section]:
    """All sections of a report: of a run, or with no model of features alone."""
    result = evaluate(query, gallery)
    shown = gallery_of(query, model is not None), gallery_of(gallery, model is not None)
    strips = {
        name: ranked_lists(query, gallery, rows, metric="cosine", same_camera="exclude")
        for name, rows in pick_queries(result, query.person, 3).items()
    }
    people = {*query.person.tolist(), *gallery.person.tolist()} - {-1}
    verification = verify(query, gallery) if len(people) > 1 else None
    found = [
        results.result_section(result, (len(query), len(gallery)), {}),
        results.thresholds_section(result, verification),
        showing.strips_section(strips, *shown, result.average_precision.tolist()),
        showing.plane_section(query, gallery, shown[1], "cosine"),
        showing.confusions_section(hardest_pairs(query, gallery, 3), *shown),
        results.better_worse_section("one", result, "two", result),
    ]
    if len(people_in_both(query, gallery)) > 1:
        sizes = identify_at_sizes(*split_enrolled(query, gallery), same_camera="exclude")
        found.append(open_set_section(sizes, (0.0, 0.5), [None, None]))
    if model is not None:
        found.append(results.learning_section(log, RECORDED, 1))
        found.append(showing.activation_section(model, [one for lists in strips.values() for one in lists], *shown))
    return found


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(PEOPLE, PEOPLE, st.integers(0, 99), st.sampled_from([0.0, 1.0]), st.booleans(), st.integers(0, 3))
def test_no_set_is_too_small(
    model: ReIDModel,
    tmp_path: Path,
    queries: list[int],
    gallery: list[int],
    seed: int,
    spread: float,
    images: bool,
    lines: int,
) -> None:
    query, shown = side(queries, seed, spread=spread), side(gallery, seed + 1, spread=spread)
    pairs = [(q, g) for q in range(len(query)) for g in range(len(shown))]
    assume(any(query.person[q] == shown.person[g] != -1 and query.camera[q] != shown.camera[g] for q, g in pairs))
    log = [LINE | {"epoch": epoch} for epoch in range(1, lines + 1)]
    found = sections(query, shown, model if images else None, log)
    assert all(section.blocks for section in found)
    write_page(tmp_path / "page.html", "Small", "", found)


@pytest.mark.parametrize("queries", [[0], [0, 1], [0, 0, 0], [0, 1, 0, 1, 0, 1]])
@pytest.mark.parametrize("images", [True, False])
def test_the_smallest_sets_have_every_section(model: ReIDModel, queries: list[int], images: bool) -> None:
    query = Embeddings(np.eye(3)[queries], queries, [0] * len(queries))
    people = sorted(set(queries))
    gallery = Embeddings(np.eye(3)[people], people, [1] * len(people))
    found = {section.title: section for section in sections(query, gallery, model if images else None, [LINE])}
    assert len(found) == (8 if images else 6) + (len(people) > 1)
    groups = [block for block in found["What it finds"].blocks if isinstance(block, Tiles)]
    shown = [row for block in groups for row in block.rows]
    assert len(shown) == len({row.title for row in shown}) == min(len(queries), 3 * len(people))
    assert (groups[0].title == "") is (len(groups) == 1)


def test_without_images_tiles_say_names_and_still_what_is_right(model: ReIDModel) -> None:
    query = Embeddings(np.eye(3)[[0, 1]], [0, 1], [0, 0])
    gallery = Embeddings(np.eye(3)[[0, 1, 1]], [0, 1, -1], [1, 1, 1])
    named = ImageGallery(query, names=["a/0.jpg", "a/1.jpg"])
    lists = ranked_lists(query, gallery, [1], metric="cosine", same_camera="exclude")
    section = showing.strips_section({"Best": lists}, named, ImageGallery(gallery), [0.5, 1.0], {1: "occluded"})
    (block,) = section.blocks
    assert isinstance(block, Tiles)
    (row,) = block.rows
    assert row.title == "a/1.jpg"
    assert row.note.startswith("occluded · person 1")
    assert row.tiles == [
        Tile("a/1.jpg", "query", "query\nperson 1"),
        Tile("row 1", "right", "1\nperson 1\ncam. 1"),
        Tile("row 0", "wrong", "2\nperson 0\ncam. 1"),
    ]
