"""Own data in Market-1501's names, drawn people in its layout, and layouts as file systems and archives change them."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.data.benchmarks import load_benchmark, read_data, set_name
from strongreid.data.check import check_data
from strongreid.data.specs import BENCHMARKS, NAMES
from strongreid.errors import InputError

PARTS = ("bounding_box_train", "query", "bounding_box_test")


def save(path: Path, seed: int | list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


def own_set(root: Path, shape: str = "{:04}_c{}s1_{:06}_01.jpg", cameras: tuple[int, ...] = (1, 7, 12)) -> Path:
    """Ten people to train on and ten others to test with, an image by each camera."""
    for person in range(1, 21):
        for index, camera in enumerate(cameras):
            part = PARTS[0] if person <= 10 else PARTS[1] if index == 0 else PARTS[2]
            save(root / part / shape.format(person, camera, index), [person, camera])
    return root


@pytest.mark.parametrize(
    ("shape", "cameras"),
    [
        ("{:04}_c{}s1_{:06}_01.jpg", (1, 7, 12)),
        ("{:04}_c{}s1_{:06}_01.PNG", (1, 7, 12)),
        ("{}_c{}_f{:07}.jpg", (0, 99, 1000)),
        ("{:06}_c{:03}.webp", (1, 2)),
        ("{}_c{}s2_{}_3 copy.jpeg", (3, 4)),
    ],
)
def test_own_data_in_market1501_s_names_is_ready_with_any_cameras_and_counts(
    shape: str, cameras: tuple[int, ...], tmp_path: Path
) -> None:
    root = own_set(tmp_path, shape, cameras)
    save(root / PARTS[2] / "-1_c1s1_000000_00.jpg", 777_001)
    save(root / PARTS[2] / "0000_c1s1_000000_00.jpg", 777_002)
    report = check_data("folder", root, layout="market1501")
    assert report.findings == ()
    assert report.ready
    assert report.parts[2].junk == 1
    data = load_benchmark("folder", root, layout="market1501")
    assert data.warnings == ()
    assert (data.name, data.same_camera) == ("folder", "exclude")
    assert data.train.people.tolist() == list(range(1, 11))
    assert data.gallery.people.tolist() == [0, *range(11, 21)]
    assert data.train.cameras.tolist() == sorted(cameras)
    assert data.query.cameras.tolist() == [cameras[0]]
    assert str(tmp_path) in data.protocol
    if "s1_" in shape:
        assert sorted(data.train.frame.tolist()) == sorted(list(range(len(cameras))) * 10)


def test_the_layout_s_own_set_and_other_names_are_kept_apart(tmp_path: Path) -> None:
    root = own_set(tmp_path)
    with pytest.raises(InputError, match="the camera is 7; the set has cameras 1 to 6"):
        load_benchmark("market1501", root)
    with pytest.raises(InputError, match=r"parts of a split, not people.*the layout `market1501`"):
        load_benchmark("folder", root)
    for name in ("market1501", "table", "cuhk01"):
        with pytest.raises(InputError, match="for own data, `folder`, alone"):
            load_benchmark(name, root, layout="market1501")
    with pytest.raises(InputError, match="may be market1501"):
        load_benchmark("folder", root, layout="duke")
    save(root / "query" / "holiday.jpg", 0)
    with pytest.raises(InputError, match=r"holiday\.jpg: the name is not like 0002_c1s1_000451_03\.jpg"):
        load_benchmark("folder", root, layout="market1501")


def test_few_people_in_the_layout_are_doubted(tmp_path: Path) -> None:
    root = own_set(tmp_path)
    for path in root.glob("*/*.jpg"):
        if int(path.name[:4]) not in (1, 2, 11, 12):
            path.unlink()
    (finding,) = check_data("folder", root, layout="market1501").findings
    assert "only 4 people" in finding.problem
    assert not finding.serious


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64])
def test_a_seed_that_no_draw_takes_is_refused_by_its_name(seed: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"`split_seed` is {seed}"):
        read_data("folder", tmp_path, split_seed=seed)


@pytest.mark.parametrize("name", ["drawn", "market1501"])
def test_drawn_people_are_called_so_by_whatever_name_they_are_read(name: str, drawn: Path) -> None:
    data = load_benchmark(name, drawn)
    assert data.name == "drawn"
    assert data.warnings == ()
    assert data.protocol.startswith("Drawn people: ")
    assert "arket" not in data.protocol
    report = check_data(name, drawn)
    assert report.ready
    assert report.title == "Drawn people"
    assert report.parts[0].expected is not None
    assert set_name(name, drawn) == "drawn"
    assert "drawn" in NAMES


def test_what_is_not_drawn_is_not_called_so(drawn_copy: Path) -> None:
    (drawn_copy / "drawn.json").unlink()
    assert load_benchmark("market1501", drawn_copy).name == set_name("market1501", drawn_copy) == "market1501"
    with pytest.raises(InputError, match=r"There is no .*drawn\.json.*data draw"):
        load_benchmark("drawn", drawn_copy)
    for content in ('{"splits": 3}', '{"splits": []}', '{"splits": {"query": 1}}', "[1]", "[" * 100_000, "\xff", "{}"):
        (drawn_copy / "drawn.json").write_text(content, encoding="latin-1")
        with pytest.raises(InputError, match=r"drawn\.json cannot be read.*Draw the set again"):
            load_benchmark("drawn", drawn_copy)
    for value in ('"6"', "1.5", "null", "[]", "true.5"):
        part = '{"people": %s, "distractors": 0, "images": 1, "junk": 0, "cameras": 1}' % value  # noqa: UP031 - braces
        splits = ", ".join(f'"{folder}": {part}' for folder in PARTS)
        (drawn_copy / "drawn.json").write_text('{"splits": {%s}}' % splits)  # noqa: UP031 - braces
        with pytest.raises(InputError, match=r"drawn\.json cannot be read"):
            load_benchmark("drawn", drawn_copy)


def upper_case(root: Path) -> None:
    for path in list(root.rglob("*.*")):
        if path.suffix in (".jpg", ".png"):
            path.rename(path.with_suffix(path.suffix.upper()))


def market(root: Path) -> None:
    own_set(root, cameras=(1, 2, 6))


def duke(root: Path) -> None:
    own_set(root, "{:04}_c{}_f{:07}.jpg", cameras=(1, 2, 8))


def with_distractors(root: Path) -> None:
    market(root)
    save(root / "images" / "00000001_c2_x.jpg", 0)


def veri(root: Path) -> None:
    duke(root)
    for path in list(root.glob("*/*.jpg")):
        path.rename(path.with_name(re.sub(r"(\d+)_c(\d)_f(\d+)", r"\1_c00\2_\3_0", path.name)))
    for old, new in zip(PARTS, ("image_train", "image_query", "image_test"), strict=True):
        (root / old).rename(root / new)


def cuhk03(root: Path) -> None:
    own_set(root / "detected", "{:04}_c{}_{}.png", cameras=(1, 2))


def cuhk01(root: Path) -> None:
    for person in (162, 257, 3, 4):
        for image in range(1, 5):
            save(root / "campus" / f"{person:04}{image:03}.png", 10 * person + image)
    shutil.copy(root / "campus" / "0257001.png", root / "campus" / "0162002.png")


@pytest.mark.parametrize(
    ("name", "lay_out"),
    [
        ("market1501", market),
        ("market1501_500k", with_distractors),
        ("dukemtmc_reid", duke),
        ("occluded_duke", duke),
        ("veri776", veri),
        ("cuhk03_detected", cuhk03),
        ("cuhk01", cuhk01),
    ],
)
def test_file_names_may_end_in_capitals(name: str, lay_out: Callable[[Path], None], tmp_path: Path) -> None:
    for case in ("small", "capital"):
        lay_out(tmp_path / case)
    upper_case(tmp_path / "capital")
    small, capital = (load_benchmark(name, tmp_path / case) for case in ("small", "capital"))
    for part in ("train", "query", "gallery"):
        one, other = getattr(small, part), getattr(capital, part)
        assert len(one)
        assert one.person.tolist() == other.person.tolist()
        assert [Path(path).stem for path in one.path] == [Path(path).stem for path in other.path]
    serious = [
        [f.problem for f in check_data(name, tmp_path / case).findings if f.serious] for case in ("small", "capital")
    ]
    assert len(serious[0]) == len(serious[1]), "CUHK01's known copies are known in capitals too"


@pytest.mark.parametrize("name", ["market1501", "drawn"])
def test_the_right_folder_is_named_two_levels_up_and_down(name: str, drawn: Path, tmp_path: Path) -> None:
    inner = shutil.copytree(drawn, tmp_path / "set" / "set" / "set")
    (inner / "query" / "a").mkdir()
    for wrong, off in (
        (inner.parent, "one level off"),
        (inner.parents[1], "2 levels off"),
        (inner / "query", "one level off"),
        (inner / "query" / "a", "2 levels off"),
    ):
        with pytest.raises(InputError, match=f"is {off}: .* lies in {re.escape(str(inner))}\\. Give that folder"):
            load_benchmark(name, wrong)
    with pytest.raises(InputError, match=r"needs `bounding_box_train`"):
        load_benchmark(name, tmp_path)


def test_files_in_a_benchmark_s_folders_that_are_not_read_are_told(drawn_copy: Path) -> None:
    (drawn_copy / "query" / "readme.txt").write_bytes(b"")
    (drawn_copy / "query" / "Thumbs.db").write_bytes(b"")
    report = check_data("market1501", drawn_copy)
    assert report.ready
    assert [finding.problem.split(";")[0] for finding in report.findings] == ["not read: 1 .txt"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("root", ["x" * 300, "a\0b", "loop"])
def test_a_folder_that_cannot_be_is_an_input_error(name: str, root: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError):
        load_benchmark(name, tmp_path / root)


def test_every_benchmark_says_how_it_is_come_by() -> None:
    assert {spec.getting for spec in BENCHMARKS.values()} == {
        "download by hand",
        "ask its authors",
        "withdrawn in 2019",
    }
    for spec in BENCHMARKS.values():
        assert ("withdrawn" in spec.terms) == ("withdrawn" in spec.getting)
        assert ("sked for" in spec.terms) == ("ask" in spec.getting)
