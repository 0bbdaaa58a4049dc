import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import (
    Embeddings,
    Identification,
    compare_misses,
    fnir_interval,
    identify,
    identify_at_sizes,
    split_enrolled,
)
from strongreid.evaluation.identification_statistics import _fnir


def people(count: int, images: int, spread: float = 0.8, seed: int = 0) -> tuple[Embeddings, Embeddings]:
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(count, 6))
    person = np.arange(count).repeat(images)
    query, gallery = (middle[person] + spread * rng.normal(size=(len(person), 6)) for _ in range(2))
    return Embeddings(query, person, np.zeros(len(person))), Embeddings(gallery, person, np.ones(len(person)))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 0.99), count=st.integers(2, 30))
def test_a_split_enrols_a_share_of_the_people_who_are_on_both_sides(seed: int, share: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    query = Embeddings(
        rng.normal(size=(60, 2)), np.r_[np.arange(count), rng.integers(-1, 40, 60 - count)], np.zeros(60)
    )
    gallery = Embeddings(
        rng.normal(size=(70, 2)), np.r_[np.arange(count), rng.integers(-1, 40, 70 - count)], np.zeros(70)
    )
    searched, enrolled = split_enrolled(query, gallery, share, seed=7)
    both = (set(query.person.tolist()) & set(gallery.person.tolist())) - {-1}
    chosen = set(enrolled.person.tolist())
    assert searched is query
    assert chosen <= both
    assert len(chosen) == min(max(round(share * len(both)), 1), len(both) - 1)
    assert len(enrolled) == sum(person in chosen for person in gallery.person.tolist())
    again = split_enrolled(query.take(np.arange(60)[::-1].copy()), gallery, share, seed=7)[1]
    assert np.array_equal(again.person, enrolled.person)  # the people decide, not the order of images


def test_seeds_draw_other_people_and_a_larger_share_holds_the_smaller() -> None:
    query, gallery = people(40, 2)
    drawn = [set(split_enrolled(query, gallery, seed=seed)[1].person.tolist()) for seed in range(5)]
    assert len({frozenset(one) for one in drawn}) == 5
    assert set(split_enrolled(query, gallery, 0.25)[1].person.tolist()) < drawn[0]


def test_a_split_of_nobody_is_refused() -> None:
    query, gallery = people(3, 1)
    for share in (0, 1, -1, 2, math.nan):
        with pytest.raises(InputError, match="share is"):
            split_enrolled(query, gallery, share)
    with pytest.raises(InputError, match="have 1 people in common; at least 2"):
        split_enrolled(query, gallery.take(gallery.person == 1))
    with pytest.raises(InputError, match="seed is -1"):
        split_enrolled(query, gallery, seed=-1)


def test_galleries_of_several_sizes_hold_one_another_and_meet_the_same_strangers() -> None:
    query, gallery = people(40, 3)
    query, gallery = split_enrolled(query, gallery, 0.75)
    found = identify_at_sizes(query, gallery, seed=3)
    assert list(found) == [3, 7, 15, 30]
    assert {one.unknown_searches for one in found.values()} == {30}
    assert [one.enrolled_searches for one in found.values()] == [9, 21, 45, 90]
    smaller: set[int] = set()
    for size, one in found.items():
        enrolled = set(one.person[one.enrolled].tolist())
        assert smaller < enrolled
        assert len(enrolled) == size
        smaller = enrolled
        plain = identify(
            query.take(np.isin(query.person, [*enrolled]) | ~np.isin(query.person, gallery.person)),
            gallery.take(np.isin(gallery.person, [*enrolled])),
        )
        assert one.to_json() == plain.to_json()
    thresholds = [one.threshold(0.1) for one in found.values()]
    assert thresholds == sorted(thresholds, reverse=True)  # the more are enrolled, the nearer the nearest stranger
    assert identify_at_sizes(query, gallery, [30])[30].to_json() == identify(query, gallery).to_json()
    for sizes in ([], [0], [31]):
        with pytest.raises(InputError, match="give numbers of people from 1 to 30"):
            identify_at_sizes(query, gallery, sizes)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rate=st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]))
