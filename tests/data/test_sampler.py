import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.data.sampler import PKBatchSampler
from strongreid.errors import InputError

people_lists = st.lists(st.integers(0, 12), min_size=1, max_size=120)


@given(people_lists, st.integers(1, 5), st.integers(1, 5), st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_an_epoch_is_what_the_paper_says(people: list[int], wanted: int, images: int, seed: int, epoch: int) -> None:
    """Recomputed by slow loops: groups cut per person, P people a batch, until fewer than P have a group left."""
    if len(set(people)) < wanted:
        with pytest.raises(InputError, match=r"`people_per_batch`"):
            PKBatchSampler(people, wanted, images, seed)
        return
    sampler = PKBatchSampler(people, wanted, images, seed)
    sampler.set_epoch(epoch)
    batches = [batch.tolist() for batch in sampler]
    assert len(batches) == len(sampler)
    owned = Counter(people)
    groups_left = {person: max(count // images, 1) for person, count in owned.items()}
    used: Counter[int] = Counter()
    for batch in batches:
        assert len(batch) == wanted * images
        drawn = [people[row] for row in batch]
        seen = []
        for start in range(0, len(batch), images):
            assert len(set(drawn[start : start + images])) == 1, "a person's images stand together"
            seen.append(drawn[start])
            groups_left[drawn[start]] -= 1
        assert len(set(seen)) == wanted, "P different people"
        used.update(batch)
    assert all(left >= 0 for left in groups_left.values()), "nobody has more groups than images for them"
    assert sum(left > 0 for left in groups_left.values()) < wanted, "the epoch goes on while P people have a group"
    for row, times in used.items():
        if owned[people[row]] >= images:
            assert times == 1, "no image twice, unless its person has fewer than K"


@given(people_lists.filter(lambda people: len(set(people)) >= 2), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_batches_are_a_pure_function_of_seed_and_epoch(people: list[int], epoch: int) -> None:
    one, other = PKBatchSampler(people, 2, 3, seed=7), PKBatchSampler(people, 2, 3, seed=7)
    for skipped in range(epoch):
        one.set_epoch(skipped)
        list(one)
    one.set_epoch(epoch)
    other.set_epoch(epoch)
    assert [batch.tolist() for batch in one] == [batch.tolist() for batch in other]
    assert [batch.tolist() for batch in one] == [batch.tolist() for batch in other], "iterating again changes nothing"


def test_seeds_and_epochs_give_different_batches() -> None:
    people = np.repeat(np.arange(30), 10)
    plans = set()
    for seed in (0, 1):
        sampler = PKBatchSampler(people, 8, 4, seed=seed)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            plans.add(np.array(list(sampler)).tobytes())
    assert len(plans) == 6


def test_batches_are_int64_arrays_that_the_caller_may_change() -> None:
    sampler = PKBatchSampler([0, 0, 1, 1], 2, 2)
    batch = next(iter(sampler))
    assert batch.dtype == np.int64
    before = batch.tolist()
    batch[:] = 0
    assert next(iter(sampler)).tolist() == before


def test_a_person_with_too_few_images_is_drawn_with_replacement() -> None:
    sampler = PKBatchSampler([0, 0, 0, 1, 1, 1, 1], 2, 4, seed=0)
    sets = set()
    for epoch in range(50):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == 1
        rows = [row for row in batches[0].tolist() if row < 3]
        assert len(rows) == 4
        sets.add(tuple(sorted(rows)))
    # With replacement any multiset of 4 out of 3 rows can come, so also ones that miss a row.
    assert any(len(set(rows)) < 3 for rows in sets)
    assert any(len(set(rows)) == 3 for rows in sets)


def test_every_image_and_person_has_the_same_chance() -> None:
    people = np.repeat(np.arange(10), 5)  # 5 images, groups of 4: one image in five is left out each time
    sampler = PKBatchSampler(people, 3, 4, seed=3)
    used = np.zeros(50)
    for epoch in range(400):
        sampler.set_epoch(epoch)
        for batch in sampler:
            used[batch] += 1
    # 9 of 10 people and 4 of 5 images an epoch: 288 of 400, deviation below 8.98; 5 deviations allowed.
    assert np.abs(used - 288).max() < 45


def test_people_with_many_images_come_again_in_other_batches() -> None:
    people = [0] * 40 + [1] * 8 + [2] * 8
    sampler = PKBatchSampler(people, 2, 4, seed=0)
    batches = [{people[row] for row in batch} for batch in sampler]
    # 10, 2 and 2 groups: between 2 and 4 batches of two people can be made.
    assert 2 <= len(batches) == len(sampler) <= 4
    assert all(len(batch) == 2 for batch in batches)


def test_market_size_gives_the_known_number_of_batches() -> None:
    # People of Market-1501 have between 2 and 72 images, 17.2 in the mean: 183 to 185 batches there.
    rng = np.random.default_rng(0)
    counts = rng.geometric(1 / 15.2, 751) + 2
    sampler = PKBatchSampler(np.repeat(np.arange(751), counts), 16, 4)
    groups = np.maximum(counts // 4, 1).sum()
    assert groups / 16 * 0.85 < len(sampler) <= groups // 16


def test_msmt17_size_takes_milliseconds() -> None:
    people = np.random.default_rng(0).integers(0, 1041, 32_621)
    sampler = PKBatchSampler(people)
    start = time.process_time()
    assert len(sampler) > 450
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"people_per_batch": 0}, "`people_per_batch`"),
        ({"images_per_person": 0}, "`images_per_person`"),
        ({"people_per_batch": 3}, "`people_per_batch`"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_batches_name_the_field(arguments: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        PKBatchSampler([1, 1, 2, 2], **({"people_per_batch": 2, "images_per_person": 2} | arguments))


def test_people_must_be_integers_and_epochs_natural_numbers() -> None:
    with pytest.raises(InputError, match="integers"):
        PKBatchSampler([0.5, 1.5], 1, 1)
    with pytest.raises(InputError, match="epoch"):
        PKBatchSampler([0, 1], 1, 1).set_epoch(-1)
