"""Damaged copies of a small set: what is wrong is named with its path, and nothing that is sound."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.data.check import CheckReport, check_data
from strongreid.data.listing import Finding
from strongreid.data.reading import queries_without_match
from strongreid.data.table import ImageTable
from strongreid.errors import InputError

CUHK01 = Path(__file__).parents[3] / "shared" / "data" / "cuhk01"
TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"


def serious(report: CheckReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.serious]


def one_of(folder: Path, start: str = "0") -> Path:
    return min(path for path in folder.iterdir() if path.name.startswith(start) and not path.name.startswith("0000"))


def test_the_undamaged_set_is_ready_and_nothing_named(drawn: Path) -> None:
    said: list[tuple[int, int]] = []
    report = check_data("market1501", drawn, progress=lambda done, total: said.append((done, total)))
    assert report.ready
    assert report.findings == ()
    total = sum(part.found.images for part in report.parts)
    assert said[-1] == (total, total)
    assert report.sizes == ((128, 64),) * 3


def test_numbers_are_those_of_plain_counting(drawn: Path) -> None:
    report = check_data("market1501", drawn)
    for part, folder in zip(report.parts, (TRAIN, QUERY, GALLERY), strict=True):
        names = [path.name for path in (drawn / folder).iterdir()]
        kept = [name for name in names if not name.startswith("-1")]
        assert part.junk == len(names) - len(kept)
        assert part.found.images == len(kept) == part.expected.images
        assert part.found.people == len({name[:4] for name in kept})
        assert part.people_per_camera == {
            int(camera): len({name[:4] for name in kept if name[6] == camera})
            for camera in sorted({name[6] for name in kept})
        }
        people = [name[:4] for name in kept if name[:4] != "0000"]
        counts = sorted(people.count(person) for person in set(people))
        assert part.images_per_person == (counts[0], float(np.median(counts)), counts[-1])


@pytest.mark.parametrize(("folder", "cut"), [(TRAIN, 200), (QUERY, 1), (GALLERY, 200)])
def test_a_truncated_jpeg_is_named_alone(folder: str, cut: int, drawn_copy: Path) -> None:
    bad = one_of(drawn_copy / folder)
    bad.write_bytes(bad.read_bytes()[:-cut])
    report = check_data("market1501", drawn_copy)
    assert not report.ready
    assert [finding.path for finding in report.findings] == [str(bad)]
    assert "cannot be decoded" in report.findings[0].problem


@pytest.mark.parametrize("folder", [TRAIN, QUERY, GALLERY])
def test_a_dead_link_is_named_alone_with_where_it_leads(folder: str, drawn_copy: Path) -> None:
    dead = one_of(drawn_copy / folder)
    dead.unlink()
    dead.symlink_to(drawn_copy / "moved" / dead.name)
    (finding,) = check_data("market1501", drawn_copy).findings
    assert finding.serious
    assert finding.path == str(dead)
    assert f"a link to {drawn_copy / 'moved' / dead.name}, where nothing is" in finding.problem


def test_a_wrong_count_names_the_folder_alone(drawn_copy: Path) -> None:
    one_of(drawn_copy / TRAIN).unlink()
    (finding,) = check_data("market1501", drawn_copy).findings
    assert finding.serious
    assert finding.path == str(drawn_copy / TRAIN)
    assert "images instead of" in finding.problem


def test_a_person_in_training_and_test_is_named(drawn_copy: Path) -> None:
    moved = one_of(drawn_copy / TRAIN)
    target = drawn_copy / GALLERY / moved.name
    moved.rename(target)
    findings = serious(check_data("market1501", drawn_copy))
    (leak,) = [finding for finding in findings if "training set too" in finding.problem]
    assert leak.path == str(target)
    assert f"person {int(moved.name[:4])} " in leak.problem
    # All else that is named is that the two folders hold other counts than drawn.
    assert {finding.path for finding in findings} == {str(target), str(drawn_copy / TRAIN), str(drawn_copy / GALLERY)}


@pytest.mark.parametrize("again", [False, True])
def test_an_image_in_training_and_test_is_named_even_if_saved_anew(again: bool, drawn_copy: Path) -> None:
    source = one_of(drawn_copy / TRAIN)
    victim = one_of(drawn_copy / GALLERY)
    if again:  # the same pixels in another file format, under the same name
        Image.open(source).save(victim, format="PNG")
    else:
        shutil.copy(source, victim)
    (finding,) = check_data("market1501", drawn_copy).findings
    assert finding.serious
    assert finding.path == str(victim)
    assert f"as {source}" in finding.problem


def test_an_image_twice_in_one_part_is_told_but_not_serious(drawn_copy: Path) -> None:
    first, second = sorted(path for path in (drawn_copy / TRAIN).iterdir())[:2]
    assert first.name[:4] == second.name[:4]
    shutil.copy(first, second)
    report = check_data("market1501", drawn_copy)
    assert report.ready
    assert [(finding.path, finding.serious) for finding in report.findings] == [(str(second), False)]


def test_one_image_as_two_people_is_serious(drawn_copy: Path) -> None:
    people = sorted({path.name[:4] for path in (drawn_copy / TRAIN).iterdir()})
    source, victim = (one_of(drawn_copy / TRAIN, person) for person in people[:2])
    shutil.copy(source, victim)
    (finding,) = check_data("market1501", drawn_copy).findings
    assert finding.serious
    assert finding.path == str(victim)
    assert "another person" in finding.problem


def test_a_query_without_a_match_is_named(drawn_copy: Path) -> None:
    query = one_of(drawn_copy / QUERY)
    person, camera = query.name[:4], query.name[6]
    removed = 0
    for path in (drawn_copy / GALLERY).iterdir():
        if path.name.startswith(person) and path.name[6] != camera:
            path.unlink()
            removed += 1
    shutil.copy(one_of(drawn_copy / TRAIN), drawn_copy / GALLERY / f"{person}_c{camera}s9_999999_00.jpg")
    assert removed
    findings = serious(check_data("market1501", drawn_copy))
    unmatched = [finding.path for finding in findings if "no match" in finding.problem]
    assert unmatched == [str(query)]


def test_a_query_whose_person_is_not_in_the_gallery_is_named(drawn_copy: Path) -> None:
    query = one_of(drawn_copy / QUERY)
    for path in (drawn_copy / GALLERY).iterdir():
        if path.name.startswith(query.name[:4]):
            path.unlink()
    findings = serious(check_data("market1501", drawn_copy))
    assert [finding.path for finding in findings if "not in the gallery" in finding.problem] == [str(query)]


def test_a_camera_out_of_range_is_named(drawn_copy: Path) -> None:
    sound = one_of(drawn_copy / GALLERY)
    bad = sound.rename(sound.with_name(f"{sound.name[:6]}7{sound.name[7:]}"))
    findings = serious(check_data("market1501", drawn_copy))
    assert findings[0] == Finding(str(bad), "the camera is 7; the set has cameras 1 to 6")
    assert {finding.path for finding in findings[1:]} <= {str(drawn_copy / GALLERY)}


@pytest.mark.parametrize("folder", [TRAIN, QUERY, GALLERY])
def test_images_one_level_too_deep_are_named_with_their_folder(folder: str, drawn_copy: Path) -> None:
    inner = drawn_copy / folder / folder
    (drawn_copy / folder).rename(drawn_copy / "aside")
    (drawn_copy / folder).mkdir()
    (drawn_copy / "aside").rename(inner)
    findings = check_data("market1501", drawn_copy).findings
    assert findings == (Finding(str(inner), f"the images lie here, too deep: move them to {drawn_copy / folder}"),)


@pytest.mark.parametrize("folder", [TRAIN, QUERY, GALLERY])
def test_a_missing_and_a_nested_folder_are_named(folder: str, drawn_copy: Path) -> None:
    with pytest.raises(InputError, match="one level off"):
        check_data("market1501", drawn_copy.parent)
    shutil.rmtree(drawn_copy / folder)
    with pytest.raises(InputError, match=f"needs `{folder}`"):
        check_data("market1501", drawn_copy)


def test_a_box_outside_its_frame_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "frame.png")
    boxes = [(1, 0), (2, 5), (3, 39), (3, -9), (4, 40), (4, -10)]
    rows = [f"frame.png,{person},{x},0,10,30" for person, x in boxes]
    (tmp_path / "t.csv").write_text("path,person,x,y,w,h\n" + "\n".join(rows) + "\n")
    outside = [f.problem for f in check_data("table", tmp_path / "t.csv").findings if "outside" in f.problem]
    assert len(outside) == 2
    assert {problem.split("]")[0] for problem in outside} == {"the box [40, 0, 10, 30", "the box [-10, 0, 10, 30"}


@pytest.mark.parametrize("cameras", [False, True])
def test_a_copy_of_a_query_in_the_gallery_is_told_where_no_camera_s_rule_leaves_it_out(
    cameras: bool, tmp_path: Path
) -> None:
    rows = [("a", 1, 1, "train"), ("b", 2, 1, "train"), ("c", 3, 1, "query"), ("d", 3, 1, "gallery")]
    rows.append(("e", 3, 2, "gallery"))
    for place, (name, *_) in enumerate(rows):
        Image.new("RGB", (4, 8), (place, 0, 0)).save(tmp_path / f"{name}.png")
    shutil.copy(tmp_path / "c.png", tmp_path / "d.png")
    lines = [f"{name}.png,{person},{split}" + f",{camera}" * cameras for name, person, camera, split in rows]
    (tmp_path / "t.csv").write_text("\n".join(["path,person,split" + ",camera" * cameras, *lines]) + "\n")
    report = check_data("table", tmp_path / "t.csv")
    assert report.ready
    assert [Path(path).name for path, _, _ in report.findings if path.endswith("png")] == ([] if cameras else ["d.png"])


@pytest.mark.parametrize("leaking", [False, True])
def test_people_of_a_set_that_counts_from_0_are_people(leaking: bool, tmp_path: Path) -> None:
    parts = {0: "train", 1: "train", 2: "test", 3: "test"}
    rows = [(person, camera, copy) for person in parts for camera in (1, 2) for copy in range(person + 1)]
    lines = ["path,person,camera,split"]
    for place, (person, camera, copy) in enumerate(rows):
        Image.new("RGB", (4, 8), (place, 0, 0)).save(tmp_path / f"{place}.png")
        part = "train" if parts[person] == "train" else "query" if (camera, copy) == (1, 0) else "gallery"
        lines.append(f"{place}.png,{person},{camera},{'gallery' if leaking and place == 0 else part}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    report = check_data("table", tmp_path / "t.csv")
    assert report.ready != leaking
    if leaking:
        assert [(Path(path).name, problem.split(" is in")[0]) for path, problem, _ in serious(report)] == [
            ("0.png", "person 0")
        ]
    else:
        assert report.parts[0].images_per_person == (2, 3.0, 4)


def test_several_damages_are_told_together(drawn_copy: Path) -> None:
    bad = one_of(drawn_copy / QUERY)
    bad.write_bytes(b"no image")
    odd = drawn_copy / TRAIN / "holiday.jpg"
    shutil.copy(one_of(drawn_copy / TRAIN), odd)
    assert {finding.path for finding in serious(check_data("market1501", drawn_copy))} == {str(bad), str(odd)}


def test_unmatched_queries_are_those_of_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        query, gallery = (
            ImageTable(("x",) * count, rng.integers(0, 5, count), rng.integers(1, 4, count)) for count in (12, 6)
        )
        for same_camera in ("exclude", "include"):
            wanted = []
            for row in range(len(query)):
                matches = [
                    other
                    for other in range(len(gallery))
                    if gallery.person[other] == query.person[row]
                    and (same_camera == "include" or gallery.camera[other] != query.camera[row])
                ]
                if not matches:
                    wanted.append(row)
            assert queries_without_match(query, gallery, same_camera).tolist() == wanted


@pytest.mark.parametrize(
    ("source", "copies", "known"),
    [
        ("0257001", ["0162002"], True),  # as CUHK01 ships them
        ("0331001", ["0162001"], False),
        ("0331001", ["0162002"], False),  # one of the known files, but another copy
    ],
)
def test_copies_that_a_set_ships_with_are_told_but_not_serious(
    source: str, copies: list[str], known: bool, tmp_path: Path
) -> None:
    (tmp_path / "campus").mkdir()
    for person in (162, 231, 257, 331):
        for image in range(1, 5):
            Image.new("RGB", (6, 16), (person % 256, image, 0)).save(tmp_path / "campus" / f"{person:04}{image:03}.png")
    for copy in copies:
        shutil.copy(tmp_path / "campus" / f"{source}.png", tmp_path / "campus" / f"{copy}.png")
    (finding,) = (one for one in check_data("cuhk01", tmp_path).findings if "the same image" in one.problem)
    assert finding.serious != known
    assert ("ships it so" in finding.problem) == known
    assert "another person" in finding.problem, "also where it is in training and test"
    assert {Path(finding.path).stem, Path(finding.problem.split(", as ")[1].split(";")[0]).stem} == {source, *copies}


@pytest.mark.skipif(not CUHK01.is_dir(), reason=f"CUHK01 is not in {CUHK01}")
def test_cuhk01_as_it_ships_is_ready_with_fifteen_copies_told() -> None:
    report = check_data("cuhk01", CUHK01)
    assert report.ready
    assert sum(part.found.images for part in report.parts) == 3884
    pairs = [
        (Path(path).name, Path(problem.split(", as ")[1].split(";")[0]).name) for path, problem, _ in report.findings
    ]
    across = {frozenset(pair) for pair in pairs if pair[0][:4] != pair[1][:4]}
    assert across == {frozenset({"0162002.png", "0257001.png"}), frozenset({"0231002.png", "0331002.png"})}
    within = [pair for pair in pairs if pair[0][:4] == pair[1][:4]]
    assert len(within) == 13
    cameras = [{int(name[4:7]) <= 2 for name in pair} for pair in within]
    assert all(len(sides) == 1 for sides in cameras), "each pair is of one camera"
    assert all((CUHK01 / "campus" / one).read_bytes() == (CUHK01 / "campus" / two).read_bytes() for one, two in within)
