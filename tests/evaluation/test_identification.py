import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, Identification, evaluate, identify
from strongreid.evaluation.identification_result import count_within

RATES = (0.0, 0.01, 0.1, 0.25, 1 / 3, 0.5, 0.7, 0.99, 1.0)


def searched(query: Embeddings, gallery: Embeddings, metric: str, same_camera: str) -> list[tuple[bool, float, bool]]:
    """Of each search that counts whether its person is enrolled, the distance of rank 1 and whether it is right."""
    found = []
    people = [person for person in gallery.person.tolist() if person != -1]
    for q in range(len(query)):
        person, best, matches = int(query.person[q]), (math.inf, -1), 0
        for g in range(len(gallery)):
            if gallery.person[g] == -1:
                continue
            if gallery.person[g] == person and gallery.camera[g] == query.camera[q] and same_camera == "exclude":
                continue
            matches += gallery.person[g] == person
            a, b = query.features[q].tolist(), gallery.features[g].tolist()
            if metric == "euclidean":
                far = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
            else:
                norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
                far = 1 - (sum(x * y for x, y in zip(a, b, strict=True)) / norms if norms else 0)
            best = min(best, (far, g))
        if person == -1 or (person in people and not matches):
            continue
        found.append((person in people, best[0], int(gallery.person[best[1]]) == person))
    return found


def expected_rates(searches: list[tuple[bool, float, bool]], rate: float) -> tuple[float, float, float]:
    """Threshold, FPIR and FNIR at a wanted FPIR; k of n by exact fractions of the decimal number that is meant."""
    unknown = sorted(far for enrolled, far, _ in searches if not enrolled)
    k = math.floor(Fraction(str(rate)) * len(unknown)) if rate != 1 / 3 else len(unknown) // 3
    if rate == 1:
        threshold = math.inf
    elif not unknown:
        return math.nan, math.nan, math.nan
    else:
        threshold = unknown[k]
    accepted = [far < threshold for far in unknown]
    missed = [not (right and far < threshold) for enrolled, far, right in searches if enrolled]
    return threshold, share(accepted), share(missed)


def share(answers: list[bool]) -> float:
    return sum(answers) / len(answers) if answers else math.nan


def small_sets(rng: np.random.Generator, *, whole: bool) -> tuple[Embeddings, Embeddings]:
    """Whole-numbered features tie often, and exactly."""
    sides = []
    for count, people in ((rng.integers(1, 16), (-1, 7)), (rng.integers(1, 12), (-1, rng.integers(1, 7)))):
        person = rng.integers(*people, count)
        if len(sides) == 1:
            person[0] = abs(person[0])  # junk alone is refused
        features = rng.integers(-2, 3, (count, 3)) if whole else rng.normal(size=(count, 3))
        sides.append(Embeddings(features, person, rng.integers(0, 3, count)))
    return sides[0], sides[1]


def agrees(query: Embeddings, gallery: Embeddings, metric: Any, same_camera: Any) -> None:
    searches = searched(query, gallery, metric, same_camera)
    if not searches:
        with pytest.raises(InputError, match="No search can be counted"):
            identify(query, gallery, metric=metric, same_camera=same_camera)
        return
    found = identify(query, gallery, metric=metric, same_camera=same_camera, memory_mb=0.01)
    assert found.enrolled.tolist() == [enrolled for enrolled, _, _ in searches]
    assert found.right.tolist() == [right for _, _, right in searches]
    np.testing.assert_allclose(found.nearest, [far for _, far, _ in searches], atol=2e-4)
    expected = np.array([expected_rates(searches, rate) for rate in RATES])
    np.testing.assert_allclose(found.threshold(RATES), expected[:, 0], atol=2e-4)
    np.testing.assert_allclose(found.fnir(np.array(RATES)), expected[:, 2], atol=1e-12)
    np.testing.assert_allclose(found.detection_rate(RATES), 1 - expected[:, 2], atol=1e-12)
    points = found.at(found.threshold(RATES))
    np.testing.assert_allclose(points.fpir, expected[:, 1], atol=1e-12)
    assert not (points.fpir > np.array(RATES)).any()


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), same_camera=st.sampled_from(["include", "exclude"]))
def test_rates_are_those_of_plain_loops_with_ties(seed: int, same_camera: str) -> None:
    agrees(*small_sets(np.random.default_rng(seed), whole=True), "euclidean", same_camera)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), metric=st.sampled_from(["cosine", "euclidean"]))
def test_rates_are_those_of_plain_loops_for_any_features(seed: int, metric: str) -> None:
    agrees(*small_sets(np.random.default_rng(seed), whole=False), metric, "include")


