"""People held out: groups never overlap, nobody is lost, and the draw is a function of the seed."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from strongreid.data import ImageTable, ReIDData, hold_out
from strongreid.data.splitting import split_rows
from strongreid.errors import InputError


def a_set(people: int, seed: int, *, cameras: bool = True) -> ReIDData:
    """People of one to six images by up to three cameras, split as own data are, and a distractor in the gallery."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(1, people + 1), rng.integers(1, 7, people))
    camera = rng.integers(1, 4, len(person)) if cameras else np.zeros_like(person)
    rows = split_rows(person, camera if cameras else None, seed)
    table = ImageTable(tuple(f"{row}.jpg" for row in range(len(person))), person, camera)
    train, query, gallery = (table.select(rows[part]) for part in ("train", "query", "gallery"))
    strangers = ImageTable((*gallery.path, "far.jpg"), [*gallery.person, 999], [*gallery.camera, 1])
    return ReIDData("own", train, query, strangers, "as drawn", "exclude" if cameras else "include")


def images(data: ReIDData | None) -> set[str]:
    return set() if data is None else {*data.train.path, *data.query.path, *data.gallery.path}


@given(st.integers(20, 60), st.integers(0, 50), st.sampled_from([0.0, 0.2, 0.5]), st.sampled_from([0.0, 0.3, 0.5]))
@settings(max_examples=60, deadline=None)
def test_groups_never_overlap_and_nobody_is_lost(people: int, seed: int, stop: float, threshold: float) -> None:
    for cameras in (True, False):
        whole = a_set(people, seed, cameras=cameras)
        asked = len(np.unique(whole.query.person))
        assume(not threshold or 2 <= round(asked * threshold) <= asked - 2)
        try:
            found = hold_out(whole, stop_share=stop, threshold_share=threshold, seed=seed)
        except InputError as error:  # of the few drawn to stop by, nobody may be seen twice
            assume("so nobody could be found" not in str(error))
            raise
        assert (found.stop is None, found.threshold is None) == (stop == 0, threshold == 0)
        groups = [set(found.train.person.tolist()), {*found.query.person.tolist(), *found.gallery.person.tolist()}]
        groups += [
            {*part.query.person.tolist(), *part.gallery.person.tolist()}
            for part in (found.stop, found.threshold)
            if part is not None
        ]
        assert sum(map(len, groups)) == len(set().union(*groups))
        parts = [images(found), images(found.stop), images(found.threshold)]
        assert sum(map(len, parts)) == len(images(whole))
        assert set().union(*parts) == images(whole)
        if found.stop is not None:
            assert len(groups[2]) == round(len(whole.train.people) * stop)
            assert not len(found.stop.train)
            held = list(zip(found.stop.gallery.person.tolist(), found.stop.gallery.camera.tolist(), strict=True))
            for person, camera in zip(found.stop.query.person.tolist(), found.stop.query.camera.tolist(), strict=True):
                assert any(who == person and (where != camera or not cameras) for who, where in held)
        if found.threshold is not None:
            assert len(found.threshold.query.people) == round(asked * threshold)
            assert 999 in found.gallery.person


def test_the_seed_decides_and_nothing_else() -> None:
    whole = a_set(40, 0)

    def held(seed: int, **more: float) -> list[int]:
        stop = hold_out(whole, stop_share=0.3, seed=seed, **more).stop
        assert stop is not None
        return np.union1d(stop.query.person, stop.gallery.person).tolist()

    assert held(1) == held(1) == held(1, threshold_share=0.5)
    assert len({tuple(held(seed)) for seed in range(6)}) > 1
    assert hold_out(whole) is whole


@pytest.mark.parametrize(("name", "share"), [("stop_share", 0.01), ("stop_share", 0.99), ("threshold_share", 0.02)])
def test_groups_of_nobody_or_of_all_are_refused(name: str, share: float) -> None:
    with pytest.raises(InputError, match=f"`{name}` is {share}: of .* at least 2"):
        hold_out(a_set(40, 0), **{name: share})  # type: ignore[arg-type]


def test_people_whom_one_camera_sees_cannot_stop_a_training() -> None:
    whole = a_set(30, 3)
    alone = ImageTable(whole.train.path, whole.train.person, np.ones_like(whole.train.person))
    data = ReIDData("own", alone, whole.query, whole.gallery, "as drawn")
    with pytest.raises(InputError, match="seen by two cameras"):
        hold_out(data, stop_share=0.3)
