"""Ranked lists, recomputed by plain sorting; which queries are shown."""

from pathlib import Path

import numpy as np
import pytest

from strongreid.data import ImageTable, PackedImages
from strongreid.evaluation import Embeddings, QueryFigures, RetrievalResult, evaluate
from strongreid.evaluation.ground_truth import SameCamera
from strongreid.reports.ranked import COUNTED, MOST_LEFT_OUT, ImageGallery, pick_queries, ranked_lists, strip


def sides(people: int = 4) -> tuple[Embeddings, Embeddings]:
    rng = np.random.default_rng(0)

    def some(count: int) -> Embeddings:
        person = np.arange(count) % people
        features = np.eye(people)[person] + 0.6 * rng.normal(size=(count, people))
        return Embeddings(features, person, rng.integers(0, 2, count))

    return some(20), some(90)


@pytest.mark.parametrize("same_camera", ["exclude", "include"])
def test_lists_are_those_of_plain_sorting(same_camera: SameCamera) -> None:
    query, gallery = sides()
    rows = [3, 0, 17]
    found = ranked_lists(query, gallery, rows, metric="euclidean", same_camera=same_camera)
    distances = np.linalg.norm(query.features.numpy()[:, None] - gallery.features.numpy()[None], axis=2)
    for listed, row in zip(found, rows, strict=True):
        expected, frames, counted, left_out = [], [], 0, 0
        for index in np.argsort(distances[row], kind="stable").tolist():
            same = gallery.person[index] == query.person[row]
            if same_camera == "exclude" and same and gallery.camera[index] == query.camera[row]:
                left_out += 1
                if left_out <= MOST_LEFT_OUT:
                    expected.append(index)
                    frames.append("left_out")
                continue
            counted += 1
            expected.append(index)
            frames.append("right" if same else "wrong")
            if counted == COUNTED:
                break
        assert listed.query == row
        assert listed.gallery.tolist() == expected
        assert listed.frames == frames
        result = evaluate(query.take(np.array([row])), gallery, metric="euclidean", same_camera=same_camera)
        ranked = [frame for frame in frames if frame != "left_out"]
        assert ranked.index("right") + 1 == result.first_match_rank[0]


def test_a_small_gallery_gives_a_short_list() -> None:
    query, gallery = sides()
    few = gallery.take(np.arange(3))
    (found,) = ranked_lists(query, few, [0], metric="cosine", same_camera="include")
    assert sorted(found.gallery.tolist()) == [0, 1, 2]
    assert found.to_find == 1


def test_best_median_and_worst_queries_are_of_different_people() -> None:
    precision = np.array([0.9, np.nan, 1.0, 1.0, 0.5, 0.1, 0.2, 0.55, 0.3])
    first = np.array([1, 0, 1, 1, 2, 9, 5, 2, 3])
    person = np.array([0, 1, 2, 2, 4, 5, 5, 7, 8])
    result = RetrievalResult("", QueryFigures(precision, precision, first))
    chosen = pick_queries(result, person, 2)
    assert chosen == {"Best": [2, 0], "Median": [4, 7], "Worst": [5, 8]}


def test_no_query_is_shown_twice_where_there_are_few() -> None:
    precision = np.array([0.9, 0.5])
    chosen = pick_queries(
        RetrievalResult("", QueryFigures(precision, precision, np.array([1, 2]))), np.array([1, 2]), 3
    )
    assert sorted(row for rows in chosen.values() for row in rows) == [0, 1]


def test_a_strip_numbers_what_counts_and_names_the_files(tmp_path: Path) -> None:
    query, gallery = sides()
    albums = []
    for side, name in ((query, "q"), (gallery, "g")):
        pixels = PackedImages(np_images(len(side)))
        names = tuple(str(tmp_path / f"{name}{row}.jpg") for row in range(len(side)))
        albums.append(ImageGallery(ImageTable(names, side.person, side.camera), pixels))
    (found,) = ranked_lists(query, gallery, [5], metric="cosine", same_camera="exclude")
    row = strip(found, *albums, precision=0.25)
    assert row.title == "q5.jpg"
    assert "average precision 25.0 %" in row.note
    matches = ((gallery.person == query.person[5]) & (gallery.camera != query.camera[5])).sum()
    assert row.note.endswith(f"images to find: {matches}")
    assert [tile.frame for tile in row.tiles] == ["query", *found.frames]
    numbers = [tile.label.split("\n")[0] for tile in row.tiles[1:]]
    assert [number for number in numbers if number != "left out"] == [str(k) for k in range(1, COUNTED + 1)]
    assert numbers.count("left out") == found.frames.count("left_out") > 0
    assert row.tiles[1].picture.alt.startswith(f"g{found.gallery[0]}.jpg: person ")


def test_cameras_are_not_named_where_they_are_not_known() -> None:
    table = ImageTable(("a/b.jpg",), np.array([3]), np.array([0]))
    assert ImageGallery(table, PackedImages(np_images(1))).words(0) == "person 3"


def np_images(count: int):
    import torch

    return torch.randint(0, 255, (count, 3, 32, 16), dtype=torch.uint8)
