"""People, cameras and tracks with names: kept beside their numbers, asked for in conditions, erased with their rows."""

import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.data.pictures import read_pictures
from strongreid.errors import InputError
from strongreid.gallery import Gallery, arrow_rows, parse_where
from strongreid.gallery.backup import export_rows, import_rows
from strongreid.gallery.labels import label, labels
from strongreid.gallery.where import Compare, Where
from strongreid.names import FIRST_OF_NAMES, number_of_name
from tests.gallery.galleries import MODEL

NFC, NFD = "Zo\u00eb", "Zoe\u0308"
HOSTILE = (
    "lobby", "a 'quoted' one", '"double"', "'; drop table gallery; --", "x' or '1' = '1", "\\", "%_*", "null", "query",
    "in", "\x1b[31mred\nline\t", "\u202eright to left", "文字", NFC, "+3", "1e3", "0x10", "1_000", "²", " 3", "3 ", "-",
    "--", "-x", "a" * 512, "\U0001d4b5" * 128, "<script>alert(1)</script>", "3.", "3.5", "\u200b",
)  # fmt: skip


def quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def found(gallery: Gallery, where: str) -> list[str]:
    """Paths of the rows for which a condition holds, in order of their names."""
    hits = gallery.search(np.ones((1, gallery.require().width)), 50, where)
    return sorted(path for path in hits.path[0].tolist() if path)


def named(address: str) -> Gallery:
    """A gallery of five rows, told by their paths."""
    gallery = Gallery.open(address)
    gallery.add(
        np.eye(5, 8),
        model=MODEL,
        person=["anna", "7", None, 3, "ben"],
        camera=np.array(["lobby", "lobby", "stairs", "2", "2.0"]),
        track=["t", None, None, np.int64(9), "t"],
        path=list("abcde"),
    )
    return gallery


def test_hits_have_the_names_beside_the_numbers(address: str) -> None:
    gallery = named(address)
    hits = Gallery.open(address).search(np.eye(5, 8), 6)
    first = {name: getattr(hits, name)[:, 0].tolist() for name in ("person", "camera", "track")}
    anna, ben, lobby, stairs, track = map(number_of_name, ("anna", "ben", "lobby", "stairs", "t"))
    assert first == {
        "person": [anna, 7, -1, 3, ben],
        "camera": [lobby, lobby, stairs, 2, 2],
        "track": [track, -1, -1, 9, track],
    }
    assert hits.person_name[:, 0].tolist() == ["anna", "", "", "", "ben"]
    assert hits.camera_name[:, 0].tolist() == ["lobby", "lobby", "stairs", "", ""]
    assert hits.track_name[:, 0].tolist() == ["t", "", "", "", "t"]
    assert hits.person.dtype == hits.camera.dtype == np.int64
    assert hits.person_name.dtype == object
    assert (hits.person_name[:, 5:] == "").all()  # there are but five rows
    assert gallery.search(np.eye(5, 8), 5, by="track").camera_name.shape == (5, 5)
    assert gallery.search(np.empty((0, 8)), 2).track_name.shape == (0, 2)
    assert gallery.stats().called == {"person": ["3", "7", "anna", "ben"], "camera": ["2", "lobby", "stairs"]}


@pytest.mark.parametrize(
    ("where", "paths"),
    [
        ("camera = 'lobby'", "ab"),
        ('camera != "lobby"', "cde"),
        ("camera = '2'", "de"),
        ("person in ('anna', 7, 'nobody')", "ab"),
        ("person not in ('anna', '7')", "cde"),
        ("track != 't' and not camera = 'lobby'", "cd"),
        ("camera = query", "ab"),
        ("camera = 'query'", ""),
        ("person = 'lobby'", ""),
        (f"person = {number_of_name('anna')}", "a"),
    ],
)
def test_conditions_ask_for_names(tmp_path: Path, where: str, paths: str) -> None:
    gallery = named(str(tmp_path / "gallery"))
    hits = gallery.search(np.ones((1, 8)), 9, where, camera="lobby")
    assert "".join(sorted(hits.path[0])) == paths


def test_a_name_makes_the_row_that_its_number_made_before(address: str) -> None:
    """The key was printed by the version that knew no names."""
    gallery, row = Gallery.open(address), {"model": MODEL, "time": 5, "path": "a.jpg"}
    names = {"person": "anna", "camera": "lobby", "track": "t"}
    assert gallery.add(np.eye(1, 4), **row, **names).added == 1
    assert gallery.search(np.eye(1, 4), 1).key.tolist() == [["4a8a95cdd170e1729c95d6c701a124da"]]
    numbers: dict[str, Any] = {column: number_of_name(name) for column, name in names.items()}
    assert gallery.add(np.eye(1, 4), **row, **numbers).known == 1
    assert number_of_name("lobby") == 5430708342605070626


