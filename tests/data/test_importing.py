"""One scene in each form that users bring gives the same people, cameras, boxes and pixels; what is wrong is told."""

import csv
import os
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from strongreid.data.decoding import decode_row
from strongreid.data.importing.choices import import_source
from strongreid.data.importing.sightings import Choices, Imported, Sighting, in_frames, thinned, wrong_name
from strongreid.data.importing.written import write_table
from strongreid.data.own_table import read_own_table
from strongreid.data.pictures import read_pictures
from strongreid.errors import InputError
from tests.data.import_sources import Seen, outcome, scene, write_coco, write_folders, write_mot, write_named

SHARED = Choices(ids="shared")
NAMED = Choices(pattern="{person}_c{camera}_{frame}")
FOLDERS = Choices(pattern="{person}/{camera}/{frame}")


@pytest.fixture(scope="module")
def seen(drawn: Path) -> list[Seen]:
    return scene(drawn)


def rows_of(source: Path, choices: Choices, table: Path) -> list[dict[str, str]]:
    """The rows that an import of a sound source writes."""
    imported = import_source(source, choices)
    assert not imported.problems
    write_table(table, imported.sightings)
    with table.open(newline="") as stream:
        return list(csv.DictReader(stream))


def pixels_by_row(table: Path) -> dict[tuple[int, int, int], bytes]:
    """The decoded pixels of each image of a table, by person, camera and frame."""
    found = {}
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    pictures = read_pictures(table)
    for row, words in enumerate(rows):
        key = (int(words["person"]), int(words["camera"][-1]), int(words["frame"]))
        found[key] = decode_row(pictures.images, row, (64, 32)).tobytes()
    return found


def test_one_scene_in_four_forms_is_the_same_people_cameras_boxes_and_pixels(seen: list[Seen], tmp_path: Path) -> None:
    sources = {
        "mot": (write_mot(seen, tmp_path / "mot"), SHARED),
        "coco": (write_coco(seen, tmp_path / "coco"), Choices()),
        "names": (write_named(seen, tmp_path / "names"), NAMED),
        "folders": (write_folders(seen, tmp_path / "folders"), FOLDERS),
    }
    rows = {name: rows_of(*source, tmp_path / f"{name}.csv") for name, source in sources.items()}
    expected = Counter((one.person, one.camera, one.frame) for one in seen)
    for name in sources:
        assert Counter((int(r["person"]), r["camera"], int(r["frame"])) for r in rows[name]) == expected, name
    boxes = {
        name: Counter((int(r["person"]), r["camera"], *(int(r[side]) for side in "xywh")) for r in rows[name])
        for name in ("mot", "coco")
    }
    assert boxes["mot"] == boxes["coco"] == Counter((one.person, one.camera, *one.box) for one in seen)
    pixels = [pixels_by_row(tmp_path / f"{name}.csv") for name in sources]
    assert all(other == pixels[0] for other in pixels[1:])
    # And a table's own reader splits them all, with tracks of one camera each.
    parts = read_own_table(tmp_path / "mot.csv").parts.values()
    assert sum(len(part.table) for part in parts) == len(seen)
    assert not [finding for part in parts for finding in part.findings if finding.serious]


@pytest.mark.parametrize("first_pixel", [0, 1])
def test_boxes_of_mot_count_pixels_from_where_they_tell_or_the_user_says(
    first_pixel: int, seen: list[Seen], tmp_path: Path
) -> None:
    source = write_mot(seen, tmp_path / "mot", first_pixel)
    if first_pixel == 0:  # where some box touches the frame's first row or column, it tells
        for text in source.glob("*/gt/gt.txt"):
            text.write_text("\n".join(text.read_text().splitlines()[2:]) + "\n")
    assert any(0 in one.box[:2] for one in seen)
    expected = Counter((one.person, one.camera, one.box) for one in seen)
    for choices in (SHARED, Choices(ids="shared", first_pixel=first_pixel)):
        imported = import_source(source, choices)
        assert Counter((int(one.person), one.camera, one.box) for one in imported.sightings) == expected
    assert any(f"count pixels from {first_pixel}" in note for note in import_source(source, SHARED).notes)
    wrong = import_source(source, Choices(ids="shared", first_pixel=1 - first_pixel))
    assert Counter((int(one.person), one.camera, one.box) for one in wrong.sightings) != expected


