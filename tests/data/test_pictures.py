"""Pictures to embed: tables read by the rules of data sets, but nothing dropped and names that mean one number."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from strongreid.data import ImageTable
from strongreid.data.decoding import decode_row, decoded_batches
from strongreid.data.pictures import UNKNOWN, list_pictures, read_pictures
from strongreid.errors import InputError


def table(folder: Path, *rows: str) -> Path:
    (folder / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "table.csv"


def test_nothing_but_a_path_is_needed(tmp_path: Path) -> None:
    found = read_pictures(table(tmp_path, "path,other", "a.jpg,1", "/b.jpg,2", "a.jpg,3"))
    assert found.images.path == (str(tmp_path / "a.jpg"), "/b.jpg", str(tmp_path / "a.jpg"))
    assert found.person.tolist() == [UNKNOWN] * 3
    assert found.images.camera.tolist() == [0] * 3
    assert found.images.box is None


def test_people_and_cameras_are_read_as_in_data_sets(tmp_path: Path) -> None:
    found = read_pictures(table(tmp_path, "path,person,camera", "a.jpg,3.0,1", "b.jpg,-1,2.00", "c.jpg,0,2"))
    assert found.person.tolist() == [3, -1, 0]
    assert found.images.camera.tolist() == [1, 2, 2]


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (["path,person", "a.jpg,-2"], "row 2: `person` is '-2'"),
        (["path,person", "a.jpg,3", "b.jpg,03"], "same number"),
        (["path,person", "a.jpg,1", "b.jpg,"], "a value in every row"),
        (["path,person", f"a.jpg,{2**63}"], "at most"),
        (["path,camera", "a.jpg,-1"], "row 2: `camera` is '-1'"),
        (["path,x,y,w", "a.jpg,1,1,1"], "`h`"),
        (["path,x,y,w,h", "a.jpg,0.1,0.1,0.5,0.5"], "shares"),
        (["path,x,y,w,h", "a.jpg,nan,1,5,5"], "`x`"),
        (["path"], "no rows"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, rows: list[str], part: str) -> None:
    with pytest.raises(InputError) as refused:
        read_pictures(table(tmp_path, *rows))
    assert part in str(refused.value)


NAMES = st.lists(st.text("abcdé ü漢-", min_size=1, max_size=5).map(str.strip).filter(bool), min_size=1, max_size=12)


@given(one=NAMES, other=NAMES)
def test_a_name_has_one_number_whatever_stands_beside_it(
    one: list[str], other: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("names")
    numbers: dict[str, int] = {}
    for names in (one, other):
        rows = [f'a.jpg,"{name}","{name}"' for name in names]
        found = read_pictures(table(folder, "path,person,camera", *rows))
        assert found.person.tolist() == found.images.camera.tolist()
        for name, number in zip(names, found.person.tolist(), strict=True):
            assert numbers.setdefault(name, number) == number
            assert 2**62 <= number < 2**63
    assert len(set(numbers.values())) == len(numbers)
    shutil.rmtree(folder)


def test_a_folder_is_listed_with_all_below_it_and_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "one" / "two").mkdir(parents=True)
    for name in ("b.jpg", "one/a.PNG", "one/two/c.webp", ".hidden.jpg", "one/notes.md"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "one" / "back").symlink_to(tmp_path)
    found = list_pictures([tmp_path / "b.jpg", tmp_path])
    names = [str(Path(path).relative_to(tmp_path)) for path in found.images.path]
    assert names == ["b.jpg", "b.jpg", "one/a.PNG", "one/two/c.webp"]
    assert found.unread == {".md": 1}
    assert read_pictures(tmp_path / "b.jpg").images.path == (str(tmp_path / "b.jpg"),)


def test_batches_are_decoded_in_order_and_bad_rows_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(40):
        paths.append(str(tmp_path / f"{number:02}.png"))
        Image.fromarray(rng.integers(0, 256, (20, 12, 3), dtype=np.uint8)).save(paths[-1])
    for number in (0, 17, 18, 39):
        Path(paths[number]).write_bytes(b"damaged")
    nobody = np.zeros(40, dtype=np.int64)
    images = ImageTable(tuple(paths), nobody, nobody)
    batches = [[5], [0], list(range(10, 30)), [39, 38], []]
    found = list(decoded_batches(images, batches, (8, 6)))
    assert [batch.rows for batch in found] == [[5], [], [*range(10, 17), *range(19, 30)], [38], []]
    assert [sorted(batch.problems) for batch in found] == [[], [0], [17, 18], [39], []]
    assert all(paths[row] in problem for batch in found for row, problem in batch.problems.items())
    for batch in found:
        assert batch.pixels.shape == (len(batch.rows), 3, 8, 6)
        for row, pixels in zip(batch.rows, batch.pixels, strict=True):
            assert np.array_equal(pixels, decode_row(images, row, (8, 6)))
    assert list(decoded_batches(images, [], (8, 6))) == []
