"""MOT's texts as people have them: every kind of damage is an `InputError` or a problem, with its file and line."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from strongreid.data.importing.choices import import_source
from strongreid.data.importing.sightings import Choices
from strongreid.errors import InputError
from tests.data.import_sources import imported

GOOD = ["1,3,5,6,10,20,1,1,0.5", "2,3,5,6,10,20,1,1,1", "2,4,30,6,10,20,1,1,1"]


def sequence(folder: Path, lines: list[str], *, frames: int = 2, text: str = "gt/gt.txt") -> Path:
    """A sequence `folder` with frames of 60 x 40 pixels."""
    (folder / "img1").mkdir(parents=True)
    for number in range(1, frames + 1):
        Image.fromarray(np.full((40, 60, 3), number, dtype=np.uint8)).save(folder / "img1" / f"{number:06d}.png")
    (folder / text).parent.mkdir(exist_ok=True)
    (folder / text).write_text("\n".join(lines))
    return folder


def test_a_sound_sequence(tmp_path: Path) -> None:
    found = import_source(sequence(tmp_path / "seq", GOOD), Choices())
    assert [(one.person, one.camera, one.frame, one.box, one.track) for one in found.sightings] == [
        ("3", "seq", 1, (4, 5, 10, 20), "seq/3"),
        ("3", "seq", 2, (4, 5, 10, 20), "seq/3"),
        ("4", "seq", 2, (29, 5, 10, 20), "seq/4"),
    ]
    assert not found.problems
    assert {one.confidence for one in found.sightings} == {None}, "the flag of ground truth is no confidence"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2,5,1,1,9", "it has 5 values, where the lines before have 9"),
        ("2,5,1,1,9,9,1,1,1,1,1", "it has 11 values"),
        ("two,5,1,1,9,9,1,1,1", "the frame is 'two'; it must be a number"),
        ("2.5,5,1,1,9,9,1,1,1", "the frame is '2.5'; it must be a whole number from 0 on"),
        ("-1,5,1,1,9,9,1,1,1", "the frame is '-1'"),
        ("2,,1,1,9,9,1,1,1", "the id is ''"),
        ("2,-7,1,1,9,9,1,1,1", "the id is '-7'; it must be a whole number from -1 on"),
        ("2,1e400,1,1,9,9,1,1,1", "the id is '1e400'"),
        ("2,5,nan,1,9,9,1,1,1", "the box is 'nan'"),
        ("2,5,1,inf,9,9,1,1,1", "the box is 'inf'"),
        ("2,5,1,1,9e30,9,1,1,1", "the box is '9e30'"),
        ("2,5,1,1,1_0,9,1,1,1", "the box is '1_0'"),
        ("2,5,1,1,9,9,x,1,1", "the confidence is 'x'"),
        ("2,5,1,1,9,9,1,1.5,1", "the class is '1.5'"),
    ],
)
def test_a_line_that_is_none_ends_the_reading(line: str, said: str, tmp_path: Path) -> None:
    source = sequence(tmp_path / "seq", [*GOOD, "", line])
    with pytest.raises(InputError, match=rf"gt\.txt, line 5: {re.escape(said)}"):
        import_source(source, Choices())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2,-1,1,1,9,9,1,1,1", "the id is -1, so it is a detection that belongs to no track"),
        ("3,5,1,1,9,9,1,1,1", "there is no frame 3 in .*img1; those there are numbered 1 to 2"),
        ("2,3,1,1,9,9,1,1,1", "the id 3 is in frame 2 already, in line 2"),
        ("2,5,61,1,9,9,1,1,1", r"the box \[60, 0, 9, 9\] .* lies outside .*000002\.png, which has 60 x 40 pixels"),
        ("2,5,1,-20,9,9,1,1,1", "lies outside"),
        ("2,5,1,1,0,9,1,1,1", "is empty"),
        ("2,5,1,1,-9,9,1,1,1", "is empty"),
    ],
)
def test_what_is_wrong_with_one_box_is_told_beside_those_that_are_sound(line: str, said: str, tmp_path: Path) -> None:
    found = import_source(sequence(tmp_path / "seq", [*GOOD, line]), Choices(first_pixel=1))
    assert len(found.sightings) == 3
    assert len(found.problems) == 1
    assert re.search(rf"gt\.txt, line 4: .*{said}", found.problems[0])


def test_classes_and_flags_of_ground_truth_leave_boxes_out_aloud(tmp_path: Path) -> None:
    lines = [*GOOD, "2,5,1,1,9,9,1,3,1", "2,6,1,1,9,9,1,7,1", "2,7,1,1,9,9,0,1,1", "1,8,1,1,9,9,1,-1,1"]
    source = sequence(tmp_path / "seq", lines)
    found = import_source(source, Choices())
    assert [one.person for one in found.sightings] == ["3", "3", "4", "8"]
    said = " ".join(found.notes)
    assert "1 boxes are left out: the ground truth marks them" in said
    assert "1 of class 3, 1 of class 7" in said
    assert {one.person for one in import_source(source, Choices(classes=(1, 7))).sightings} == {"3", "4", "6", "8"}
    with pytest.raises(InputError, match=r"no boxes of class 2, only of 1, 3, 7\. Say by `classes`"):
        import_source(sequence(tmp_path / "cars", lines[:-1]), Choices(classes=(2,)))


def test_a_sequence_of_which_nothing_is_left_is_told(tmp_path: Path) -> None:
    sequence(tmp_path / "all" / "one", GOOD)
    sequence(tmp_path / "all" / "two", ["1,8,1,1,9,9,1,3,1", "1,9,1,1,9,9,0,1,1"])
    found = import_source(tmp_path / "all", Choices())
    assert {one.camera for one in found.sightings} == {"one"}
    assert "None of the 2 boxes of two is of a person that counts." in found.notes


@pytest.mark.parametrize("columns", [6, 7, 10])
def test_a_tracker_s_text_in_the_sequence(columns: int, tmp_path: Path) -> None:
    values = ["1", "0", "0", "0", "9", "9", "0.75", "-1", "-1", "-1"][:columns]
    for name, lines in (("commas", ",".join(values)), ("spaces", " ".join(values))):
        found = import_source(sequence(tmp_path / name, [lines], text="tracks.txt"), Choices())
        assert [(one.person, one.box) for one in found.sightings] == [("0", (0, 0, 9, 9))]
        assert found.sightings[0].confidence == (0.75 if columns > 6 else None)
    (tmp_path / "commas" / "other.txt").write_text("")
    with pytest.raises(InputError, match="several texts of boxes"):
        import_source(tmp_path / "commas", Choices())


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    empty = sequence(tmp_path / "empty", ["", "  "])
    without_frames = sequence(tmp_path / "unseen", GOOD, frames=0)
    gone = sequence(tmp_path / "gone", GOOD)
    (gone / "gt" / "gt.txt").unlink()
    twice = sequence(tmp_path / "twice", GOOD)
    Image.new("RGB", (60, 40)).save(twice / "img1" / "frame_2.png")
    away = sequence(tmp_path / "away", GOOD)
    (away / "img1").rename(away / "pictures")
    for source, said in (
        (empty, r"gt\.txt holds no boxes"),
        (without_frames, "holds no frames"),
        (gone, "has no boxes: there is no gt/gt.txt"),
        (twice, r"frame_2\.png and .*000002\.png have one number|000002\.png and .*frame_2\.png have one number"),
        (away, "has no frames: there is no folder .*img1"),
    ):
        with pytest.raises(InputError, match=said):
            import_source(source, Choices())
    (away / "seqinfo.ini").write_text("[Sequence]\nname=away\nimDir=pictures\n")
    assert len(import_source(away, Choices()).sightings) == 3
    for wrong in ("imDir=../gone/img1", "imDir=/etc", "imDir=..", "imDir="):
        (away / "seqinfo.ini").write_text(f"[Sequence]\n{wrong}\n")
        with pytest.raises(InputError, match=r"seqinfo\.ini: imDir is"):
            import_source(away, Choices())
    (away / "seqinfo.ini").write_text("no section\n")
    with pytest.raises(InputError, match=r"seqinfo\.ini cannot be read: .*line"):
        import_source(away, Choices())


VALUES = st.one_of(st.integers(-3, 70), st.floats(), st.sampled_from(["", "x", "1e999", "-0", "0x1"]))
LINES = st.lists(VALUES, min_size=5, max_size=11).map(lambda values: ",".join(map(str, values)))


@given(st.lists(st.one_of(st.sampled_from(GOOD), st.text(max_size=30), LINES), max_size=5))
@settings(max_examples=60, deadline=None)
def test_whatever_stands_in_a_text_is_read_or_told_with_its_line(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = sequence(Path(folder) / "seq", [])
        (source / "gt" / "gt.txt").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        found = imported(source)
        if isinstance(found, str):
            assert re.search(r"gt\.txt, line \d+: |holds no boxes|line \d+ is no text in UTF-8", found)
            return
        assert all(re.search(r"gt\.txt, line \d+: ", problem) for problem in found.problems)
        for one in found.sightings:
            x, y, width, height = one.box or (0, 0, 0, 0)
            assert 0 <= x < x + width <= 60
            assert 0 <= y < y + height <= 40
