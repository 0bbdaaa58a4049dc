import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, average_tracks, evaluate, identify, normalised, reassociate


def tracked(rng: np.random.Generator, *, junk: bool = True) -> tuple[Embeddings, np.ndarray]:  # type: ignore[type-arg]
    """Images of tracks in any order, and their frames."""
    tracks = int(rng.integers(1, 9))
    number = rng.permutation(100)[:tracks]
    person = rng.integers(-1 if junk else 0, 4, tracks)
    person[0] = abs(person[0])
    camera = rng.integers(0, 2, tracks)
    began = rng.integers(0, 60, tracks)
    row = rng.permutation(np.arange(tracks).repeat(rng.integers(1, 4, tracks)))
    features = 6 * rng.integers(-2, 3, (len(row), 3))  # means of up to three are whole, so that ties are exact
    frame = began[row] + rng.integers(0, 20, len(row))
    return Embeddings(features, person[row], camera[row], track=number[row]), frame


def mean_tracks(images: Embeddings, weights: list[float]) -> dict[int, tuple[int, int, list[float]]]:
    """Person, camera and weighted mean of each track, by loops in float64."""
    assert images.track is not None
    found: dict[int, tuple[int, int, list[float]]] = {}
    for track in sorted(set(images.track[images.person != -1].tolist())):
        rows = [row for row in range(len(images)) if images.track[row] == track]
        total = sum(weights[row] for row in rows)
        mean = [sum(weights[row] * float(images.features[row, d]) for row in rows) / total for d in range(3)]
        found[track] = int(images.person[rows[0]]), int(images.camera[rows[0]]), mean
    return found


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), weighted=st.booleans())
def test_a_track_is_the_weighted_mean_of_its_images(seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    images, _ = tracked(rng)
    weights = rng.random(len(images)) + 0.01 if weighted else np.ones(len(images))
    found = average_tracks(images, weights if weighted else None)
    expected = mean_tracks(images, weights.tolist())
    assert found.track is not None
    assert found.track.tolist() == list(expected)
    assert found.person.tolist() == [person for person, _, _ in expected.values()]
    assert found.camera.tolist() == [camera for _, camera, _ in expected.values()]
    np.testing.assert_allclose(found.features, [mean for _, _, mean in expected.values()], atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), gap=st.integers(1, 40))
def test_people_are_found_again_among_tracks_that_ended_before(seed: int, gap: int) -> None:
    rng = np.random.default_rng(seed)
    images, frame = tracked(rng)
    pieces = cut_by_hand(images, frame, gap)
    means = mean_tracks(pieces, [1.0] * len(images))
    assert pieces.track is not None
    frames = {track: [int(f) for f, t in zip(frame, pieces.track, strict=True) if t == track] for track in means}
    expected = []
    for track, (person, camera, mean) in means.items():
        earlier = [
            (math.dist(mean, other_mean), other, other_person)
            for other, (other_person, other_camera, other_mean) in means.items()
            if other_camera == camera and min(frames[track]) - max(frames[other]) >= gap
        ]
        if earlier:
            best = min(earlier)
            expected.append((person, any(one[2] == person for one in earlier), best[0], best[2] == person))
    found = reassociate(images, frame, gap, metric="euclidean", memory_mb=0.01)
    assert found.person.tolist() == [person for person, _, _, _ in expected]
    assert found.enrolled.tolist() == [known for _, known, _, _ in expected]
    np.testing.assert_allclose(found.nearest, [far for _, _, far, _ in expected], atol=1e-4)
    assert found.right.tolist() == [right for _, _, _, right in expected]


def cut_by_hand(images: Embeddings, frame: np.ndarray, gap: int) -> Embeddings:  # type: ignore[type-arg]
    """Tracks cut where they pause, walking along each of them."""
    assert images.track is not None
    piece, number = [-1] * len(images), -1
    for track in sorted(set(images.track.tolist())):
        rows = sorted((int(frame[row]), row) for row in range(len(images)) if images.track[row] == track)
        last = None
        for at, row in rows:
            number += last is None or at - last >= gap
            last = at
            piece[row] = number
    return Embeddings(images.features, images.person, images.camera, track=piece)


def test_who_keeps_a_number_over_a_pause_is_still_searched() -> None:
    images = Embeddings([[0.0], [0.2], [5.0], [0.1]], [1, 1, 2, 1], [0] * 4, track=[7, 7, 8, 7])
    found = reassociate(images, [0, 1, 2, 50], 30, metric="euclidean")
    assert (found.person.tolist(), found.detection_rate(1)) == ([1], 1)
    none = reassociate(images, [0, 1, 2, 50], 50)
    assert len(none.person) == 0
    assert math.isnan(none.detection_rate(1))
    assert math.isnan(none.fnir(0.5))