def test_thousands_of_searches_and_rates_agree_with_plain_loops() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3000):
        count = int(rng.integers(1, 30))
        enrolled = rng.random(count) < rng.choice([0.0, 0.5, 1.0])
        right = enrolled & (rng.random(count) < 0.7)
        nearest = rng.integers(0, 6, count).astype(np.float64)
        found = Identification("", "cosine", np.arange(count), enrolled, nearest, right)
        searches = list(zip(enrolled.tolist(), nearest.tolist(), right.tolist(), strict=True))
        rate = float(rng.choice(RATES))
        threshold, fpir, fnir = expected_rates(searches, rate)
        assert found.fnir(rate) == fnir or (math.isnan(found.fnir(rate)) and math.isnan(fnir))
        assert found.detection_rate(rate) == pytest.approx(1 - fnir, nan_ok=True)
        assert found.threshold(rate) == threshold or math.isnan(threshold)
        curve = found.curve()
        assert np.isnan(curve.fpir).all() or curve.fpir[-1] == 1
        for limit, accepted in zip(curve.threshold, curve.fpir, strict=True):
            assert math.isnan(accepted) or accepted == share([far < limit for known, far, _ in searches if not known])
        if not math.isnan(fpir):
            assert fpir in curve.fpir


@given(k=st.integers(0, 400), total=st.integers(1, 400))
@settings(max_examples=300, deadline=None)
def test_a_rate_of_k_in_n_accepts_k_of_n_however_it_is_written(k: int, total: int) -> None:
    k = min(k, total)
    just_below = np.nextafter(k / total, -1)
    found = count_within(np.array([k / total, max(just_below, 0.0)]), total)
    assert found.tolist() == [k, max(k - 1, 0)]


def test_decimal_rates_count_as_they_are_written() -> None:
    assert math.floor(0.7 * 90) == 62
    assert count_within(np.array([0.7, 0.29, 0.57]), 90).tolist() == [63, 26, 51]
    assert count_within(np.array([0.29, 0.57, 0.58]), 100).tolist() == [29, 57, 58]
    nearest = np.arange(100.0)
    found = Identification("", "cosine", np.arange(100), np.zeros(100, bool), nearest, np.zeros(100, bool))
    assert found.threshold(0.29) == 29
    assert found.at(29).fpir.tolist() == [0.29]


def test_one_person_one_image_and_what_is_known_of_a_stranger() -> None:
    gallery = Embeddings([[0.0], [10.0]], [1, 2], [0, 0])
    query = Embeddings([[1.0], [7.0], [4.0]], [1, 2, 3], [0, 0, 0])
    found = identify(query, gallery, metric="euclidean")
    assert (found.enrolled_searches, found.unknown_searches) == (2, 1)
    assert found.threshold(0) == found.threshold(0.99) == 4
    assert found.fnir(0) == 0
    assert found.threshold(1) == math.inf
    farther = identify(Embeddings([[1.0], [7.0], [12.0]], [1, 2, 3], [0, 0, 0]), gallery, metric="euclidean")
    assert farther.fnir([0, 1]).tolist() == [0.5, 0]  # the distance of person 2 is 3, of the stranger 2
    assert farther.detection_rate(0.5) == 0.5


def test_strictly_nearer_is_accepted_and_a_tie_is_not() -> None:
    gallery = Embeddings([[0.0], [10.0]], [1, 2], [0, 0])
    tied = identify(Embeddings([[3.0], [13.0]], [1, 9], [0, 0]), gallery, metric="euclidean")
    assert (tied.threshold(0), tied.fnir(0), tied.at(3).fpir.item()) == (3, 1, 0)
    assert tied.at(np.nextafter(3, 4)).fnir.item() == 0


def test_of_two_people_at_one_distance_the_first_in_the_gallery_is_rank_1_as_in_evaluate() -> None:
    query = Embeddings([[0.0], [9.0]], [1, 3], [0, 0])
    for people, missed in (((1, 2), 0), ((2, 1), 1)):
        gallery = Embeddings([[1.0], [-1.0]], people, [1, 1])
        assert identify(query, gallery, metric="euclidean").fnir(1) == missed
        assert evaluate(query, gallery, metric="euclidean").rank(1) == 1 - missed


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_searches_with_the_same_features_tie_wherever_they_stand(metric: Any) -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(size=(97, 33)).astype(np.float32)
    gallery = Embeddings(rng.normal(size=(50, 33)), np.arange(50), np.zeros(50))
    query = Embeddings(np.concatenate([one, one[::-1]]), np.arange(100, 294), np.zeros(194))
    nearest = identify(query, gallery, metric=metric).nearest
    assert np.array_equal(nearest[:97], nearest[:96:-1])


