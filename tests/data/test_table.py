import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.data.table import ImageTable
from strongreid.errors import InputError


def write_files(folder: Path, names: list[str]) -> tuple[str, ...]:
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * (place + 1))
    return tuple(str(folder / name) for name in names)


def test_columns_become_read_only_int64_whatever_integers_came() -> None:
    table = ImageTable(("a", "b"), np.array([3, 1], dtype=np.int16), [2, 2])
    assert table.person.dtype == table.camera.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        table.person[0] = 1
    assert len(table) == 2


@pytest.mark.parametrize(
    ("person", "camera", "said"),
    [
        ([1], [1, 2], "`person` has shape"),
        ([1, 2], [1, 2, 3], "`camera` has shape"),
        ([1.0, 2.0], [1, 2], "must hold integers"),
        ([-1, 2], [1, 2], "Junk"),
        ([1, 2], [1, -2], "`camera` holds -2"),
    ],
)
def test_columns_that_do_not_belong_together_are_refused(person: list, camera: list, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ImageTable(("a", "b"), np.array(person), np.array(camera))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"track": [-1, 2]}, "`track` holds -1"),
        ({"track": [0.5, 2]}, "`track` holds float64; it must hold integers"),
        ({"track": [1]}, "`track` has shape"),
        ({"confidence": [-0.1, 1]}, r"`confidence` holds -0\.1; it must hold finite numbers from 0 on"),
        ({"confidence": [np.nan, 1]}, "`confidence` holds nan"),
        ({"confidence": [1, np.inf]}, "`confidence` holds inf"),
        ({"confidence": [1, 2, 3]}, "`confidence` has shape"),
        ({"confidence": ["high", "low"]}, "`confidence` must hold numbers"),
    ],
)
def test_tracks_and_confidences_that_mean_nothing_are_refused(columns: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ImageTable(("a", "b"), [1, 2], [1, 1], **columns)


def test_an_empty_box_is_refused_with_its_path() -> None:
    with pytest.raises(InputError, match=r"b\.jpg is empty"):
        ImageTable(("a.jpg", "b.jpg"), [1, 2], [1, 1], box=[[0, 0, 3, 3], [0, 0, 3, 0]])


def test_select_takes_masks_and_indices_of_every_column() -> None:
    table = ImageTable(
        ("a", "b", "c"),
        [5, 6, 7],
        [1, 2, 3],
        frame=[9, 8, 7],
        box=[[0, 0, 1, 1], [1, 1, 2, 2], [2, 2, 3, 3]],
        domain=[0, 1, 0],
        track=[4, 4, 8],
        confidence=[0.5, 0, 2],
    )
    masked = table.select(np.array([True, False, True]))
    assert masked.path == ("a", "c")
    assert masked.person.tolist() == [5, 7]
    picked = table.select([2, 0, 0])
    assert picked.path == ("c", "a", "a")
    assert picked.camera.tolist() == [3, 1, 1]
    assert picked.frame is not None
    assert picked.box is not None
    assert picked.domain is not None
    assert picked.frame.tolist() == [7, 9, 9]
    assert picked.box.tolist() == [[2, 2, 3, 3], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert picked.domain.tolist() == [0, 0, 0]
    assert picked.track is not None
    assert picked.track.tolist() == [8, 4, 4]
    assert picked.confidence is not None
    assert picked.confidence.tolist() == [2.0, 0.5, 0.5]
    assert len(table.select([])) == 0
    with pytest.raises(InputError, match="mask"):
        table.select(np.array([True]))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_label_map_sorts_people_whatever_the_order_of_rows(people: list[int], random) -> None:
    classes = {person: place for place, person in enumerate(sorted(set(people)))}
    shuffled = list(people)
    random.shuffle(shuffled)
    table = ImageTable(tuple(str(row) for row in range(len(people))), shuffled, [0] * len(people))
    assert table.person_index().tolist() == [classes[person] for person in shuffled]
    assert table.person_index().dtype == np.int64
    assert table.people.tolist() == sorted(set(people))


def test_the_fingerprint_is_the_same_wherever_the_set_lies(tmp_path: Path) -> None:
    names = ["train/a.jpg", "train/b.jpg", "query/a.jpg"]
    first = write_files(tmp_path / "one", names)
    shutil.copytree(tmp_path / "one", tmp_path / "deep" / "er" / "two")
    second = tuple(str(tmp_path / "deep" / "er" / "two" / name) for name in names)
    assert (
        ImageTable(first, [1, 2, 3], [1, 1, 1]).fingerprint() == ImageTable(second, [1, 2, 3], [1, 1, 1]).fingerprint()
    )


def test_the_fingerprint_of_joined_sets_does_not_depend_on_where_each_lies(tmp_path: Path) -> None:
    one, two = write_files(tmp_path / "one", ["a", "b"]), write_files(tmp_path / "two", ["a", "b"])
    shutil.copytree(tmp_path / "two", tmp_path / "far" / "away" / "two")
    moved = tuple(str(tmp_path / "far" / "away" / "two" / name) for name in ("a", "b"))
    columns = {"person": [1, 2, 3, 4], "camera": [1, 1, 2, 2], "domain": [0, 0, 1, 1]}
    assert ImageTable(one + two, **columns).fingerprint() == ImageTable(one + moved, **columns).fingerprint()


@pytest.mark.parametrize("change", ["size", "person", "camera", "name", "order", "box", "fewer", "track", "confidence"])
def test_the_fingerprint_changes_with(change: str, tmp_path: Path) -> None:
    names = ["a.jpg", "b.jpg", "c.jpg"]
    paths = write_files(tmp_path, names)
    before = ImageTable(paths, [1, 2, 3], [1, 2, 1]).fingerprint()
    person, camera, columns = [1, 2, 3], [1, 2, 1], {}
    if change == "size":
        (tmp_path / "b.jpg").write_bytes(b"replaced by another image")
    elif change == "person":
        person = [1, 2, 4]
    elif change == "camera":
        camera = [1, 2, 2]
    elif change == "name":
        paths = (str(Path(paths[0]).rename(tmp_path / "d.jpg")), *paths[1:])
    elif change == "order":
        paths, person, camera = paths[::-1], person[::-1], camera[::-1]
    elif change == "box":
        columns = {"box": [[0, 0, 1, 1]] * 3}
    elif change in ("track", "confidence"):
        columns = {change: [1, 2, 3]}
    else:
        paths, person, camera = paths[:2], person[:2], camera[:2]
    assert ImageTable(paths, person, camera, **columns).fingerprint() != before


def test_the_fingerprint_of_a_table_is_the_one_it_always_had(tmp_path: Path) -> None:
    table = ImageTable(
        write_files(tmp_path, ["a.jpg", "b.jpg"]), [3, 1], [2, 2], frame=[7, 8], box=[[0, 0, 1, 1], [1, 1, 2, 2]]
    )
    assert table.fingerprint() == "f8dc3854a858f45cde928f66ec4ddfb0a63ec1d18060de6661ddfc0a27d03ffd"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    paths = write_files(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / "b.jpg").unlink()
    with pytest.raises(InputError, match=r"b\.jpg cannot be found"):
        ImageTable(paths, [1, 2], [1, 2]).fingerprint()


def test_cameras_are_numbered_among_those_of_the_training_set():
    train = ImageTable(("a", "b", "c", "d"), [1, 1, 2, 2], [3, 1, 7, 3])
    query = ImageTable(("e", "f"), [8, 9], [7, 1])
    assert train.camera_index().tolist() == [1, 0, 2, 1]
    assert query.camera_index().tolist() == [1, 0]
    assert query.camera_index(train.cameras).tolist() == [2, 0]
    with pytest.raises(InputError, match=r"cameras \[3\], which are not among \[1, 7\]"):
        train.camera_index(query.cameras)