def test_a_tracker_s_texts_beside_a_folder_of_frames(seen: list[Seen], tmp_path: Path) -> None:
    write_mot(seen, tmp_path / "frames")
    (tmp_path / "tracked").mkdir()
    for camera in sorted({one.camera for one in seen}):
        lines = [
            f"{one.frame},{one.person},{one.box[0]}.0,{one.box[1]}.0,{one.box[2]}.00,{one.box[3]},0.5,-1,-1,-1"
            for one in seen
            if one.camera == camera
        ]
        (tmp_path / "tracked" / f"{camera}.txt").write_text("\r\n".join(lines))
    choices = Choices(frames=tmp_path / "frames", ids="per_sequence", camera="cam1=door, cam2=door")
    imported = import_source(tmp_path / "tracked", choices)
    assert not imported.problems
    assert {one.confidence for one in imported.sightings} == {0.5}
    assert {one.camera for one in imported.sightings} & {"cam1", "cam2", "door"} == {"door"}
    assert Counter((one.person, one.box) for one in imported.sightings) == Counter(
        (f"{one.camera}/{one.person}", one.box) for one in seen
    )
    one = import_source(
        tmp_path / "tracked" / "cam1.txt", Choices(frames=tmp_path / "frames" / "cam1" / "img1", camera="door")
    )
    assert {seen.person for seen in one.sightings} == {
        seen.person[5:] for seen in imported.sightings if seen.person[:4] == "cam1"
    }
    for told in ("cam9=door", "cam1=", "cam1==x", "=door"):
        with pytest.raises(InputError, match="camera"):
            import_source(tmp_path / "tracked", Choices(frames=tmp_path / "frames", ids="shared", camera=told))


def test_ids_that_repeat_across_sequences_are_asked_about(seen: list[Seen], tmp_path: Path) -> None:
    source = write_mot(seen, tmp_path / "mot")
    with pytest.raises(InputError, match=r"gt\.txt, line \d+: the id \d+ is in .*gt\.txt, line \d+, too.*per_sequence"):
        import_source(source, Choices())
    apart = import_source(source, Choices(ids="per_sequence"))
    assert len({one.person for one in apart.sightings}) == len({(one.camera, one.person) for one in seen})
    write_table(tmp_path / "t.csv", apart.sightings)
    header = (tmp_path / "t.csv").read_text().splitlines()[0]
    assert "seen_by" in header.split(",")
    assert "camera" not in header.split(",")
    parts = read_own_table(tmp_path / "t.csv").parts
    assert len(parts["query"].table)


def test_a_camera_that_is_told_is_that_of_all(seen: list[Seen], tmp_path: Path) -> None:
    named = import_source(write_named(seen, tmp_path / "names"), Choices(pattern="{person}_c{*}", camera="door"))
    assert {one.camera for one in named.sightings} == {"door"}
    with pytest.raises(InputError, match="Leave one of them out"):
        import_source(tmp_path / "names", Choices(pattern="{person}_c{camera}_{*}", camera="door"))
    folders = import_source(write_folders(seen, tmp_path / "folders"), Choices())
    assert {(one.person, one.camera) for one in folders.sightings} == {(f"{one.person:04d}", "") for one in seen}
    for wrong in ("=1+1", " door", "do\nor"):
        with pytest.raises(InputError, match="camera"):
            import_source(tmp_path / "folders", Choices(camera=wrong))


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (Choices(ids="shared"), "`ids` is for mot, but this is read as folders"),
        (Choices(person_key="x"), "`person_key` is for coco"),
        (Choices(format="names"), "read by a `pattern`"),
        (Choices(format="names", pattern="{person}", category="x"), "`category` is for coco"),
        (Choices(every=0), "`every` is 0"),
        (Choices(format="mot"), "holds no sequences of MOT"),
        (Choices(format="coco"), "cannot be read: it is a folder"),
    ],
)
def test_choices_that_do_not_fit_are_refused(choices: Choices, said: str, seen: list[Seen], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        import_source(write_folders(seen[:4], tmp_path / "people"), choices)


def test_what_is_no_source_is_told_what_would_be(seen: list[Seen], tmp_path: Path) -> None:
    for source, said in (
        (tmp_path / "nowhere", "There is no"),
        (write_named(seen[:3], tmp_path / "crops"), r"tell how by `pattern`.*\{person\}_c\{camera\}"),
        (tmp_path, "a folder of images for each person|parts of a split|one folder"),
    ):
        with pytest.raises(InputError, match=said):
            import_source(source, Choices())
    (tmp_path / "set" / "annotations").mkdir(parents=True)
    (tmp_path / "set" / "annotations" / "people.json").write_text("{}")
    write_mot(seen[:3], tmp_path / "mot17" / "train")
    for source, said in (
        (tmp_path / "set", r"people\.json\. If it is a COCO file, name it"),
        (tmp_path / "mot17", "one level off"),
    ):
        with pytest.raises(InputError, match=said):
            import_source(source, Choices())
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.mp4").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.txt")
    for source, said in (
        (tmp_path / "empty", "no sequences and no pictures"),
        (tmp_path / "x.mp4", "neither a COCO"),
        (tmp_path / "pipe.txt", "neither a file nor a folder"),
    ):
        with pytest.raises(InputError, match=said):
            import_source(source, Choices())


