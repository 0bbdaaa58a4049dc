"""Patterns of names: every reading that a plain search over all splits finds, and only one of them is taken."""

from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from strongreid.data.importing.choices import import_source
from strongreid.data.importing.pattern import Field, Pattern, parse_pattern
from strongreid.data.importing.sightings import Choices
from strongreid.errors import InputError


def said(pattern: str, name: str) -> list[dict[str, str]]:
    return [dict(meaning) for meaning in parse_pattern(pattern).meanings(name)]


@pytest.mark.parametrize(
    ("pattern", "name", "meanings"),
    [
        ("{person}_c{camera}_{frame}", "0002_c1_000451.jpg", [{"person": "0002", "camera": "1", "frame": "000451"}]),
        ("{person}_c{camera}_{frame}", "ann_carl_c12_7.PNG", [{"person": "ann_carl", "camera": "12", "frame": "7"}]),
        ("{person}_c{camera}_{frame}", "0002_c1s1_000451_03.jpg", []),
        ("{person}_c{camera}_{frame}", "0002_c1_x.jpg", []),
        ("{person}_c{camera}_{frame}", "_c1_5.jpg", []),
        ("{person}_c{camera}s{*}_{frame}_{*}.jpg", "-1_c1s1_4_03.jpg", [{"person": "-1", "camera": "1", "frame": "4"}]),
        ("{person}_{camera}.png", "a_b.jpg", []),
        ("{person:4}{camera:2}{*}", "0001002.png", [{"person": "0001", "camera": "00"}]),
        ("{camera}/{person}/{*}", "door/ann/x/1.png", [{"camera": "door", "person": "ann"}]),
        ("{person}.{camera}+({frame})[x]", "a.b+(3)[x].png", [{"person": "a", "camera": "b", "frame": "3"}]),
        ("{person}.{camera}+({frame})[x]", "aXb+(3)[x].png", []),
        ("{person}_c{camera}", "a_c1_c2.png", [{"person": "a", "camera": "1_c2"}, {"person": "a_c1", "camera": "2"}]),
        ("{person}-{*}", "a-b-c.png", [{"person": "a"}, {"person": "a-b"}]),
        ("{person}-{*}-{*}", "a-b.png", []),
        ("{person}", "ann.jpg.png", [{"person": "ann.jpg"}]),
    ],
)  # fmt: skip
def test_what_names_mean(pattern: str, name: str, meanings: list[dict[str, str]]) -> None:
    assert said(pattern, name) == meanings


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("{person}{camera}", "nothing says where {person} ends and {camera} begins"),
        ("{person}_{*}{*}", "nothing says where"),
        ("{person}_{person}", "a field stands there twice"),
        ("{camera}_{frame}", "{person} is missing"),
        ("", "{person} is missing"),
        ("{person}_{cam}", "there is no {cam}"),
        ("{person}_{}", "there is no {}"),
        ("{person}_{", "a brace stands alone"),
        ("{person}}", "a brace stands alone"),
        ("{person:0}_x", "a field has no characters"),
        ("{person:x}", "a brace stands alone"),
        ("{person}" + "_{*}" * 9, "too many parts"),
    ],
)
def test_patterns_that_say_nothing_clear_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_pattern(pattern)
    assert why in str(refused.value)


def all_readings(pattern: Pattern, name: str) -> set[tuple[tuple[str, str], ...]]:
    """Every way to cut `name` into the pattern's parts, by trying all cuts."""
    found, parts = set(), pattern.parts
    for cuts in combinations(range(len(name) + 1 + len(parts)), len(parts) - 1):
        places = [0, *(cut - index for index, cut in enumerate(cuts)), len(name)]
        if places != sorted(places):
            continue
        pieces = [name[start:end] for start, end in pairwise(places)]
        if len(pieces) != len(parts):
            continue
        good, pairs = True, []
        for index, (part, piece) in enumerate(zip(parts, pieces, strict=True)):
            if isinstance(part, str):
                good &= part == piece
                continue
            good &= (
                piece != "" and (part.name != "frame" or piece.isdecimal()) and (part.name == "*" or "/" not in piece)
            )
            after = parts[index + 1] if index + 1 < len(parts) else None
            if part.name == "camera" and isinstance(after, str):
                good &= (piece + after).find(after, 1) == len(piece)
            if part.name != "*":
                pairs.append((part.name, piece))
        if good:
            found.add(tuple(pairs))
    return found


@given(
    st.permutations(["person", "camera", "frame", "*"]),
    st.integers(1, 4),
    st.lists(st.sampled_from(["_", "_c", "-", "a", "1"]), min_size=5, max_size=5),
    st.text("_ca1-/", max_size=9),
)
@settings(max_examples=200, deadline=None)
def test_readings_are_those_of_all_cuts(names: list[str], count: int, between: list[str], name: str) -> None:
    fields = names[:count] if "person" in names[:count] else ["person", *names[: count - 1]]
    parts: list[str | Field] = []
    for text, field in zip(between, fields, strict=False):
        parts += [text, Field(field)]
    pattern = Pattern("", tuple(parts[1:]))
    found, expected = pattern.meanings(name), all_readings(pattern, name)
    assert set(found) <= expected
    assert len(found) == min(len(expected), 2)


def test_a_hostile_name_is_read_at_once() -> None:
    pattern = parse_pattern("{*}_{person}_{*}_{camera}_{*}_{frame}")
    assert pattern.meanings("_" * 250 + "x") == []


def test_names_that_are_not_understood_are_problems(tmp_path: Path) -> None:
    names = [
        "ann_c1_1",
        "bob_c2_1",
        "-1_c2_7",
        "=x_c1_1",
        "-5_c1_1",
        "a_cb_c1_5",
        "what",
        "ann_c1_99999999999999999999",
    ]
    for name in names:
        Image.new("RGB", (4, 8)).save(tmp_path / f"{name}.png")
    found = import_source(tmp_path, Choices(pattern="{person}_c{camera}_{frame}"))
    assert [(one.person, one.camera, one.frame) for one in found.sightings] == [
        ("-1", "2", 7),
        ("a_cb", "1", 5),
        ("ann", "1", 1),
        ("bob", "2", 1),
    ]
    problems = {Path(one.split(": ")[0]).stem: one.split(": ")[1] for one in found.problems}
    assert set(problems) == {"=x_c1_1", "-5_c1_1", "what", "ann_c1_99999999999999999999"}
    assert "makes a formula" in problems["=x_c1_1"]
    assert "not like {person}_c{camera}_{frame}" in problems["what"]
    twice = import_source(tmp_path, Choices(pattern="{person}_{*}"))
    assert any("can be read in two ways, person a or person a_cb" in one for one in twice.problems)


def test_people_without_pictures_are_told(tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("")
    Image.new("RGB", (4, 8)).save(tmp_path / "ann" / "1.png")
    found = import_source(tmp_path, Choices())
    assert f"{tmp_path / 'bob'} holds no pictures." in found.notes
    assert f"{tmp_path / 'ann'} holds no pictures." not in found.notes
    assert found.left_alone == {".txt": 2}


def test_folders_of_a_public_set_are_not_people(tmp_path: Path) -> None:
    for part in ("bounding_box_train", "query", "gallery"):
        (tmp_path / part).mkdir()
        Image.new("RGB", (4, 8)).save(tmp_path / part / "0001_c1_1.png")
    with pytest.raises(InputError, match="parts of a split, not people"):
        import_source(tmp_path, Choices())
    found = import_source(tmp_path, Choices(pattern="{person}_c{camera}_{frame}"))
    assert len(found.sightings) == 3
