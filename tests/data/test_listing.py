import os
import re
import time
from pathlib import Path

import pytest

from strongreid.data.layouts import Folders
from strongreid.data.listing import Finding, contents, scan_folder
from strongreid.data.specs import BENCHMARKS, MARKET_NAMES
from strongreid.errors import InputError


def test_a_hundred_thousand_images_are_listed_in_under_two_seconds(tmp_path: Path) -> None:
    # A fifth of that many files, in a fifth of the time: making files is slow, listing them is not.
    folder = tmp_path / "bounding_box_test"
    folder.mkdir()
    for number in range(20_000):
        os.close(os.open(folder / f"{number % 1500:04}_c{number % 6 + 1}s1_{number:06}_01.jpg", os.O_CREAT))
    start = time.process_time()
    part = scan_folder(folder, MARKET_NAMES, 6)
    spent = time.process_time() - start
    assert len(part.table) == 20_000
    assert not part.findings
    assert spent < 0.4


def test_images_are_sorted_and_found_deep_only_when_asked(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.jpg", "deep/er/c.jpeg", "deep/.thumbnails/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    shallow = [str(tmp_path / name) for name in ("a.png", "b.JPG")]
    assert contents(tmp_path).images == shallow
    assert contents(tmp_path, deep=True).images == sorted([*shallow, str(tmp_path / "deep" / "er" / "c.jpeg")])


def test_a_link_that_leads_back_is_not_followed_again(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "1.jpg").write_bytes(b"")
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path)
    with pytest.raises(InputError, match="back is a link to"):
        contents(tmp_path / "a", deep=True)  # whatever lies beside would be taken for a part of it
    assert contents(tmp_path, deep=True).images == [str(tmp_path / "a" / "1.jpg")]
    (tmp_path / "a" / "b" / "back").unlink()
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    assert contents(tmp_path / "linked", deep=True).images == [str(tmp_path / "linked" / "1.jpg")]


def test_what_is_wrong_is_collected_beside_what_is_sound(tmp_path: Path) -> None:
    names = [
        "0001_c1s1_000001_01.jpg",
        "-1_c1s1_000001_01.jpg",
        "-2_c1s1_000001_01.jpg",
        "0002_c7s1_000001_01.jpg",
        "x.jpg",
    ]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    part = scan_folder(tmp_path, MARKET_NAMES, 6, frozenset({-1}))
    assert part.table.path == (str(tmp_path / names[0]),)
    assert part.junk == 1
    assert {Path(finding.path).name for finding in part.findings} == set(names[2:])


def test_images_too_deep_are_named_and_those_in_a_folder_beside_others_told(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "0001_c1s1_000001_01.jpg").write_bytes(b"")
    alone = scan_folder(tmp_path, MARKET_NAMES, 6)
    assert alone.findings == (Finding(str(inner), f"the images lie here, too deep: move them to {tmp_path}"),)
    (tmp_path / "0002_c1s1_000001_01.jpg").write_bytes(b"")
    beside = scan_folder(tmp_path, MARKET_NAMES, 6)
    assert len(beside.table) == 1
    ((path, problem, serious),) = beside.findings
    assert (path, serious) == (str(inner), False)
    assert "not read" in problem
    (tmp_path / ".thumbnails").mkdir()
    inner.joinpath("0001_c1s1_000001_01.jpg").rename(tmp_path / ".thumbnails" / "0001_c1s1_000001_01.jpg")
    assert scan_folder(tmp_path, MARKET_NAMES, 6).findings == ()


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_the_example_of_a_file_s_name_follows_its_pattern(name: str) -> None:
    layout = BENCHMARKS[name].layout
    if isinstance(layout, Folders):
        for naming in [layout.names] + ([layout.distractors[1]] if layout.distractors else []):
            match = re.fullmatch(naming.pattern, naming.example)
            assert match
            assert 1 <= int(match["camera"]) <= BENCHMARKS[name].cameras