def test_helper_files_are_left_alone_and_counted(seen: list[Seen], tmp_path: Path) -> None:
    folder = write_named(seen, tmp_path / "names")
    for name in (".DS_Store", "Thumbs.db", "._0001_ccam1_00001.png", "._x.png", "notes.txt"):
        (folder / name).write_bytes(b"nothing")
    imported = import_source(folder, NAMED)
    assert imported.left_alone == {".DS_Store": 1, "Thumbs.db": 1, "._*": 2, ".txt": 1}
    assert len(imported.sightings) == len(seen)


def sighting(person: str, frame: int, camera: str = "a", track: str = "") -> Sighting:
    return Sighting(f"{person}{camera}{frame:03d}.png", person, camera, "here", frame, None, track)


def test_each_nth_image_of_a_track_is_kept_in_the_order_of_frames() -> None:
    rng = np.random.default_rng(3)
    rows = [sighting(*key) for person in "pq" for camera in "ab" for key in ((person, f, camera) for f in range(7))]
    rows += [sighting("p", frame, "a", track) for track in ("t", "u") for frame in range(20, 25)]
    shuffled = [rows[index] for index in rng.permutation(len(rows)).tolist()]
    for every in (1, 2, 3, 10):
        kept = thinned(shuffled, every)
        assert [one for one in shuffled if one in kept] == kept
        expected = set[Sighting]()
        for group in {(one.camera, one.track, one.person if not one.track else "") for one in rows}:
            own = [one for one in rows if (one.camera, one.track, one.person if not one.track else "") == group]
            expected |= set(sorted(own, key=lambda one: one.frame or 0)[::every])
        assert set(kept) == expected


def frames(folder: Path, *, exif: bool) -> list[str]:
    """A frame as PNG and as JPEG, 40 x 30 pixels; the JPEG lies on its side where `exif`."""
    pixels = np.zeros((30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "f.png")
    tags = Image.Exif()
    if exif:
        tags[0x0112] = 6
    Image.fromarray(pixels).save(folder / "f.jpg", exif=tags)
    return [str(folder / "f.png"), str(folder / "f.jpg")]


def test_boxes_are_cut_to_their_frames_and_those_outside_are_told_with_their_place(tmp_path: Path) -> None:
    png, jpg = frames(tmp_path, exif=True)
    boxes = [(-5, -4, 20, 10), (35.4, 25.2, 10.6, 9.9), (0, 0, 40, 30), (40, 0, 5, 5), (0, -9, 5, 9), (3, 3, 0.4, 5)]
    rows = [Sighting(png, "1", "a", f"t.txt, line {row}", None, box) for row, box in enumerate(boxes)]
    rows += [Sighting(jpg, "1", "a", "t.txt, line 6", None, (25, 35, 10, 10))]  # upright it is 30 wide and 40 high
    rows += [Sighting(str(tmp_path / "gone.png"), "1", "a", "t.txt, line 7", None, (1, 1, 5, 5))]
    (tmp_path / "bad.jpg").write_bytes(Path(jpg).read_bytes()[:20])
    rows += [Sighting(str(tmp_path / "bad.jpg"), "1", "a", "t.txt, line 8", None, (1, 1, 5, 5))]
    found = in_frames(Imported("a test", rows))
    assert [one.box for one in found.sightings] == [(0, 0, 15, 6), (35, 25, 5, 5), (0, 0, 40, 30), (25, 35, 5, 5)]
    assert [problem.split(": ")[0] for problem in found.problems] == [f"t.txt, line {row}" for row in (3, 4, 5, 7, 8)]
    for problem, words in zip(found.problems, ("outside", "outside", "empty", "no image file", "decoded"), strict=True):
        assert words in problem
    assert found.notes == ["3 boxes reach beyond their frame and are cut to it."]


NAMES = (
    "plain.png",
    "a,b;c.png",
    'qu"ote.png',
    "line\nbreak.png",
    " space.png",
    "=cmd.png",
    "-x.png",
    "tab\tx.png",
    "ü.png",
    "return\r.png",
    "\u3000x.png",
    "\u2028.png",
)


def written(folder: Path, names: Sequence[str]) -> Path:
    """A table of images with such names, in and beside the folder of the table."""
    rows = []
    for index, name in enumerate(names):
        path = folder / ("inside" if index % 2 else "") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 5, 3), index, dtype=np.uint8)).save(path)
        rows.append(Sighting(str(path), f"p{index}", f"c{index % 2}", "here", 1))
    write_table(folder / "t.csv", rows)
    return folder / "t.csv"


