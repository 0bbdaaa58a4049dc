"""Tables as people write them: other names of columns, other separators, other words for parts, boxes of any kind."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.data.benchmarks import load_benchmark, read_data
from strongreid.data.check import check_data
from strongreid.data.packed import PackedImages
from strongreid.data.reading import Reading
from strongreid.errors import InputError

PEOPLE = ("ann", "bob", "cy", "dee")
ROWS = [(f"{person}{camera}.png", person, f"cam{camera}") for person in PEOPLE for camera in (1, 2)]


def images(folder: Path) -> None:
    for seed, (name, *_) in enumerate(ROWS):
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)


def facts(reading: Reading) -> dict[str, list[tuple[str, int, int]]]:
    return {
        part: sorted(
            zip(
                (Path(p).name for p in one.table.path),
                one.table.person.tolist(),
                one.table.camera.tolist(),
                strict=True,
            )
        )
        for part, one in reading.parts.items()
    }


def table(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]], separator: str = ",") -> Path:
    path.write_text("\n".join(separator.join(map(str, row)) for row in (header, *rows)) + "\n", encoding="utf-8")
    return path


def test_columns_of_other_names_are_chosen(tmp_path: Path) -> None:
    plain = read_data("table", table(tmp_path / "a.csv", ("path", "person", "camera"), ROWS))
    other = table(tmp_path / "b.csv", ("file", "pid", "camid", "person"), [(*row, "x") for row in ROWS])
    named = read_data("table", other, columns="path=file, person=pid,camera=camid")
    assert facts(named) == facts(plain)
    with pytest.raises(
        InputError, match=r"b\.csv has no column `path`; it has camid, file, person, pid.*path=ITS_NAME"
    ):
        read_data("table", other)
    with pytest.raises(InputError, match=r"no column `who`, which `columns` names; it has camid, file"):
        read_data("table", other, columns="path=file,person=who")
    for wrong in ("person", "person=", "=pid", "pid=person", "person=pid,person=camid"):
        with pytest.raises(InputError, match=r"`columns` is .* write it as person=pid,camera=camid"):
            read_data("table", other, columns=wrong)
    with pytest.raises(InputError, match="`columns` names those of a `table`"):
        read_data("folder", tmp_path, columns="person=pid")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", [".csv", ".CSV", ".tsv", ".txt"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_any_usual_separator_and_line_end_is_read(
    separator: str, start: bytes, ending: str, line_end: bytes, tmp_path: Path
) -> None:
    plain = read_data("table", table(tmp_path / "a.csv", ("path", "person", "camera"), ROWS))
    other = table(tmp_path / f"b{ending}", ("path", "person", "camera"), ROWS, separator)
    other.write_bytes(start + other.read_bytes().replace(b"\n", line_end))
    assert facts(read_data("table", other)) == facts(plain)


def test_a_separator_within_quotes_is_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('"path";"person"\n"a,b;c.png";1\nd.png;2\n')
    parts = read_data("table", tmp_path / "t.csv").parts
    assert {Path(path).name for part in parts.values() for path in part.table.path} == {"a,b;c.png", "d.png"}


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"path,person\na.png,1\n\xff.png,2\n", 3, "UTF-8"),
        (b"path,person\na.png,1\nb.png,\xe9ric\n", 3, "UTF-8"),
        ("path,person\na.png,1\n".encode("utf-16"), 1, "UTF-8"),
    ],
)
def test_what_is_no_utf8_is_named_with_its_line(content: bytes, line: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"t\.csv.*line {line}.*{said}.*Save the table as CSV in UTF-8"):
        read_data("table", tmp_path / "t.csv")


def test_a_path_with_a_byte_0_is_named_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"path,person\na\0.png,1\n")
    with pytest.raises(InputError, match=r"row 2: `path` is 'a\\x00\.png'; it must be the path of an image"):
        read_data("table", tmp_path / "t.csv")


@pytest.mark.parametrize(
    "text", ["x" * 200_000, 'path,person\n"a,1', 'path,person\n"a"b,1\n', f'path,person\n"{"x" * 200_000}",1']
)
def test_what_is_no_csv_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=r"t\.csv cannot be read: row [12] or a later one is not CSV"):
        read_data("table", tmp_path / "t.csv")


def test_damaged_bytes_of_a_table_are_an_input_error_or_a_set(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, which is in the extra `parquet`")
    parquet = pytest.importorskip("pyarrow.parquet")
    header = ("path", "person", "camera", "split", "x", "y", "w", "h")
    rows = [(*row, "train" if row[1] in "ann bob" else "test", 0, 0, 8, 16) for row in ROWS]
    table(tmp_path / "t.csv", header, rows)
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    rng = np.random.default_rng(0)
    for name in ("t.csv", "t.parquet"):
        content = (tmp_path / name).read_bytes()
        for _ in range(150):
            damaged = bytearray(content)
            for position in rng.integers(0, len(content), 2).tolist():
                damaged[position] = int(rng.integers(256))
            (tmp_path / name).write_bytes(damaged)
            try:
                load_benchmark("table", tmp_path / name)
            except InputError as error:
                assert str(tmp_path) in str(error)  # noqa: PT017 - many damages are harmless


def split_of(words: dict[str, str], tmp_path: Path) -> dict[str, list[str]]:
    """Who is in which part, where each person's rows carry a word."""
    rows = [(*row, words[row[1]]) for row in ROWS]
    parts = read_data("table", table(tmp_path / "t.csv", ("path", "person", "camera", "split"), rows)).parts
    return {part: sorted({Path(path).name[:-5] for path in one.table.path}) for part, one in parts.items()}