def test_another_person_brings_another_name(address: str) -> None:
    gallery = named(address)
    columns: dict[str, Any] = {"camera": "lobby", "track": "t", "path": "a", "model": MODEL}
    for given_person, name in (("carla", "carla"), (None, "carla"), (8, ""), ("anna", "anna")):
        changed = gallery.add(np.eye(1, 8), person=given_person, **columns)
        assert (changed.added, changed.updated) == (0, given_person is not None)
        assert gallery.search(np.eye(1, 8), 1).person_name.tolist() == [[name]]
    key = str(gallery.search(np.eye(1, 8), 1).key[0, 0])
    gallery.relabel([key], ["dora"])
    hits = gallery.search(np.eye(1, 8), 1)
    assert (hits.person_name[0, 0], hits.camera_name[0, 0], hits.track_name[0, 0]) == ("dora", "lobby", "t")
    assert found(gallery, "person = 'dora'") == ["a"]
    assert found(gallery, "person = 'anna'") == []


def test_the_last_known_person_of_a_row_that_comes_twice_has_its_name(tmp_path: Path) -> None:
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(np.ones((3, 4)), model=MODEL, person=["anna", "ben", None])
    hits = gallery.search(np.ones((1, 4)), 1)
    assert (hits.person[0, 0], hits.person_name[0, 0]) == (number_of_name("ben"), "ben")


def test_rows_are_erased_by_name(address: str) -> None:
    gallery = named(address)
    assert gallery.erase(person="anna", dry_run=True).count == 1
    assert gallery.erase(person="anna").count == 1
    assert gallery.erase(track="9").count == 1
    assert gallery.erase(track="t").count == 1
    assert gallery.erase(person="nobody").count == 0
    assert found(gallery, "camera != 99") == ["b", "c"]
    assert gallery.stats().called == {"person": ["7"], "camera": ["lobby", "stairs"]}
    for wrong in ("-1", "", "a\0"):
        with pytest.raises(InputError):
            gallery.erase(person=wrong)


def test_any_name_is_kept_as_it_is_and_asked_for(address: str) -> None:
    gallery, count = Gallery.open(address), len(HOSTILE)
    rows = np.eye(count, 32)
    gallery.add(rows, model=MODEL, person=HOSTILE, camera=list(HOSTILE), track=np.array(HOSTILE, dtype=object))
    hits = Gallery.open(address).search(rows, 1)
    for column in ("person_name", "camera_name", "track_name"):
        assert getattr(hits, column)[:, 0].tolist() == list(HOSTILE)
    for row, name in enumerate(HOSTILE):
        one = gallery.search(rows[row : row + 1], 2, f"camera = {quoted(name)} and person = {quoted(name)}")
        assert one.person_name.tolist() == [[name, ""]]
    assert gallery.erase(person=HOSTILE[3]).count == 1
    assert gallery.stats().count == count - 1


def test_letters_written_in_two_ways_are_found_as_one(tmp_path: Path) -> None:
    assert (unicodedata.normalize("NFC", NFD), unicodedata.normalize("NFD", NFC)) == (NFC, NFD)
    gallery = Gallery.open(tmp_path / "gallery")
    gallery.add(np.eye(2, 4), model=MODEL, person=[NFC, NFD], path=["a", "b"])
    for name in (NFC, NFD):
        assert found(gallery, f"person = {quoted(name)}") == ["a", "b"]
        assert found(gallery, f"person != {quoted(name)}") == []
    assert gallery.search(np.eye(2, 4), 1).person_name[:, 0].tolist() == [NFC, NFD]
    gallery.add(np.eye(4)[2:], model=MODEL, camera=[NFD, "lobby"], path=["c", "d"])
    for name in (NFC, NFD):
        for where, paths in (("camera = query", "c"), ("not (camera = query) and person != 1", "abd")):
            hits = gallery.search(np.ones((1, 4)), 9, where, camera=name)
            assert "".join(sorted(hits.path[0])) == paths
    hits = gallery.search(np.ones((3, 4)), 9, "camera = query", camera=[NFC, "lobby", NFD])
    assert ["".join(path) for path in hits.path] == ["c", "d", "c"]
    hits = gallery.search(np.ones((2, 4)), 9, "camera != query", camera=["lobby", NFC])
    assert ["".join(sorted(path)) for path in hits.path] == ["abc", "abd"]
    assert gallery.erase(person=NFC).count == 2