def test_without_strangers_or_without_enrolled_people_there_is_no_rate_and_nothing_is_made_up() -> None:
    gallery = Embeddings([[0.0], [10.0]], [1, 2], [0, 0])
    known = identify(Embeddings([[1.0], [9.0]], [1, 1], [0, 0]), gallery, metric="euclidean")
    assert math.isnan(known.threshold(0.1))
    assert math.isnan(known.fnir(0.1))
    assert known.fnir(1) == 0.5  # no threshold, so no stranger is needed: 1 - rank-1
    assert known.fnir([0, 1]).tolist()[1] == 0.5
    strangers = identify(Embeddings([[1.0], [8.0]], [7, 8], [0, 0]), gallery, metric="euclidean")
    assert strangers.threshold(0) == 1
    assert math.isnan(strangers.fnir(0))
    assert math.isnan(strangers.detection_rate(0.5))
    text = json.dumps([known.to_json(), strangers.to_json()], allow_nan=False)
    assert json.loads(text)[0]["at_fpir"][0] == {"wanted_fpir": 0.01, "threshold": None, "fpir": None, "fnir": None}


def test_what_cannot_be_searched_is_refused() -> None:
    side = Embeddings([[0.0], [1.0]], [1, 2], [0, 0])
    for query, gallery, message in (
        (side, Embeddings(np.zeros((0, 1)), [], []), "gallery is empty"),
        (side, Embeddings([[0.0]], [-1], [0]), "all its 1 images are junk"),
        (Embeddings(np.zeros((0, 1)), [], []), side, "no queries"),
        (Embeddings([[0.0]], [-1], [0]), side, "all 1 queries are junk"),
        (Embeddings([[0.0, 1]], [1], [0]), side, "2 wide but gallery features 1"),
        (None, side, "The query is a NoneType"),
        (side, np.zeros((2, 1)), "The gallery is a ndarray"),
    ):
        with pytest.raises(InputError, match=message):
            identify(query, gallery)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r'own camera alone.*same_camera="include"'):
        identify(side, side, same_camera="exclude")
    with pytest.raises(InputError, match="metric is 'manhattan'"):
        identify(side, side, metric="manhattan")  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan, math.inf, [0.1, 2], "0.1", None, True, [[0.1], [0.1, 0.2]], 1j])
def test_what_is_no_rate_is_refused(rate: Any) -> None:
    side = Embeddings([[0.0], [1.0]], [1, 2], [0, 0])
    found = identify(side, side)
    for ask in (found.threshold, found.fnir, found.detection_rate):
        with pytest.raises(InputError, match=r"A rate (lies in|is a number in) 0\.\.1"):
            ask(rate)


def test_rates_come_as_they_were_asked_for() -> None:
    side = Embeddings([[0.0], [1.0], [5.0]], [1, 2, 3], [0, 0, 0])
    found = identify(side, side.take(np.array([0, 1])), metric="euclidean")
    assert isinstance(found.fnir(0), float)
    assert isinstance(found.fnir(np.float32(0.5)), float)  # type: ignore[call-overload]
    assert found.fnir(np.zeros((2, 3))).shape == (2, 3)
    assert found.threshold([]).shape == (0,)


def test_a_result_is_read_back_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = identify(*small_sets(rng, whole=False))
    found.save(tmp_path / "found.npz")
    again = Identification.load(tmp_path / "found.npz")
    assert again.to_json() == found.to_json()
    arrays: dict[str, npt.NDArray[Any]] = dict(np.load(tmp_path / "found.npz"))
    damage: list[tuple[str, Any]] = [
        ("metric", np.array("manhattan")),
        ("metric", np.array([1])),
        ("protocol", np.array(3)),
        ("nearest", -arrays["nearest"] - 1),
        ("nearest", arrays["nearest"] * np.nan),
        ("nearest", arrays["nearest"].astype(np.float32)),
        ("person", arrays["person"][1:]),
        ("right", np.ones(len(arrays["right"]), dtype=np.bool_)),
        ("enrolled", arrays["enrolled"].astype(np.int64)),
    ]
    for name, value in damage:
        np.savez(tmp_path / "damaged.npz", **{**arrays, name: value})
        with pytest.raises(InputError, match=name if name != "right" else "right cannot be true"):
            Identification.load(tmp_path / "damaged.npz")


def test_features_on_another_device_are_searched_there_or_refused() -> None:
    side = Embeddings([[0.0], [1.0]], [1, 2], [0, 0])
    with pytest.raises(InputError, match="on meta"):
        identify(side, elsewhere(side))


def elsewhere(side: Embeddings) -> Embeddings:
    moved = Embeddings(side.features, side.person, side.camera)
    moved.features = torch.empty((2, 1), device="meta")
    return moved