def test_paths_of_any_name_come_back_and_no_cell_is_a_formula(tmp_path: Path) -> None:
    table = written(tmp_path / "here", NAMES)
    pictures = read_pictures(table)
    assert sorted(os.path.normpath(path) for path in pictures.images.path) == sorted(
        str(tmp_path / "here" / ("inside" if index % 2 else "") / name) for index, name in enumerate(NAMES)
    )
    for row in range(len(pictures)):
        decode_row(pictures.images, row, (9, 5))
    with table.open(newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", " ", "\t"))]
    (tmp_path / "there").mkdir()
    rows = [Sighting(str(tmp_path / "here" / "plain.png"), "p", "c", "here")]
    write_table(tmp_path / "there" / "t.csv", rows)  # not below the table's folder: where it lies is said in full
    assert read_pictures(tmp_path / "there" / "t.csv").images.path == (str(tmp_path / "here" / "plain.png"),)


NAMES_OF_PEOPLE = st.one_of(
    st.sampled_from(["-1", "3", "3.0", "03", "ann"]),
    st.tuples(st.sampled_from("ab1é\"'#"), st.text("ab10é\",';|#./=-", max_size=4)).map("".join),
)


@given(st.lists(st.tuples(NAMES_OF_PEOPLE, NAMES_OF_PEOPLE), min_size=4, max_size=12))
@settings(max_examples=60, deadline=None)
def test_people_and_cameras_of_any_name_come_back_from_the_table(seen: list[tuple[str, str]]) -> None:
    rows = [Sighting(f"{row}.png", person, camera, "here", row) for row, (person, camera) in enumerate(seen)]
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder) / "t.csv", [one._replace(path=str(Path(folder) / one.path)) for one in rows])
        reading = outcome(lambda: read_own_table(Path(folder) / "t.csv"))
    if isinstance(reading, str):  # a name in two spellings, such as 3 and 03
        assert re.search("written in one way|must be at most|a number from 0 on", reading)
        return
    found = {
        int(Path(path).stem): (person, camera)
        for part in reading.parts.values()
        for path, person, camera in zip(
            part.table.path, part.table.person.tolist(), part.table.camera.tolist(), strict=True
        )
    }
    kept = [row for row, one in enumerate(rows) if one.person != "-1"]
    assert sorted(found) == kept
    for one in kept:
        for two in kept:
            assert (found[one][0] == found[two][0]) == (_same(seen[one][0], seen[two][0]))


def _same(one: str, two: str) -> bool:
    """Whether two names are one: 3.0 is 3, as programs write it."""
    return re.sub(r"\.0+$", "", one) == re.sub(r"\.0+$", "", two) if re.fullmatch(r"-?\d+(\.0+)?", one) else one == two


def test_a_path_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    for name in (b"ann_c1.png", b"b\xffb_c1.png"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as stream:  # noqa: PTH118, PTH123 - bytes
            stream.write(b"")
    found = import_source(tmp_path, Choices(pattern="{person}_c{camera}"))
    assert [one.person for one in found.sightings] == ["ann"]
    assert len(found.problems) == 1
    (tmp_path / "ann_c1.png").unlink()
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    (folder / "ann_c1.png").write_bytes(b"")
    (problem,) = import_source(folder, Choices(pattern="{person}_c{camera}")).problems
    assert "no text in UTF-8" in problem


@pytest.mark.parametrize("name", ["", " ", "a ", "=1+1", "+1", "@x", "-x", "-2", "a\nb", "a\x1b[31m", "\udcff", "\x00"])
def test_names_that_no_table_should_hold(name: str) -> None:
    assert wrong_name(name)


def test_names_that_a_table_may_hold() -> None:
    assert not [name for name in ("-1", "ann", "O'Neil", "a,b", "Jürgen", "0003", "cam 1", "x/3") if wrong_name(name)]
