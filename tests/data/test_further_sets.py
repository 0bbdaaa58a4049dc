"""The small, the vehicles' and the video sets, laid out with drawn people as they ship."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from strongreid.data.benchmarks import load_benchmark
from strongreid.data.specs import BENCHMARKS
from strongreid.data.table import ReIDData
from strongreid.errors import InputError


@pytest.fixture(scope="module")
def pictures(drawn: Path) -> list[Path]:
    return sorted((drawn / "bounding_box_train").glob("*.jpg"))


@pytest.fixture
def put(pictures: list[Path]) -> Callable[[Path], None]:
    """Copies another picture to a path each time; whose it is does not matter to readers."""
    turn = iter(pictures * 20)

    def copy(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(next(turn), path)

    return copy


def people_of(data: ReIDData) -> tuple[set[int], set[int], set[int]]:
    return tuple(set(table.people.tolist()) for table in (data.train, data.query, data.gallery))  # type: ignore[return-value]


def lay_out(name: str, root: Path, put: Callable[[Path], None]) -> None:
    """A small set of two views: 9 people in both, 3 more in each folder."""
    for person in range(1, 13):
        if name == "viper":
            if person <= 9:
                put(root / "cam_a" / f"{person:03}_45.bmp")
                put(root / "cam_b" / f"{person:03}_90.bmp")
        elif name == "prid2011":
            number = person if person <= 9 else 300 + person
            put(root / "single_shot" / "cam_a" / f"person_{number:04}.png")
            put(root / "single_shot" / "cam_b" / f"person_{number:04}.png")
        else:
            number = person if person <= 9 else 0
            if number:
                put(root / "probe" / f"{number:04}_{person % 8 + 1}_2500{person}_1_2_3_4.jpeg")
            put(root / "gallery" / f"{number:04}_{(person + 1) % 8 + 1}_2500{person}_1_2_3_4.jpeg")


@pytest.mark.parametrize("name", ["viper", "prid2011", "grid"])
def test_small_sets_of_two_views_are_split_by_people_with_the_seed(
    name: str, tmp_path: Path, put: Callable[[Path], None]
) -> None:
    lay_out(name, tmp_path, put)
    splits = set()
    for seed in range(5):
        data = load_benchmark(name, tmp_path, split_seed=seed)
        train, query, gallery = people_of(data)
        assert train | query == set(range(1, 10))
        assert len(train) == 4
        assert len(data.train) == 8
        assert not train & (query | gallery)
        assert gallery - query == {"viper": set(), "prid2011": {310, 311, 312}, "grid": {0}}[name]
        assert len(data.gallery) == 5 + len({"viper": (), "prid2011": (1, 2, 3), "grid": (1, 2, 3)}[name])
        if name != "grid":
            assert data.query.cameras.tolist() == [1]
            assert data.gallery.cameras.tolist() == [2]
        assert f"split seed {seed}" in data.protocol
        assert load_benchmark(name, tmp_path, split_seed=seed).train.path == data.train.path
        splits.add(tuple(sorted(train)))
    assert len(splits) > 1
    with pytest.raises(InputError, match="one level off"):
        load_benchmark(name, tmp_path / "cam_a" if name == "viper" else tmp_path.parent)


def test_the_published_counts_are_those_of_the_splits_that_are_made() -> None:
    for name, both, queries_only, gallery_only in (
        ("viper", 632, 0, 0),
        ("prid2011", 200, 185, 549),
        ("grid", 250, 0, 775),
    ):
        published = BENCHMARKS[name].published
        assert published["train"].images == 2 * (both // 2)
        assert published["query"].images == both - both // 2
        assert published["gallery"].images == both - both // 2 + gallery_only
        assert queries_only >= 0


def write_list(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def test_vehicleid_draws_one_image_of_each_vehicle_for_the_gallery(tmp_path: Path, put: Callable[[Path], None]) -> None:
    rows = [(f"{number:07}", number % 4 + 1 if number < 12 else number % 5 + 10) for number in range(27)]
    for image, _ in rows:
        put(tmp_path / "image" / f"{image}.jpg")
    write_list(tmp_path / "train_test_split" / "train_list.txt", [f"{image} {vehicle}" for image, vehicle in rows[:12]])
    write_list(
        tmp_path / "train_test_split" / "test_list_800.txt", [f"{image} {vehicle}" for image, vehicle in rows[12:]]
    )
    drawn_galleries = set()
    for seed in range(4):
        data = load_benchmark("vehicleid_800", tmp_path, split_seed=seed)
        assert Counter(data.gallery.person.tolist()) == Counter(range(10, 15))
        assert sorted(data.query.path + data.gallery.path) == [
            str(tmp_path / "image" / f"{one}.jpg") for one, _ in rows[12:]
        ]
        assert data.same_camera == "include"
        assert "cameras are not known" in data.protocol
        drawn_galleries.add(data.gallery.path)
    assert len(drawn_galleries) > 1
    assert len(data.train) == 12
    with pytest.raises(InputError, match=r"test_list_1600\.txt cannot be read"):
        load_benchmark("vehicleid_1600", tmp_path)
    with (tmp_path / "train_test_split" / "train_list.txt").open("a") as stream:
        stream.write("../../secret 4\n")
    with pytest.raises(InputError, match=r"train_list\.txt: line 13 is '\.\./\.\./secret 4'; expected '0000001 42'"):
        load_benchmark("vehicleid_800", tmp_path)


def test_veri_wild_takes_cameras_from_its_file(tmp_path: Path, put: Callable[[Path], None]) -> None:
    rows = [(number % 3 + (0 if number < 9 else 5), f"{number:06}", number % 7 + 30) for number in range(21)]
    for vehicle, image, _ in rows:
        put(tmp_path / "images" / f"{vehicle:05}" / f"{image}.jpg")
    splits = tmp_path / "train_test_split"
    named = [f"{vehicle:05}/{image}" for vehicle, image, _ in rows]
    write_list(splits / "train_list.txt", named[:9])
    write_list(splits / "test_3000_query.txt", named[9:12])
    write_list(splits / "test_3000.txt", [f"{name}.jpg" for name in named[12:]])
    head = "id/image;Camera ID;Time;Model;Type;Color"
    cameras = [
        f"{name};{camera};2018-03-11 04:31:50;Audi;SUV;white" for name, (*_, camera) in zip(named, rows, strict=True)
    ]
    write_list(splits / "vehicle_info.txt", [head, *cameras])
    data = load_benchmark("veri_wild_3000", tmp_path)
    found = [
        (path, person, camera)
        for table in (data.train, data.query, data.gallery)
        for path, person, camera in zip(table.path, table.person.tolist(), table.camera.tolist(), strict=True)
    ]
    assert found == [(str(tmp_path / "images" / f"{v:05}" / f"{i}.jpg"), v, c) for v, i, c in rows]
    assert data.same_camera == "exclude"
    write_list(splits / "vehicle_info.txt", [head, *cameras[1:]])
    with pytest.raises(
        InputError, match=r"train_list\.txt: line 1 is '00000/000000', which vehicle_info\.txt does not know"
    ):
        load_benchmark("veri_wild_3000", tmp_path)


def lay_out_mars(root: Path, put: Callable[[Path], None]) -> dict[str, list[tuple[str, int, int, int]]]:
    """Frames of tracks by part, as (name, person, camera, row of the track)."""
    tracks = {
        "train": [(1, 1, 3), (1, 2, 2), (2, 3, 4), (2, 3, 1)],
        "test": [(-1, 1, 2), (0, 4, 3), (3, 1, 2), (3, 2, 3), (5, 5, 1), (5, 6, 2)],
    }
    expected: dict[str, list[tuple[str, int, int, int]]] = {"train": [], "query": [], "gallery": []}
    asked = [3, 6]
    for part, listed in tracks.items():
        names, matrix = list[str](), []
        for row, (person, camera, frames) in enumerate(listed):
            folder = "00-1" if person == -1 else f"{person:04}"
            own = [f"{folder}C{camera}T{row + 1:04}F{frame:03}.jpg" for frame in range(1, frames + 1)]
            matrix.append([len(names) + 1, len(names) + frames, person, camera])
            names += own
            which = part if part == "train" else "query" if row + 1 in asked else "gallery"
            expected[which] += [(name, person, camera, row) for name in own if person != -1]
            for name in own:
                put(root / f"bbox_{part}" / folder / name)
        write_list(root / "info" / f"{part}_name.txt", names)
        scipy.io.savemat(
            root / "info" / f"tracks_{part}_info.mat", {f"track_{part}_info": np.array(matrix, dtype=float)}
        )
    scipy.io.savemat(root / "info" / "query_IDX.mat", {"query_IDX": np.array([asked])})
    return expected


def test_mars_gives_frames_with_their_tracks(tmp_path: Path, put: Callable[[Path], None]) -> None:
    expected = lay_out_mars(tmp_path, put)
    data = load_benchmark("mars", tmp_path)
    for part, table in (("train", data.train), ("query", data.query), ("gallery", data.gallery)):
        assert table.track is not None
        columns = (table.person.tolist(), table.camera.tolist(), table.track.tolist())
        assert [(Path(p).name, *row) for p, *row in zip(table.path, *columns, strict=True)] == expected[part]
        assert all(Path(path).is_file() for path in table.path)
    assert 0 in data.gallery.person
    names = (tmp_path / "info" / "train_name.txt").read_text().split()
    write_list(tmp_path / "info" / "train_name.txt", ["../../etc/passwd", *names[1:]])
    with pytest.raises(
        InputError, match=r"train_name\.txt: line 1 is '\.\./\.\./etc/passwd', but track 1 is of person 1"
    ):
        load_benchmark("mars", tmp_path)
    for digits in (20, 5000):  # more than a column holds, and than Python reads
        write_list(tmp_path / "info" / "train_name.txt", [f"0001C1T0001F{'9' * digits}.jpg", *names[1:]])
        with pytest.raises(
            InputError, match=r"train_name\.txt: line 1 is '0001C1T0001F99999.*, but track 1 is of person 1"
        ):
            load_benchmark("mars", tmp_path)
    write_list(tmp_path / "info" / "train_name.txt", names[:-1])
    with pytest.raises(InputError, match=r"track 4 is of the lines 10 to 10, which are not there"):
        load_benchmark("mars", tmp_path)
    for wrong, said in (([[99]], "between 1 and 6"), ([[0]], "between 1 and 6"), ([[1.5]], "no whole numbers")):
        scipy.io.savemat(tmp_path / "info" / "query_IDX.mat", {"query_IDX": np.array(wrong)})
        with pytest.raises(InputError, match=said):
            load_benchmark("mars", tmp_path)
    (tmp_path / "info" / "query_IDX.mat").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"query_IDX\.mat cannot be read"):
        load_benchmark("mars", tmp_path)


def test_ilids_vid_brings_its_splits(tmp_path: Path, put: Callable[[Path], None]) -> None:
    names = [f"person{number:03}" for number in (1, 2, 5, 7, 11, 20)]
    for camera in (1, 2):
        for name in names:
            for frame in (317, 318, 400):
                put(
                    tmp_path / "i-LIDS-VID" / "sequences" / f"cam{camera}" / name / f"cam{camera}_{name}_{frame:05}.png"
                )
    folder = tmp_path / "train-test people splits"
    folder.mkdir()
    splits = np.array([[3, 1, 2, 4, 5, 6], [6, 5, 4, 3, 2, 1]])
    scipy.io.savemat(folder / "train_test_splits_ilidsvid.mat", {"ls_set": splits})
    for seed, split in enumerate(splits.tolist()):
        data = load_benchmark("ilids_vid", tmp_path, split_seed=seed)
        train, query, gallery = people_of(data)
        assert query == gallery == set(split[:3])
        assert train == set(split[3:])
        assert {Path(path).parent.name for path in data.query.path} == {names[index - 1] for index in split[:3]}
        assert data.query.cameras.tolist() == [1]
        assert data.gallery.cameras.tolist() == [2]
        assert len(data.query) == len(data.gallery) == 9
        assert len(data.train) == 18
        assert data.train.track is not None
        assert len(np.unique(data.train.track)) == 6
    with pytest.raises(InputError, match="comes with the splits 0 to 1"):
        load_benchmark("ilids_vid", tmp_path, split_seed=2)
    odd = tmp_path / "i-LIDS-VID" / "sequences" / "cam1" / "person001" / f"cam1_person001_{'9' * 20}.png"
    put(odd)
    with pytest.raises(InputError, match=r"9999\.png: the name is not like cam1_person001_00317\.png"):
        load_benchmark("ilids_vid", tmp_path)
    odd.unlink()
    shutil.rmtree(tmp_path / "i-LIDS-VID" / "sequences" / "cam2" / "person005")
    with pytest.raises(InputError, match="person005: the other camera shows this person, but here is no folder"):
        load_benchmark("ilids_vid", tmp_path)
    scipy.io.savemat(folder / "train_test_splits_ilidsvid.mat", {"ls_set": splits - 1})
    with pytest.raises(InputError, match="does not name each of the 6 people once"):
        load_benchmark("ilids_vid", tmp_path)
