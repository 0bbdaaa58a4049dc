"""False matches by person: counts equal plain loops, and intervals cover what other people give."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.evaluation import Embeddings, verify
from strongreid.evaluation.embeddings import JUNK
from strongreid.evaluation.false_matches import FalseMatches, count_false_matches


def side(count: int, people: int, seed: int, *, junk: bool = False) -> Embeddings:
    rng = np.random.default_rng(seed)
    person = rng.integers(0, people, count)
    if junk:
        person[0] = JUNK
    return Embeddings(rng.normal(size=(count, 5)) + 2 * person[:, None], person, rng.integers(0, 3, count))


@given(st.integers(2, 30), st.integers(2, 40), st.integers(2, 9), st.integers(0, 10**6), st.booleans())
@settings(max_examples=80, deadline=None)
def test_counts_equal_plain_loops(queries: int, images: int, people: int, seed: int, junk: bool) -> None:
    query, gallery = side(queries, people, seed), side(images, people, seed + 1, junk=junk)
    for metric in ("cosine", "euclidean"):
        threshold = float(np.random.default_rng(seed).uniform(0, 1 if metric == "cosine" else 12))
        found = count_false_matches(query, gallery, threshold, metric=metric, same_camera="include")
        pairs, accepted = 0, {}
        one, other = query.features.double(), gallery.features.double()
        near = 0
        for row in range(queries):
            for column in range(images):
                who, whom = int(query.person[row]), int(gallery.person[column])
                if whom == JUNK or who == whom:
                    continue
                pairs += 1
                if metric == "cosine":
                    distance = 1 - float(torch.nn.functional.cosine_similarity(one[row], other[column], dim=0))
                else:
                    distance = float((one[row] - other[column]).norm())
                near += abs(distance - threshold) < 1e-4
                if distance < threshold:
                    accepted[who, whom] = accepted.get((who, whom), 0) + 1
        assert found.pairs == pairs
        if not near and pairs:
            assert int(found.times.sum()) == sum(accepted.values())
            assert sorted(found.times.tolist()) == sorted(accepted.values())
            assert found.rate == pytest.approx(sum(accepted.values()) / pairs)
            assert (found.of != found.found).all()


def test_the_rate_at_a_calibrated_threshold_is_the_one_that_verifying_measures() -> None:
    query, gallery = side(60, 12, 1), side(90, 12, 2)
    for same_camera in ("exclude", "include"):
        found = verify(query, gallery, same_camera=same_camera)
        chosen = found.calibrate(0.1)
        counted = count_false_matches(query, gallery, chosen.threshold, same_camera=same_camera)
        assert counted.rate == chosen.false_match_rate
        assert counted.pairs == found.different_pairs


def test_the_interval_draws_people_not_pairs() -> None:
    """Two people who are always taken for each other are one chance, however many pairs of images they have."""
    asked = held = np.full(10, 20)
    found = FalseMatches(asked, held, np.array([3, 4]), np.array([4, 3]), np.array([400, 400]))
    interval = found.interval()
    assert interval.value == pytest.approx(800 / (90 * 400))
    assert interval.low == 0
    assert interval.high > 2 * interval.value
    again = found.interval()
    assert (again.low, again.high) == (interval.low, interval.high)
    fewer = FalseMatches(asked // 20, held // 20, found.of, found.found, np.array([1, 1])).interval()
    assert (fewer.low, fewer.high) == pytest.approx((interval.low, interval.high))


def test_intervals_cover_the_rate_of_all_people() -> None:
    """Of a large population with people who are easily taken for others, 12 at a time: most intervals hold the rate."""
    rng = np.random.default_rng(0)
    count = 400
    prone = rng.beta(0.5, 4, count)
    chance = np.clip(prone[:, None] * prone[None, :] * 4, 0, 1)
    np.fill_diagonal(chance, 0)
    truth = chance.sum() / (count * (count - 1))
    covered, trials = 0, 30
    for _ in range(trials):
        people = rng.choice(count, 12, replace=False)
        times = rng.binomial(9, chance[np.ix_(people, people)])
        of, to = np.nonzero(times)
        images = np.full(12, 3)
        interval = FalseMatches(images, images, of, to, times[of, to]).interval()
        covered += interval.low <= truth <= interval.high
    assert covered >= 0.8 * trials


def test_where_no_pair_was_accepted_the_upper_end_is_that_of_as_many_pairs_of_people() -> None:
    nobody = np.empty(0, dtype=np.int64)
    both = FalseMatches(np.full(10, 7), np.full(10, 3), nobody, nobody, nobody)
    assert both.interval().high == pytest.approx(1 - 0.025 ** (1 / 45))
    asked_alone = FalseMatches(np.array([1, 1, 0, 0, 0]), np.array([0, 1, 1, 1, 1]), nobody, nobody, nobody)
    pairs = {frozenset((a, b)) for a in (0, 1) for b in (1, 2, 3, 4) if a != b}
    assert asked_alone.interval().high == pytest.approx(1 - 0.025 ** (1 / len(pairs)))