@pytest.mark.parametrize(
    ("train", "test", "unused"),
    [("train", "test", None), ("Train", "TEST", "val"), ("training", "val", None), ("train", "validation", None)],
)
def test_queries_are_drawn_of_a_test_part(train: str, test: str, unused: str | None, tmp_path: Path) -> None:
    words = {"ann": train, "bob": unused or train, "cy": test, "dee": test}
    found = split_of(words, tmp_path)
    assert found["train"] == (["ann"] if unused else ["ann", "bob"])
    assert found["query"] == found["gallery"] == ["cy", "dee"]
    notes = [f.problem for f in read_data("table", tmp_path / "t.csv").parts["train"].findings]
    assert any("2 images of the split `val` are not used" in note for note in notes) == (unused is not None)
    if not unused:
        assert "queries drawn with seed 0" in load_benchmark("table", tmp_path / "t.csv").protocol


def test_a_test_part_beside_queries_is_their_gallery_and_other_words_are_refused(tmp_path: Path) -> None:
    header = ("path", "person", "camera", "split")
    words = ["train"] * 4 + ["probe", "test"] * 2
    rows = [(*row, word) for row, word in zip(ROWS, words, strict=True)]
    found = facts(read_data("table", table(tmp_path / "t.csv", header, rows)))
    assert [name for name, *_ in found["query"]] == ["cy1.png", "dee1.png"]
    assert [name for name, *_ in found["gallery"]] == ["cy2.png", "dee2.png"]
    for words, row, word in (
        (["train"] * 4 + ["query", "gallery", "query", "test"], 9, "test"),
        (["train"] * 7 + ["tets"], 9, "tets"),
        (["test"] * 8, 2, "test"),
    ):
        rows = [(*row, word) for row, word in zip(ROWS, words, strict=True)]
        with pytest.raises(InputError, match=rf"row {row}: `split` is '{word}'; it must be train, query or gallery"):
            read_data("table", table(tmp_path / "t.csv", header, rows))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("person", "3", "row 4: `person` is '3'; it must be written in one way: `0003` is the same number"),
        ("camera", "01", "row 2: `camera` is '1'; it must be written in one way: `01` is the same number"),
        (
            "person",
            "9223372036854775808",
            "row 4: `person` is '9223372036854775808'; it must be at most 92233720368547",
        ),
        ("camera", "9" * 40, "row 4: `camera` is '9999"),
        ("person", "9" * 6000, "row 4: `person` is '9999"),
        ("person", "-2", "row 4: `person` is '-2'; it must be a number from 0 on, a name, or -1 for junk"),
        ("person", "-" + "9" * 6000, "row 4: `person` is '-9999"),
        ("frame", "9223372036854775808", "row 4: `frame` is '9223372036854775808'; it must be a number of less than"),
        ("frame", "1e300", "row 4: `frame` is '1e300'"),
        ("frame", "9" * 6000, "row 4: `frame` is '9999"),
        ("x", "1e18", "row 4: `x` is '1e18'; it must be a number of less than 2147483648"),
        ("w", "inf", "row 4: `w` is 'inf'"),
        ("h", "NaN", "row 4: `h` is 'NaN'"),
        ("y", "2,5", "row 4: `y` is '2,5'"),
    ],
)
def test_a_value_that_cannot_be_taken_is_named_with_its_row(column: str, value: str, said: str, tmp_path: Path) -> None:
    header = ("path", "person", "camera", "frame", "x", "y", "w", "h")
    rows: list[list[object]] = [
        [f"{row}.png", "0003" if row == 0 else row + 10, row % 3 + 1, row, 0, 0, 8, 16] for row in range(4)
    ]
    rows[2][header.index(column)] = value
    with pytest.raises(InputError, match=re.escape(said)):
        read_data("table", table(tmp_path / "t.csv", header, [tuple(row) for row in rows], ";"))


