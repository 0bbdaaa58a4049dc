"""What every gallery promises, whatever keeps its rows: added once, searched exactly, erased; and what is refused."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, find_nearest
from strongreid.gallery import Gallery
from tests.gallery.galleries import MODEL, Crowd, crowd, plain_distances
from tests.gallery.writers import add_once, started

Opened = Callable[..., Gallery]


@pytest.fixture
def filled(address: str) -> tuple[Gallery, Crowd]:
    people = crowd(300)
    gallery = Gallery.open(address)
    for rows in (slice(0, 100), slice(100, 101), slice(101, 300)):
        gallery.add(people.features[rows], model=MODEL, **people.columns(rows))
    return gallery, people


def test_rows_are_added_once_and_their_people_can_change(filled: tuple[Gallery, Crowd], address: str) -> None:
    gallery, people = filled
    columns = people.columns()
    assert gallery.stats().count == 300
    again = gallery.add(people.features, model=MODEL, **columns)
    assert (again.added, again.updated, again.known) == (0, 0, 300)
    columns["person"] = np.where(np.arange(300) == 7, 99, people.person)
    changed = Gallery.open(address).add(people.features, model=MODEL, **columns)
    assert (changed.added, changed.updated, changed.known) == (0, 1, 299)
    columns["person"] = None  # nobody knows: that is not another person
    assert gallery.add(people.features, model=MODEL, **columns).known == 300
    hits = Gallery.open(address).search(people.features[[7]], 1)
    assert hits.person[0, 0] == 99
    assert hits.path[0, 0] == people.path[7]
    assert gallery.stats().count == 300


def test_what_another_process_has_made_is_there(address: str) -> None:
    writer = started(add_once, address)
    writer.join()
    assert writer.exitcode == 0
    gallery, people = Gallery.open(address), crowd(40, 8, seed=6)
    assert gallery.search(people.features[:3], 1).path[:, 0].tolist() == people.path[:3]
    assert gallery.add(people.features, model=MODEL, **people.columns()).known == 40
    assert gallery.erase(person=1).count == (people.person == 1).sum()


@pytest.mark.parametrize("change", ["camera", "time", "track", "path", "features"])
def test_a_row_is_another_one_where_anything_but_the_person_differs(folder: str, change: str) -> None:
    gallery = Gallery.open(folder)
    row: dict[str, Any] = {"camera": 1, "time": 5.0, "track": 2, "path": "a.jpg", "features": np.ones((1, 4))}
    other = {"camera": 2, "time": 5.000001, "track": 3, "path": "b.jpg", "features": np.full((1, 4), 1 + 2**-23)}
    gallery.add(**row, model=MODEL, person=1)
    assert gallery.add(**{**row, change: other[change]}, model=MODEL, person=1).added == 1
    assert gallery.stats().count == 2


def test_the_same_row_twice_in_one_call_is_one(address: str) -> None:
    gallery = Gallery.open(address)
    added = gallery.add(np.ones((3, 4)), model=MODEL, person=[1, 2, 3])
    assert added.added == 1
    assert gallery.search(np.ones((1, 4)), 1).person.tolist() == [[3]]
    gallery.add(np.full((3, 4), 2.0), model=MODEL, person=np.array([4, 5, None], dtype=object))
    assert gallery.search(np.full((1, 4), 2.0), 1, "person != 3").person.tolist() == [[5]]  # nobody is made unknown


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_search_ranks_as_find_nearest_does(address: str, metric: Any) -> None:
    people = crowd(700, seed=3)
    gallery = Gallery.open(address, metric=metric)
    query = np.concatenate([people.features[:5], crowd(7, seed=4).features])
    for rows in (slice(0, 300), slice(300, 301), slice(301, 700)):
        gallery.add(people.features[rows], model=MODEL, **people.columns(rows))
        stop = rows.stop
        hits = gallery.search(query, 20)
        expected = find_nearest(
            Embeddings(query, np.zeros(len(query)), np.zeros(len(query))),
            Embeddings(people.features[:stop], np.zeros(stop), np.zeros(stop)),
            20,
            metric=metric,
            same_camera="include",
        )
        assert hits.path.tolist() == [[people.path[row] for row in found] for found in expected.index.tolist()]
        np.testing.assert_allclose(hits.distance**2, expected.distance**2, atol=2e-5)
        plain = np.sort(plain_distances(query, people.features[:stop], metric))[:, :20]
        np.testing.assert_allclose(hits.distance**2, plain**2, atol=2e-5)  # as far as float32 goes
    assert hits.camera.tolist() == people.camera[expected.index].tolist()
    assert hits.person.tolist() == people.person[expected.index].tolist()
    assert hits.track.tolist() == people.track[expected.index].tolist()
    assert hits.time.tolist() == (people.time[expected.index] * 10**6).tolist()


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("camera != 3", lambda p, row, camera: p.camera[row] != 3),
        ("camera = query", lambda p, row, camera: p.camera[row] == camera),
        (
            "camera != query and person in (1, 2)",
            lambda p, row, camera: p.camera[row] != camera and p.person[row] in (1, 2),
        ),
        (
            "time > 2023-11-14T23:00 or track = 3",
            lambda p, row, camera: p.time[row] > 1_700_002_800 or p.track[row] == 3,
        ),
        ("not (track < 3 or camera == 1)", lambda p, row, camera: not (0 <= p.track[row] < 3 or p.camera[row] == 1)),
        ("person = 77", lambda p, row, camera: False),
    ],
)
def test_conditions_leave_rows_out(filled: tuple[Gallery, Crowd], where: str, holds: Callable[..., bool]) -> None:
    gallery, people = filled
    query, cameras = crowd(4, seed=9).features, [1, 2, 3, 1]
    hits = gallery.search(query, 12, where=where, camera=cameras)
    distances = plain_distances(query, people.features, "cosine")
    for row, camera in enumerate(cameras):
        ranked = sorted(range(300), key=lambda one: (distances[row, one], one))
        expected = [people.path[one] for one in ranked if holds(people, one, camera)][:12]
        padding = [""] * (12 - len(expected))
        assert hits.path[row].tolist() == expected + padding
        assert np.isinf(hits.distance[row, len(expected) :]).all()
        assert (hits.person[row, len(expected) :] == -1).all()
        assert (hits.camera[row, len(expected) :] == -1).all()


@pytest.mark.parametrize("word", ["and", "or"])
def test_a_condition_may_be_as_long_as_a_condition_may_be(filled: tuple[Gallery, Crowd], word: str) -> None:
    gallery, people = filled
    long = f" {word} ".join(["camera=1"] * 140)
    assert len(long) > 1500
    assert set(gallery.search(people.features[:1], 20, f"{long} {word} camera=1").camera[0].tolist()) == {1}


def test_a_copy_is_found_where_its_original_is_left_out(filled: tuple[Gallery, Crowd]) -> None:
    gallery, people = filled
    first, second = 1, 150
    assert (people.features[first] == people.features[second]).all()
    hits = gallery.search(people.features[[first]], 2)
    assert hits.path[0].tolist() == [people.path[first], people.path[second]]
    later = gallery.search(people.features[[first]], 1, where="time > 2023-11-14T22:30")
    assert later.path[0, 0] == people.path[second]


def test_fewer_rows_than_asked_for_leave_places_empty(filled: tuple[Gallery, Crowd]) -> None:
    gallery, people = filled
    hits = gallery.search(people.features[:2], 500)
    assert hits.distance.shape == hits.person.shape == hits.path.shape == (2, 500)
    assert np.isfinite(hits.distance[:, :300]).all()
    assert (hits.path[:, 300:] == "").all()
    assert (np.diff(hits.distance[:, :300]) >= 0).all()
    assert gallery.search(np.empty((0, 16)), 3).distance.shape == (0, 3)


def test_a_track_is_found_once(filled: tuple[Gallery, Crowd]) -> None:
    gallery, people = filled
    query = crowd(2, seed=5).features
    hits = gallery.search(query, 25, by="track")
    distances = plain_distances(query, people.features, "cosine")
    for row in range(2):
        seen, expected = set[tuple[int, int]](), list[str]()
        for one in sorted(range(300), key=lambda one: (distances[row, one], one)):
            track = (int(people.camera[one]), int(people.track[one]))
            if track[1] == -1 or track not in seen:
                expected.append(people.path[one])
            seen.add(track)
        assert hits.path[row].tolist() == expected[:25]
    assert (gallery.search(query, 299, by="track").path[:, -1] == "").all()


def test_more_than_a_database_returns_is_refused_and_not_left_out(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, features = Gallery.open(address), np.ones((62, 4), dtype=np.float32)
    features[:, 1] = np.arange(62) / 62
    gallery.add(features, model=MODEL, camera=1, track=[1] * 60 + [2, 3], path=list(map(str, range(62))))
    unlimited = gallery.search(features[:1], 2, by="track").path.tolist()
    assert unlimited == [["0", "60"]]
    for most, tracks in ((40, None), (61, unlimited), (62, unlimited), (64, unlimited)):
        monkeypatch.setattr(type(gallery.store), "most_found", most)
        assert gallery.search(features[:1], min(most, 62)).path.tolist() == [list(map(str, range(min(most, 62))))]
        with pytest.raises(InputError, match=f"from 1 to {most}, all that .* returns"):
            gallery.search(features[:1], most + 1)
        if tracks is None:
            with pytest.raises(InputError, match=r"The 40 nearest rows, .* hold 1 of 2 tracks"):
                gallery.search(features[:1], 2, by="track")
        else:
            assert gallery.search(features[:1], 2, by="track").path.tolist() == tracks
    assert gallery.search(features[:1], 4, by="track").path.tolist() == [["0", "60", "61", ""]]


def test_what_a_gallery_returns_at_most(address: str) -> None:
    gallery = Gallery.open(address)
    gallery.add(np.eye(3, 4), model=MODEL)
    with pytest.raises(
        InputError, match="16,384, all" if "://" in address or address.endswith(".db") else "1,000,000.$"
    ):
        gallery.search(np.eye(1, 4), 1_000_001)


def test_features_are_looked_through_once(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, square = list[int](), torch.Tensor.square

    def counted(rows: torch.Tensor) -> torch.Tensor:
        looked.append(len(rows))
        return square(rows)

    monkeypatch.setattr(torch.Tensor, "square", counted)
    Gallery.open(folder).add(np.eye(3, 16), model=MODEL)
    assert looked == [3]


def test_what_is_not_known_stays_unknown(address: str) -> None:
    gallery = Gallery.open(address)
    gallery.add(np.eye(3, 4), model=MODEL, person=[1, None, 2], time=[None, float("nan"), "2026-01-01"])
    hits = gallery.search(np.eye(3, 4), 1)
    assert hits.person[:, 0].tolist() == [1, -1, 2]
    assert hits.camera[:, 0].tolist() == [-1, -1, -1]
    assert hits.path[:, 0].tolist() == ["", "", ""]
    assert np.isnat(hits.time.view("datetime64[us]")[:, 0]).tolist() == [True, True, False]
    assert gallery.search(np.eye(3, 4), 3, where="time < 2030-01-01").person.tolist() == [[2, -1, -1]] * 3


def test_erasing_a_person_a_track_and_what_is_old(filled: tuple[Gallery, Crowd], address: str) -> None:
    gallery, people = filled
    of_person = int((people.person == 2).sum())
    assert gallery.erase(person=2, dry_run=True).count == of_person
    assert gallery.stats().count == 300
    assert gallery.erase(person=2).count == of_person
    assert gallery.erase(person=2).count == 0
    kept = people.person != 2
    assert gallery.stats().count == kept.sum()
    hits = Gallery.open(address).search(people.features[:3], 300)
    assert set(hits.path[0].tolist()) == {""} | {people.path[row] for row in np.flatnonzero(kept)}
    kept &= people.track != 4
    gallery.erase(track=4)
    assert gallery.stats().count == kept.sum()
    gallery.add(np.ones((2, 16)), model=MODEL, time=[datetime.now(UTC) - timedelta(days=31), None])
    assert gallery.erase(older_than="30d").count == kept.sum() + 1
    assert gallery.stats().count == 1  # the one without a time was added a moment ago
    assert gallery.erase(older_than=timedelta(0)).count == 1
    assert (gallery.search(people.features[:1], 2).path == "").all()
    assert gallery.add(people.features[:1], model=MODEL).added == 1


def test_a_moment_of_any_year_and_any_length_of_time_bound_what_is_erased(folder: str) -> None:
    years = (1, 1950, 1960, 1970, 2026, 9999)
    gallery = Gallery.open(folder)
    gallery.add(np.eye(7), model=MODEL, time=[*(datetime(year, 6, 1, tzinfo=UTC) for year in years), None])
    for limit in (*(datetime(year, 1, 1, tzinfo=UTC) for year in years), datetime.max.replace(tzinfo=UTC)):
        older = sum(datetime(year, 6, 1, tzinfo=UTC) < limit for year in years)
        assert gallery.erase(older_than=limit, dry_run=True).count == older + (limit.year == 9999)
    assert gallery.erase(older_than=timedelta.max, dry_run=True).count == 0
    assert gallery.erase(older_than="999999w", dry_run=True).count == 0
    assert gallery.erase(older_than=datetime(1955, 1, 1, tzinfo=UTC)).count == 2
    assert gallery.erase(older_than=datetime.max.replace(tzinfo=UTC)).count == 5
    assert gallery.stats().count == 0


def test_thumbnails_and_paths_of_rows(address: str) -> None:
    gallery = Gallery.open(address)
    gallery.add(np.eye(3, 4), model=MODEL, path=["a", None, "c"], person=[4, 5, 6], thumbnail=[b"one", b"two", None])
    hits = gallery.search(np.eye(3, 4), 1)
    assert gallery.thumbnails(hits.key[:, 0].tolist()) == {hits.key[0, 0]: b"one", hits.key[1, 0]: b"two"}
    known = gallery.known_paths()
    assert {path: (row.key, row.person) for path, row in known.items()} == {
        "a": (hits.key[0, 0], 4),
        "c": (hits.key[2, 0], 6),
    }
    gallery.relabel([hits.key[0, 0]], [40])
    assert gallery.search(np.eye(3, 4), 1).person[:, 0].tolist() == [40, 5, 6]
    assert gallery.thumbnails([hits.key[0, 0]]) == {hits.key[0, 0]: b"one"}
    with pytest.raises(InputError, match="no key of a row"):
        gallery.thumbnails(["' or 1 = 1 --"])


def test_a_gallery_is_of_one_model(filled: tuple[Gallery, Crowd]) -> None:
    gallery, people = filled
    with pytest.raises(InputError, match="another model"):
        gallery.add(people.features, model="b" * 64)
    with pytest.raises(InputError, match="another model"):
        gallery.search(people.features[:1], model="b" * 64)
    with pytest.raises(InputError, match="15 wide"):
        gallery.add(people.features[:, :15], model=MODEL)
    with pytest.raises(InputError, match="17 wide"):
        gallery.search(np.ones((1, 17)))
    with pytest.raises(InputError, match="by cosine, not euclidean"):
        Gallery.open(gallery.address, metric="euclidean")
    assert gallery.stats().count == 300


def nothing_there(address: str) -> Iterator[Callable[[Gallery], object]]:
    yield lambda gallery: gallery.search(np.ones((1, 4)))
    yield lambda gallery: gallery.erase(person=1)
    yield lambda gallery: gallery.compact()


def test_where_nothing_was_added_there_is_no_gallery_yet(address: str) -> None:
    gallery = Gallery.open(address)
    for work in nothing_there(address):
        with pytest.raises(InputError, match="no gallery"):
            work(gallery)
    assert gallery.stats().count == 0
    assert gallery.add(np.empty((0, 4)), model=MODEL).added == 0
    assert not Path(address).is_dir() or address.endswith(".db")  # which Milvus Lite makes at once


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"features": [[1.0, float("nan")]]}, "not finite"),
        ({"features": [1.0, 2.0]}, "shape"),
        ({"features": [["a", "b"]]}, "dtype"),
        ({"features": np.empty((1, 0))}, "width"),
        ({"model": ""}, "fingerprint"),
        ({"person": [1, 2]}, "shape"),
        ({"person": -2}, "from 0"),
        ({"camera": 1.5}, "whole numbers"),
        ({"camera": ""}, "no name"),
        ({"camera": [" "]}, "no name"),
        ({"camera": "a\0b"}, "NUL"),
        ({"camera": "a\udcff"}, "UTF-8"),
        ({"track": "ü" * 257}, "512 bytes"),
        ({"person": b"anna"}, "whole numbers"),
        ({"person": "-2"}, "from 0"),
        ({"person": "99999999999999999999"}, "from 0"),
        ({"person": ["anna", "ben"]}, "shape"),
        ({"person": [["anna"]]}, "shape"),
        ({"person": 2**64 - 1}, "from 0"),
        ({"person": 1e300}, "whole numbers"),
        ({"person": np.array([b"a"], dtype=object)}, "whole numbers"),
        ({"model": "a\udcff"}, "fingerprint"),
        ({"track": [[1]]}, "shape"),
        ({"time": "yesterday"}, "no time"),
        ({"time": [1.0, 2.0]}, "shape"),
        ({"time": 1e300}, "no time"),
        ({"path": ["a", "b"]}, "values of path"),
        ({"path": [3]}, "no text"),
        ({"path": "a\0b"}, "NUL"),
        ({"path": "a\udcff"}, "UTF-8"),
        ({"path": "a" * 5000}, "4096"),
        ({"thumbnail": b"jpeg"}, "thumbnail"),
        ({"thumbnail": ["jpeg"]}, "thumbnail"),
        ({"thumbnail": [b"0" * (2**20 + 1)]}, "thumbnail"),
    ],
)
def test_rows_that_are_none_are_refused(folder: str, wrong: dict[str, Any], message: str) -> None:
    gallery = Gallery.open(folder)
    with pytest.raises(InputError, match=message):
        gallery.add(**{"features": np.ones((1, 2)), "model": MODEL, **wrong})
    assert gallery.stats().count == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": True}, "k is True"),
        ({"k": 2**70}, "k is"),
        ({"where": {"camera": 3}}, "where is"),
        ({"model": 3}, "fingerprint"),
        ({"features": [[float("inf")] * 16]}, "not finite"),
        ({"where": "camera != 3; drop table gallery"}, "cannot be read"),
        ({"where": "camera != query"}, "camera of the query"),
        ({"camera": [1, 2]}, "shape"),
        ({"by": "person"}, "image"),
    ],
)
def test_searches_that_are_none_are_refused(folder: str, wrong: dict[str, Any], message: str) -> None:
    gallery = Gallery.open(folder)
    gallery.add(np.eye(3, 16), model=MODEL)
    with pytest.raises(InputError, match=message):
        gallery.search(**{"features": np.ones((1, 16)), **wrong})


@pytest.mark.parametrize(
    "what", [{}, {"person": 1, "track": 2}, {"person": -1}, {"older_than": "soon"}, {"older_than": 5}, {"person": 1.5}]
)
def test_erasures_that_are_none_are_refused(folder: str, what: dict[str, Any]) -> None:
    gallery = Gallery.open(folder)
    gallery.add(np.eye(3, 16), model=MODEL)
    with pytest.raises(InputError):
        gallery.erase(**what)
    assert gallery.stats().count == 3


def test_features_of_any_kind_are_kept_as_float32(folder: str) -> None:
    gallery = Gallery.open(folder)
    values = np.array([[1.5, -2.25], [0.1, 7.0]])
    for kind in (values, values.tolist(), torch.tensor(values), values.astype(np.float32)):
        gallery.add(kind, model=MODEL)
    assert gallery.stats().count == 2
