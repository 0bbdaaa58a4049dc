from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.data.joining import WHOLE_IMAGE, DomainBalancedSampler, join_sets, join_tables, refuse_leaks
from strongreid.data.table import ImageTable, ReIDData
from strongreid.errors import InputError


def table(name: str, person: list[int], camera: list[int], **columns: object) -> ImageTable:
    return ImageTable(tuple(f"{name}/{row}" for row in range(len(person))), person, camera, **columns)


def test_people_and_cameras_of_joined_sets_are_kept_apart() -> None:
    one, two = table("a", [5, 7, 5], [1, 2, 2]), table("b", [5, 0, 7, 9], [1, 1, 2, 3])
    joined = join_tables([one, two])
    assert joined.path == one.path + two.path
    assert joined.domain is not None
    assert joined.domain.tolist() == [0, 0, 0, 1, 1, 1, 1]
    for column in ("person", "camera"):
        before = [(0, value) for value in getattr(one, column)] + [(1, value) for value in getattr(two, column)]
        after = getattr(joined, column).tolist()
        assert len(set(zip(before, after, strict=True))) == len(set(before)) == len(set(after)), "one to one"
    assert joined.person.tolist() == [0, 1, 0, 3, 2, 4, 5]


def test_joining_again_keeps_domains_apart() -> None:
    one = join_tables([table("a", [1], [1]), table("b", [1], [1])])
    twice = join_tables([one, table("c", [1], [1])])
    assert twice.domain is not None
    assert twice.domain.tolist() == [0, 1, 2]
    assert twice.person.tolist() == [0, 1, 2]


def test_boxes_and_frames_of_joined_sets() -> None:
    boxed = table("a", [1], [1], box=[[1, 2, 3, 4]], frame=[7])
    joined = join_tables([boxed, table("b", [1], [1])])
    assert joined.box is not None
    assert joined.box.tolist() == [[1, 2, 3, 4], list(WHOLE_IMAGE)]
    assert joined.frame is None
    both = join_tables([boxed, table("b", [1], [1], frame=[9])])
    assert both.frame is not None
    assert both.frame.tolist() == [7, 9]


def test_tracks_of_joined_sets_are_kept_apart_and_all_or_none_have_them() -> None:
    one = table("a", [1, 1, 2], [1, 1, 1], track=[5, 5, 6], confidence=[0.1, 0.2, 0.3])
    two = table("b", [1, 1], [1, 1], track=[6, 5], confidence=[0.4, 0.5])
    joined = join_tables([one, two])
    assert joined.track is not None
    assert joined.track.tolist() == [0, 0, 1, 3, 2]
    assert joined.confidence is not None
    assert joined.confidence.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    without = join_tables([one, table("c", [1], [1])])
    assert without.track is None
    assert without.confidence is None


def test_one_table_is_itself_and_none_is_refused() -> None:
    one = table("a", [3], [1])
    assert join_tables([one]) is one
    with pytest.raises(InputError):
        join_tables([])


def data_of(name: str, person: list[int], **more: object) -> ReIDData:
    empty = table(name, [], [])
    return ReIDData(name, table(name, person, [1] * len(person)), empty, empty, "a protocol", **more)


def test_joined_sets_keep_the_first_one_s_test_and_say_whom_each_class_stands_for() -> None:
    one, two = data_of("a", [9, 4, 9], warnings=("odd",)), data_of("b", [4, 2], warnings=("odder",))
    assert join_sets({"a": one}) is one
    assert one.label_map == [4, 9]
    joined = join_sets({"a": one, "b": two})
    assert (joined.name, joined.query, joined.protocol) == (one.name, one.query, one.protocol)
    assert joined.label_map == [("a", 4), ("a", 9), ("b", 2), ("b", 4)]
    classes = joined.train.person_index()
    expected = [("a", 9), ("a", 4), ("a", 9), ("b", 4), ("b", 2)]
    assert [joined.label_map[number] for number in classes] == expected
    assert joined.warnings == ("a: odd", "b: odder")