def test_numbers_below_2_to_the_63_keep_their_value(tmp_path: Path) -> None:
    numbers = [0, 7, 10**18, 2**63 - 1]
    rows = [(f"{number}.png", number) for number in numbers for _ in range(2)]
    parts = read_data("table", table(tmp_path / "t.csv", ("path", "person"), rows)).parts
    assert sorted({int(person) for part in parts.values() for person in part.table.people}) == numbers


BOXES = [(0, 0, 8, 16), (1, 2, 0, 5), (1, 2, 5, 0), (1, 2, -3, 5), (40, 0, 8, 16), (-9, 0, 8, 16), (-2, -2, 6, 6)]


def test_each_wrong_box_is_listed_with_its_row_and_ends_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (30, 40)).save(tmp_path / "frame.png")
    rows = [("frame.png", person, *box) for person in range(8) for box in ((0, 0, 8, 16), (5, 5, 9, 20))]
    rows += [("frame.png", 100 + row, *box) for row, box in enumerate(BOXES)]
    path = table(tmp_path / "t.csv", ("path", "person", "x", "y", "w", "h"), rows)
    report = check_data("table", path)
    empty = [finding for finding in report.findings if "is empty" in finding.problem]
    outside = [finding for finding in report.findings if "outside" in finding.problem]
    assert [int(re.search(r"in row (\d+)", finding.problem)[1]) for finding in empty] == [19, 20, 21]
    assert sorted(int(re.search(r"in row (\d+)", finding.problem)[1]) for finding in outside) == [22, 23]
    assert all(finding.serious and finding.path.endswith("frame.png") for finding in (*empty, *outside))
    assert "the box [1, 2, -3, 5] (x, y, width, height) in row 21 is empty" in empty[2].problem
    assert sum(part.found.images for part in report.parts) == len(rows) - 3
    # Sizes are those of the boxes, as far as they lie in their frame.
    assert report.sizes[0] == (4, 4)
    assert report.sizes[2] == (20, 9)
    with pytest.raises(InputError, match=r"in row 19 is empty.*in row 20 is empty"):
        load_benchmark("table", path)