def test_whoever_comes_back_is_found_or_missed() -> None:
    person, track, frame = [1, 1, 2, 1, 3], [0, 0, 1, 2, 3], np.array([0, 5, 8, 20, 30])
    images = Embeddings([[0.0], [2.0], [5.0], [2.0], [4.9]], person, [0] * 5, track=track)
    found = reassociate(images, frame, 10, metric="euclidean")
    assert found.person.tolist() == [1, 3]  # nothing ended 10 frames before the others began
    assert found.enrolled.tolist() == [True, False]
    assert found.detection_rate(1) == 1
    assert found.threshold(0) == pytest.approx(0.1)  # the newcomer looks like person 2
    assert found.fnir(0) == 1
    other_camera = Embeddings(images.features, person, [0, 0, 0, 1, 0], track=track)
    assert reassociate(other_camera, frame, 10, metric="euclidean").person.tolist() == [3]
    assert reassociate(images, frame, 12, metric="euclidean").enrolled.tolist() == [True, False]
    assert reassociate(images, frame, 15, metric="euclidean").enrolled.tolist() == [True, False]
    assert reassociate(images, frame, 16, metric="euclidean").enrolled.tolist() == [False]


def test_tracks_are_evaluated_and_identified_like_images() -> None:
    rng = np.random.default_rng(0)
    middle = rng.normal(size=(30, 8))
    person = np.arange(30).repeat(6)

    def side(camera: int) -> Embeddings:
        features = middle[person] + 1.2 * rng.normal(size=(180, 8))
        return Embeddings(features, person, np.full(180, camera), track=person + 100 * camera)

    query, gallery = side(0), side(1)
    tracks = average_tracks(normalised(query)), average_tracks(normalised(gallery))
    assert evaluate(*tracks).mean_ap > evaluate(query, gallery).mean_ap + 0.1
    known = gallery.take(gallery.person < 15)
    assert identify(tracks[0], average_tracks(known)).fnir(0.1) < identify(query, known).fnir(0.1)


def images_with(**changed: Any) -> Embeddings:
    columns: dict[str, Any] = {"person": [1, 1, 2], "camera": [0, 0, 0], "track": [4, 4, 5], **changed}
    return Embeddings([[1.0], [2.0], [3.0]], columns["person"], columns["camera"], track=columns["track"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"track": None}, "have no tracks"),
        ({"track": [4, -1, -3]}, r"2 of 3 images have no track .*such as row 1"),
        ({"person": [1, 3, 2]}, r"Track 4 is of two people, 1 \(row 0\) and 3 \(row 1\)"),
        ({"camera": [0, 7, 0]}, r"Track 4 is of two cameras, 0 \(row 0\) and 7 \(row 1\)"),
        ({"person": [-1, -1, -1]}, "all are junk"),
    ],
)
def test_what_is_no_track_is_refused(changed: dict[str, Any], message: str) -> None:
    for ask in (average_tracks, lambda images: reassociate(images, [1, 2, 3], 1)):
        with pytest.raises(InputError, match=message):
            ask(images_with(**changed))


def test_weights_frames_and_gaps_that_are_none_are_refused() -> None:
    weights: Any
    for weights, message in (
        ([1, 2], r"weights are int64 \[2\]"),
        ([1, 2, -1], "weight of row 2 is -1"),
        ([1, math.nan, 1], "weight of row 1 is nan"),
        (["a", "b", "c"], "weights are <U1"),
        ([0, 0, 1], "weights of track 4 are all 0"),
    ):
        with pytest.raises(InputError, match=message):
            average_tracks(images_with(), weights)
    for frame in ([1, 2], [1.5, 2, 3], [[1, 2, 3]]):
        with pytest.raises(InputError, match="give a whole number for each of 3 images"):
            reassociate(images_with(), frame, 1)
    with pytest.raises(InputError, match="gap is 0"):
        reassociate(images_with(), [1, 2, 3], 0)
    assert average_tracks(images_with(), [0, 1, 1]).features.tolist() == [[2.0], [3.0]]


def test_junk_may_have_any_track() -> None:
    found = average_tracks(images_with(person=[-1, 1, 2], track=[-1, 4, 5]))
    assert found.features.tolist() == [[2.0], [3.0]]


def test_embeddings_keep_their_tracks_and_older_files_have_none(tmp_path: Path) -> None:
    images = images_with()
    assert images.take(np.array([2, 0])).track.tolist() == [5, 4]  # type: ignore[union-attr]
    assert normalised(images).track.tolist() == [4, 4, 5]  # type: ignore[union-attr]
    images.save(tmp_path / "new.npz")
    assert Embeddings.load(tmp_path / "new.npz").track.tolist() == [4, 4, 5]  # type: ignore[union-attr]
    np.savez(tmp_path / "old.npz", features=np.ones((2, 1)), person=[1, 2], camera=[0, 0])
    assert Embeddings.load(tmp_path / "old.npz").track is None
    with pytest.raises(InputError, match="3 rows of features but 2 values of track"):
        images_with(track=[1, 2])
    with pytest.raises(InputError, match="array track has values that are not whole"):
        images_with(track=[1, 2, 0.5])