def older(address: str, backup: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    """A gallery as they were made before names were kept, and its backup."""
    with monkeypatch.context() as before:
        before.setattr(arrow_rows, "NAME_FIELDS", ())
        with suppress(ImportError):
            before.setattr("strongreid.gallery.milvus.NAMES", ())
        gallery = Gallery.open(address)
        columns = {"person": number_of_name("anna"), "camera": [number_of_name("lobby"), 2], "path": ["a", "b"]}
        gallery.add(np.eye(2, 8), model=MODEL, **columns)
        export_rows(gallery, backup)
    return Gallery.open(address)


def test_a_gallery_from_before_names_were_kept_goes_on(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = older(address, tmp_path / "older.parquet", monkeypatch)
    assert found(gallery, "camera = 'lobby'") == ["a"]
    assert gallery.search(np.eye(2, 8), 1).person_name[:, 0].tolist() == ["", ""]
    gallery.add(np.eye(3, 8)[2:], model=MODEL, person=5, path="c")
    again = gallery.add(np.eye(1, 8), model=MODEL, person=5, camera=number_of_name("lobby"), path="a")
    assert again.updated == 1
    key = str(gallery.search(np.eye(1, 8), 1).key[0, 0])
    new: dict[str, Any] = {"model": MODEL, "person": "ben", "camera": "lobby", "path": "d"}
    if address.endswith("gallery"):
        reader = Gallery.open(address)
        assert len(found(reader, "person != 0")) == 3
        assert gallery.add(np.eye(4, 8)[3:], **new).added == 1
        gallery.relabel([key], ["anna"])
        hits = reader.search(np.eye(4, 8), 1)
        assert hits.camera_name[:, 0].tolist() == ["lobby", "", "", "lobby"]
        assert hits.person_name[:, 0].tolist() == ["anna", "anna", "", "ben"]
    else:
        with pytest.raises(InputError, match="before galleries kept names"):
            gallery.add(np.eye(4, 8)[3:], **new)
        with pytest.raises(InputError, match="before galleries kept names"):
            gallery.relabel([key], ["anna"])
        gallery.relabel([key], [number_of_name("anna")])
    export_rows(gallery, tmp_path / "now.parquet")
    assert gallery.erase(person="anna").count == 2
    for backup, count in (("older", 2), ("now", 4 if address.endswith("gallery") else 3)):
        restored = Gallery.open(tmp_path / f"{backup}.gallery")
        assert import_rows(restored, tmp_path / f"{backup}.parquet").added == count
        assert found(restored, "person = 'anna'") == ["a", "b"]
        assert restored.add(np.eye(4, 8)[3:], **{**new, "path": "e"}).added == 1
        assert restored.search(np.eye(4, 8)[3:], 1, "person = 'ben'").camera_name.tolist() == [["lobby"]]


def test_names_go_into_a_backup_and_come_back(address: str, tmp_path: Path) -> None:
    gallery = named(address)
    export_rows(gallery, tmp_path / "backup.parquet")
    restored = Gallery.open(tmp_path / "restored")
    import_rows(restored, tmp_path / "backup.parquet")
    one, other = gallery.search(np.eye(5, 8), 5), restored.search(np.eye(5, 8), 5)
    for column in ("key", "person", "camera", "track", "person_name", "camera_name", "track_name"):
        assert getattr(one, column).tolist() == getattr(other, column).tolist()


TEXTS = st.text(min_size=1, max_size=12) | st.text("0123456789-.+ ٣", min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS | st.none() | st.integers(-1, 2**63 - 1), max_size=5))
def test_a_column_is_read_value_by_value(given_column: list[str | int | None]) -> None:
    numbers, names = list[int](), list[str]()
    for value in given_column:
        said = -1 if value is None else value
        if isinstance(said, str):
            whole, point, zeros = said.partition(".")
            digits = whole if point and zeros and not zeros.strip("0\u0660") else said
            if digits.removeprefix("-").isdecimal():
                said = int(digits)
                if said < -1 or digits in ("-0", "-00") or (digits[0] == "-" and said == 0):
                    break
        if isinstance(said, str) and (
            "\0" in said or not said.strip() or said != said.encode(errors="ignore").decode()
        ):
            break
        numbers.append(number_of_name(said) if isinstance(said, str) else said)
        names.append(said if isinstance(said, str) else "")
    else:
        read = labels("person", given_column, len(given_column))
        assert (read.number.tolist(), read.name.tolist()) == (numbers, names)
        return
    with pytest.raises(InputError, match="person"):
        labels("person", given_column, len(given_column))


def test_beside_fractions_the_number_of_a_name_is_exact() -> None:
    assert labels("camera", ["lobby", 3.0, None], 3).number.tolist() == [number_of_name("lobby"), 3, -1]
    assert labels("camera", "lobby", 2).name.tolist() == ["lobby", "lobby"]
    assert labels("camera", np.array("lobby"), 2).number.tolist() == [number_of_name("lobby")] * 2


BIG = 2**62 + 1  # which no float holds
NAME = "anna"


@pytest.mark.parametrize(
    ("given_column", "meant"),
    [
        ([BIG, 1.0, NAME], [BIG, 1, NAME]),
        ([np.uint64(BIG), 3], [BIG, 3]),
        ([BIG, float("nan")], [BIG, -1]),
        ([NAME, np.float32("nan"), None], [NAME, -1, -1]),
        (np.array([1, np.nan], dtype=np.float16), [1, -1]),
        (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), [1, 2]),
        ([torch.tensor(BIG), np.int8(3)], [BIG, 3]),
        (pyarrow.array([BIG, None]), [BIG, -1]),
        (pyarrow.chunked_array([[NAME], [None]]), [NAME, -1]),
    ],
)
def test_numbers_are_exact_and_what_is_missing_is_unknown(given_column: Any, meant: list[int | str]) -> None:
    read = labels("person", given_column, len(meant))
    assert read.number.tolist() == [number_of_name(one) if isinstance(one, str) else one for one in meant]
    assert read.name.tolist() == [one if isinstance(one, str) else "" for one in meant]


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_columns_of_pandas_are_read_with_what_is_missing(dtype: str) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert labels("person", pandas.Series([NAME, None], dtype=dtype), 2).name.tolist() == [NAME, ""]
    assert labels("person", pandas.Series([NAME, None], dtype=dtype).tolist(), 2).number[1] == -1
    assert labels("person", pandas.Series([BIG, None], dtype="Int64"), 2).number.tolist() == [BIG, -1]