def test_boxes_refer_to_the_upright_photograph(tmp_path: Path) -> None:
    upright = np.random.default_rng(0).integers(0, 256, (60, 40, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = 6  # as a phone stores it that was held upright
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(tmp_path / "phone.png", exif=exif)
    rows = [("phone.png", person, 4 * person, 50 - 8 * person, 8, 10) for person in range(4)]
    path = table(
        tmp_path / "t.csv", ("path", "person", "x", "y", "w", "h"), rows + [(*row[:2], 0, 0, 8, 10) for row in rows]
    )
    report = check_data("table", path)
    assert not [finding for finding in report.findings if "outside" in finding.problem]
    images = load_benchmark("table", path).train
    packed = PackedImages.build(images, (10, 8), tmp_path / "packs")
    for index, (x, y, width, height) in enumerate(images.box.tolist()):
        assert np.array_equal(packed[np.array([index])][0].permute(1, 2, 0), upright[y : y + height, x : x + width])


def test_boxes_of_shares_are_told_from_boxes_of_pixels(tmp_path: Path) -> None:
    Image.new("RGB", (30, 40)).save(tmp_path / "frame.png")
    header = ("path", "person", "x", "y", "w", "h")
    rows = [("frame.png", person, 0.1 * person, 0.25, 0.3, 0.5) for person in range(4)]
    with pytest.raises(InputError, match=r"between 0 and 1 in every row.*multiply x and w by the image's width"):
        check_data("table", table(tmp_path / "t.csv", header, rows))
    rows = [("frame.png", person, 0, 0, 8, 16) for person in range(4)] + [("frame.png", 5, 0.5, 0.25, 0.3, 0.4)]
    (finding,) = (
        f for f in check_data("table", table(tmp_path / "t.csv", header, rows)).findings if "empty" in f.problem
    )
    assert "[0.5, 0.25, 0.3, 0.4]" in finding.problem
    assert "are these shares of the image? Then multiply" in finding.problem


def test_a_table_may_lead_anywhere(tmp_path: Path) -> None:
    images(tmp_path)
    (tmp_path / "lists").mkdir()
    rows = [(f"../{name}" if row % 2 else tmp_path / name, *rest) for row, (name, *rest) in enumerate(ROWS)]
    path = table(tmp_path / "lists" / "t.csv", ("path", "person", "camera"), rows)
    assert check_data("table", path).ready


def test_a_folder_given_as_a_table_and_a_table_as_a_folder_are_explained(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ("path", "person"), [("a", 1)])
    with pytest.raises(InputError, match="this is a folder, and one for each person is read by the name `folder`"):
        read_data("table", tmp_path)
    with pytest.raises(InputError, match="is a file; a table is read by the name `table`"):
        read_data("folder", path)


TRACKED = [
    ("ann1.png", "ann", "cam1", "7", "0.5"),
    ("bob1.png", "bob", "cam1", "8.0", "1"),
    ("cy1.png", "-1", "cam1", "7", "0.5"),  # nobody, so not a second person of the track
    ("ann2.png", "ann", "cam2", "7", "0"),
    ("bob2.png", "bob", "cam2", "7.0", "0.25"),
]
HEADER = ("path", "person", "camera", "track", "confidence")


def test_a_track_is_one_of_its_camera(tmp_path: Path) -> None:
    images(tmp_path)
    rows = [*TRACKED[:4], ("bob2.png", "bob", "cam2", "8", "0.25")]
    parts = read_data("table", table(tmp_path / "t.csv", HEADER, rows)).parts
    assert not [finding for part in parts.values() for finding in part.findings if finding.serious]
    found = {}
    for part in parts.values():
        assert part.table.track is not None
        assert part.table.confidence is not None
        columns = (part.table.path, part.table.track.tolist(), part.table.confidence.tolist())
        found |= {Path(path).name: (track, sure) for path, track, sure in zip(*columns, strict=True)}
    assert {name: sure for name, (_, sure) in found.items()} == {
        "ann1.png": 0.5, "bob1.png": 1.0, "ann2.png": 0.0, "bob2.png": 0.25
    }  # fmt: skip
    assert sorted(track for track, _ in found.values()) == [0, 1, 2, 3]


def test_a_track_of_two_people_and_a_confidence_that_is_none_are_told_with_their_rows(tmp_path: Path) -> None:
    images(tmp_path)
    report = check_data("table", table(tmp_path / "t.csv", HEADER, TRACKED))
    said = [str(finding) for finding in report.findings if finding.serious]
    assert any(
        "the track '7.0' shows 'ann' in row 5 and 'bob' in row 6; a track is of one person" in one for one in said
    )
    for wrong in ("-0.5", "nan", "inf", "sure", ""):
        rows = [*TRACKED[:2], (*TRACKED[3][:4], wrong)]
        with pytest.raises(InputError, match=r"row 4: `confidence` is"):
            read_data("table", table(tmp_path / "t.csv", HEADER, rows))
    with pytest.raises(InputError, match=r"row 2: `track` is ''"):
        read_data("table", table(tmp_path / "t.csv", HEADER, [("ann1.png", "ann", "cam1", "", "1")]))


def test_what_a_number_stands_for_is_known_as_the_data_write_it(tmp_path: Path) -> None:
    rows = [*ROWS, ("ann1.png", "-1", "cam9")]
    images(tmp_path)
    path = table(tmp_path / "a.csv", ("path", "person", "camera"), rows)
    reading, report = read_data("table", path), check_data("table", path)
    assert reading.people == report.people == {1: "ann", 2: "bob", 3: "cy", 4: "dee"}
    assert reading.cameras == report.cameras == {1: "cam1", 2: "cam2", 3: "cam9"}
    for part in reading.parts.values():
        for image, person in zip(part.table.path, part.table.person.tolist(), strict=True):
            assert reading.people[person] == Path(image).stem[:-1]
    for name in PEOPLE:
        (tmp_path / "people" / name).mkdir(parents=True)
        for at in (1, 2):
            (tmp_path / f"{name}{at}.png").rename(tmp_path / "people" / name / f"{at}.png")
    assert read_data("folder", tmp_path / "people").people == reading.people