@pytest.mark.parametrize("again", ["a", "./a", "../{}/a", "{}/b/../a"])
def test_a_set_is_not_joined_with_itself_however_its_folder_is_written(again: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    again = again.replace("../{}", f"../{tmp_path.name}").replace("{}", str(tmp_path))
    with pytest.raises(InputError, match=r"a/0 is in both `one` and `two`"):
        join_sets({"one": data_of("a", [1, 2]), "two": data_of(again, [1, 2])})


def test_boxes_of_one_frame_are_images_of_their_own() -> None:
    def boxed(left: int) -> ReIDData:
        return replace(data_of("a", []), train=ImageTable(("a/0",), [1], [1], box=[[left, 0, 5, 9]]))

    assert len(join_sets({"one": boxed(0), "two": boxed(9)}).train) == 2
    with pytest.raises(InputError, match="a/0 is in both"):
        join_sets({"one": boxed(0), "two": boxed(0)})


@pytest.mark.parametrize("part", ["query", "gallery"])
def test_what_is_trained_on_is_not_tested_on(part: str) -> None:
    learned = table("a", [1, 2], [1, 1])
    tests = {"main": data_of("b", [1]), "other": replace(data_of("c", [1]), **{part: table("./a", [7], [1])})}
    with pytest.raises(InputError, match=r"a/0 is trained on, but `other` tests with it.*split_seed"):
        refuse_leaks(learned, tests)
    refuse_leaks(learned.select([1]), tests)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), min_size=1, max_size=150),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(0, 4),
)
@settings(max_examples=80, deadline=None)
def test_every_batch_has_as_many_people_of_each_domain(
    rows: list[tuple[int, int]], share: int, images: int, epoch: int
) -> None:
    domain, place = (np.array(column) for column in zip(*rows, strict=True))
    person = domain * 100 + place
    names = sorted(set(domain.tolist()))
    people_of = {name: set(person[domain == name].tolist()) for name in names}
    wanted = share * len(names)
    if any(len(people) < share for people in people_of.values()):
        with pytest.raises(InputError, match=r"`people_per_batch`"):
            DomainBalancedSampler(person, domain, wanted, images)
        return
    sampler = DomainBalancedSampler(person, domain, wanted, images, seed=2)
    sampler.set_epoch(epoch)
    batches = [batch.tolist() for batch in sampler]
    assert len(batches) == len(sampler) > 0
    for batch in batches:
        drawn = [person[batch[start]] for start in range(0, len(batch), images)]
        assert all(person[row] == drawn[place // images] for place, row in enumerate(batch))
        assert len(set(drawn)) == wanted
        for turn in range(share):
            turns = drawn[turn * len(names) : (turn + 1) * len(names)]
            assert [name for name in names for one in turns if one in people_of[name]] == names, "domains take turns"
    again = DomainBalancedSampler(person, domain, wanted, images, seed=2)
    again.set_epoch(epoch)
    assert [batch.tolist() for batch in again] == batches


def test_a_small_domain_starts_over_and_is_shuffled_anew() -> None:
    person = np.concatenate((np.repeat(np.arange(40), 4), np.repeat(np.arange(100, 104), 4)))
    domain = (person >= 100).astype(int)
    sampler = DomainBalancedSampler(person, domain, 4, 2, seed=0)
    batches = np.array(list(sampler))
    assert len(batches) >= 35, "as many batches as the large domain gives"
    small = batches[:, [2, 3, 6, 7]]
    assert (person[small] >= 100).all()
    assert len({tuple(row) for row in small.tolist()}) > len(small) // 2
    counts = np.bincount(small.ravel(), minlength=len(person))[160:]
    assert counts.min() > 0.5 * counts.mean()


def test_equal_domains_do_not_draw_alike() -> None:
    person = np.concatenate((np.repeat(np.arange(20), 4), np.repeat(np.arange(100, 120), 4)))
    batches = np.array(list(DomainBalancedSampler(person, person >= 100, 4, 4, seed=0)))
    first, second = batches[:, [0, 8]], batches[:, [4, 12]]
    assert not np.array_equal(person[first], person[second] - 100)


def test_a_share_that_does_not_come_out_even_names_the_field() -> None:
    with pytest.raises(InputError, match=r"`people_per_batch`.*multiple of 2"):
        DomainBalancedSampler([1, 2, 3, 4], [0, 0, 1, 1], 3, 1)
    with pytest.raises(InputError, match="shape"):
        DomainBalancedSampler([1, 2, 3, 4], [0, 0, 1], 2, 1)