@pytest.mark.parametrize("wrong", [[True, 5], [np.True_, NAME], [2.0**60, 1], np.array([2.0**60, 1]), [1.5, NAME]])
def test_what_is_no_number_is_not_taken_for_one(wrong: Any) -> None:
    with pytest.raises(InputError, match="person has"):
        labels("person", wrong, 2)


def test_text_is_read_as_tables_are(tmp_path: Path) -> None:
    values = [value for value in HOSTILE if value.strip() == value and value.isprintable()] + [
        "7",
        "7.0",
        "0",
        "٣",
        "-1",
    ]
    rows = "".join(f'{number}.jpg\t"{value.replace(chr(34), 2 * chr(34))}"\n' for number, value in enumerate(values))
    (tmp_path / "table.tsv").write_text("path\tperson\n" + rows, encoding="utf-8")
    pictures = read_pictures(tmp_path / "table.tsv")
    read = labels("person", values, len(values))
    assert pictures.person.tolist() == read.number.tolist()
    assert pictures.names == {n: name for n, name in zip(read.number.tolist(), read.name, strict=True) if name}


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from("'\""), st.sampled_from(["=", "!=", "in", "not in"]))
def test_any_name_in_quotes_is_a_condition_of_numbers_alone(name: str, quote: str, operator: str) -> None:
    try:
        said = label("camera", name)
    except InputError:
        return
    value = quote + name.replace(quote, 2 * quote) + quote
    where = parse_where(f"camera {operator} " + (f"({value}, 5)" if "in" in operator else value))
    forms = {name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}
    meant = {said} if isinstance(said, int) else set(map(number_of_name, forms))
    assert isinstance(where, Compare)
    assert set(where.values) == meant | ({5} if "in" in operator else set())
    assert where.operator == ("in" if operator in ("=", "in") else "not in")
    assert set(_words(where)) <= {"camera", "in", "not", "added"}


def _words(where: Where) -> list[str]:
    text = where.text("()", 1)
    assert all(letter.isascii() and (letter.isalnum() or letter in " ()<,") for letter in text)
    return [word for word in text.replace("(", " ").replace(")", " ").split() if word.isalpha()]


def test_numbers_of_names_do_not_meet_those_that_people_give() -> None:
    assert all(FIRST_OF_NAMES <= number_of_name(name) < 2**63 for name in HOSTILE)