def test_a_resample_is_what_the_same_searches_repeated_would_give(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(4, 25))
    enrolled = rng.random(count) < 0.5
    enrolled[:2] = True, False
    right = enrolled & (rng.random(count) < 0.7)
    found = Identification("", "cosine", np.arange(count), enrolled, rng.integers(0, 5, count).astype(float), right)
    times = rng.integers(0, 3, count)
    times[:2] += 1
    repeated = np.repeat(np.arange(count), times)
    again = Identification("", "cosine", repeated, enrolled[repeated], found.nearest[repeated], right[repeated])
    weights = times.astype(np.int32)[None]
    assert _fnir(found, weights[:, enrolled], weights[:, ~enrolled], rate)[0] == pytest.approx(again.fnir(rate))


def test_intervals_hold_the_figure_are_seeded_and_narrow_with_more_people() -> None:
    widths = []
    for count in (20, 80, 320):
        found = identify(*split_enrolled(*people(count, 4, seed=1)))
        interval = fnir_interval(found, 0.1)
        assert interval.low <= interval.value <= interval.high
        assert interval == fnir_interval(found, 0.1)
        assert interval != fnir_interval(found, 0.1, seed=1)
        widths.append(interval.high - interval.low)
    assert widths == sorted(widths, reverse=True)


def test_an_interval_knows_that_the_images_of_a_person_are_hit_or_missed_together() -> None:
    """Ten copies of each search tell nothing new: the interval must not shrink by them."""
    found = identify(*split_enrolled(*people(60, 1)))
    rows = np.arange(len(found.person)).repeat(10)
    copied = Identification(
        "", "cosine", found.person[rows], found.enrolled[rows], found.nearest[rows], found.right[rows]
    )
    one, ten = fnir_interval(found, 0.1), fnir_interval(copied, 0.1)
    assert ten.high - ten.low == pytest.approx(one.high - one.low, abs=0.05)


def test_a_better_model_misses_fewer_and_the_same_one_as_many() -> None:
    worse = identify(*split_enrolled(*people(100, 4, spread=0.9)))
    better = identify(*split_enrolled(*people(100, 4, spread=0.4)))
    found = compare_misses(worse, better, 0.1)
    assert found.difference.value == pytest.approx(better.fnir(0.1) - worse.fnir(0.1))
    assert found.difference.high < 0
    assert found.p_value == pytest.approx(2 / 2001)
    assert "more than chance over these people" in found.sentence
    assert "FNIR at FPIR 10 %" in found.sentence
    same = compare_misses(worse, worse, 0.1)
    assert (same.difference.value, same.difference.low, same.difference.high, same.p_value) == (0, 0, 0, 1)
    assert "may well be chance" in same.sentence


def test_chance_alone_is_seldom_called_a_difference() -> None:
    """Two models that differ by chance alone: at 5 %, few of 40 tests may say otherwise."""
    called = 0
    for seed in range(40):
        first, second = (identify(*split_enrolled(*people(30, 2, seed=2 * seed + one))) for one in (0, 1))
        called += compare_misses(first, second, 0.2, resamples=300).p_value < 0.05
    assert called <= 6


def test_what_cannot_be_compared_is_refused() -> None:
    found = identify(*split_enrolled(*people(10, 2)))
    other = identify(*split_enrolled(*people(10, 2), seed=1))
    with pytest.raises(InputError, match="not of the same searches"):
        compare_misses(found, other)
    query, gallery = people(4, 1)
    for closed, missing in (
        (identify(query, gallery), "strangers"),
        (identify(query.take(query.person < 2), gallery.take(gallery.person > 1)), "enrolled people"),
    ):
        with pytest.raises(InputError, match=f"no search for {missing}"):
            fnir_interval(closed)
    wrong: dict[str, Any]
    for wrong in ({"confidence": 1.0}, {"resamples": 0}, {"fpir": 2}):
        with pytest.raises(InputError):
            fnir_interval(found, **wrong)
