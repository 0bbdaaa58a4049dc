"""Each reader on a miniature tree of drawn people, laid out as the set ships."""

import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from strongreid.data.benchmarks import load_benchmark
from strongreid.data.cuhk03 import extract_cuhk03
from strongreid.data.layouts import Folders, Lists
from strongreid.data.msmt17 import TEST_PEOPLE_FROM
from strongreid.data.specs import BENCHMARKS, NOT_READ
from strongreid.data.table import ImageTable, ReIDData
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, pool_queries

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "data.md"
CUHK01 = Path(__file__).parents[3] / "shared" / "data" / "cuhk01"
PARTS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
MARKET = re.compile(r"(-?\d+)_c(\d)s(\d)_(\d+)_(\d+)\.jpg")


def rows_of(root: Path, part: str) -> list[tuple[str, int, int, int]]:
    """Path, person, camera and frame of a part in Market-1501's layout, junk left out, by a plain loop."""
    rows = []
    for path in sorted((root / PARTS[part]).iterdir()):
        person, camera, _, frame, _ = map(int, MARKET.fullmatch(path.name).groups())
        if person != -1:
            rows.append((str(path), person, camera, frame))
    return rows


def content(table: ImageTable) -> list[tuple[bytes, int, int]]:
    """What a table says of each image, whatever the files are called."""
    return sorted(
        (Path(path).read_bytes(), int(person), int(camera))
        for path, person, camera in zip(table.path, table.person, table.camera, strict=True)
    )


def expected(root: Path, part: str, *, distractors: bool = True) -> list[tuple[bytes, int, int]]:
    return sorted(
        (Path(path).read_bytes(), person, camera)
        for path, person, camera, _ in rows_of(root, part)
        if distractors or person > 0
    )


def test_market1501_is_read_with_junk_dropped_and_distractors_kept(drawn: Path) -> None:
    data = load_benchmark("market1501", drawn)
    for part in PARTS:
        table = getattr(data, part)
        rows = rows_of(drawn, part)
        assert list(zip(table.path, table.person, table.camera, table.frame, strict=True)) == rows
    assert 0 in data.gallery.person
    assert not set(data.train.people) & set(data.query.people)
    assert data.warnings == ()
    assert data.same_camera == "exclude"
    assert "Drawn people" in data.protocol


def test_counts_that_differ_from_drawn_json_are_warned_about(drawn_copy: Path) -> None:
    removed = next((drawn_copy / "bounding_box_train").iterdir())
    removed.unlink()
    (warning,) = load_benchmark("market1501", drawn_copy).warnings
    assert "bounding_box_train" in warning
    count = len(rows_of(drawn_copy, "train"))
    assert f"{count} images instead of {count + 1}" in warning


def test_without_drawn_json_the_published_counts_are_expected(drawn_copy: Path) -> None:
    (drawn_copy / "drawn.json").unlink()
    warnings = load_benchmark("market1501", drawn_copy).warnings
    assert len(warnings) == 3
    assert "instead of 12936" in warnings[0]


def test_distractors_of_the_500k_folder_join_the_gallery_as_person_0(drawn_copy: Path) -> None:
    (drawn_copy / "images").mkdir()
    for number, path in enumerate(sorted((drawn_copy / "bounding_box_train").iterdir())[:3]):
        shutil.copy(path, drawn_copy / "images" / f"{number:08}_c{number + 1}_x.jpg")
    plain = load_benchmark("market1501", drawn_copy)
    more = load_benchmark("market1501_500k", drawn_copy)
    assert len(more.gallery) == len(plain.gallery) + 3
    assert more.warnings == ()
    assert more.gallery.person[-3:].tolist() == [0, 0, 0]
    assert more.gallery.camera[-3:].tolist() == [1, 2, 3]
    shutil.rmtree(drawn_copy / "images")
    with pytest.raises(InputError, match="`images`"):
        load_benchmark("market1501_500k", drawn_copy)


def test_multi_query_images_belong_to_the_query_of_their_person_and_camera(drawn_copy: Path) -> None:
    assert load_benchmark("market1501", drawn_copy).multi_query is None
    (drawn_copy / "gt_bbox").mkdir()
    for part in PARTS:
        for path in (drawn_copy / PARTS[part]).iterdir():
            shutil.copy(path, drawn_copy / "gt_bbox")
    data = load_benchmark("market1501", drawn_copy)
    assert data.multi_query is not None
    queries = list(zip(data.query.person, data.query.camera, strict=True))
    boxes = list(zip(data.multi_query.person, data.multi_query.camera, strict=True))
    wanted = [row for row in rows_of(drawn_copy, "query") + rows_of(drawn_copy, "gallery") if row[1:3] in queries]
    assert len(boxes) == len({Path(row[0]).name for row in wanted}) > len(set(boxes))
    features = np.zeros((len(boxes), 1), dtype=np.float32)
    pooled = pool_queries(Embeddings(features, data.multi_query.person, data.multi_query.camera))
    assert sorted(zip(pooled.person, pooled.camera, strict=True)) == sorted(set(queries))


@pytest.mark.parametrize("name", ["dukemtmc_reid", "occluded_duke", "veri776"])
def test_sets_of_three_folders_are_read_by_their_patterns(name: str, drawn: Path, tmp_path: Path) -> None:
    layout = BENCHMARKS[name].layout
    assert isinstance(layout, Folders)
    shape = {"veri776": "{:04}_c{:03}_{:08}_{}.jpg"}.get(name, "{:04}_c{}_f{:07}.jpg")
    for part, folder in (("train", layout.train), ("query", layout.query), ("gallery", layout.gallery)):
        (tmp_path / folder).mkdir()
        for number, (path, person, camera, frame) in enumerate(rows_of(drawn, part)):
            shutil.copy(path, tmp_path / folder / shape.format(person, camera, frame + 1000 * number, number))
    data = load_benchmark(name, tmp_path)
    for part in PARTS:
        assert content(getattr(data, part)) == expected(drawn, part)
    assert len(data.warnings) == 3, "counts differ from the published ones"


def lay_out_msmt17(drawn: Path, root: Path, train: str, test: str) -> None:
    """Training people in `list_train` and `list_val`; both sides are numbered from 0, as the set ships them."""
    lists: dict[str, list[str]] = {}
    for part in PARTS:
        people = sorted({person for _, person, _, _ in rows_of(drawn, "train" if part == "train" else "query")})
        for number, (path, person, camera, _) in enumerate(rows_of(drawn, part)):
            if person == 0:
                continue
            label = people.index(person)
            name = f"{label:04}/{label:04}_{number:03}_{camera:02}_0303morning_{number:04}_{part}.jpg"
            (root / (train if part == "train" else test) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / (train if part == "train" else test) / name)
            which = part if part != "train" or number % 3 else "val"
            lists.setdefault(f"list_{which}.txt", []).append(f"{name} {label}")
    for name, lines in lists.items():
        (root / name).write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "train", "test"), [("msmt17_v1", "train", "test"), ("msmt17_v2", "mask_train_v2", "mask_test_v2")]
)
def test_msmt17_is_read_from_its_lists(name: str, train: str, test: str, drawn: Path, tmp_path: Path) -> None:
    lay_out_msmt17(drawn, tmp_path, train, test)
    data = load_benchmark(name, tmp_path)
    learned = {person: label for label, person in enumerate(sorted({row[1] for row in rows_of(drawn, "train")}))}
    tested = {person: label for label, person in enumerate(sorted({row[1] for row in rows_of(drawn, "query")}))}
    for part in PARTS:
        labels = learned if part == "train" else {person: label + TEST_PEOPLE_FROM for person, label in tested.items()}
        wanted = [
            (pixels, labels[person], camera) for pixels, person, camera in expected(drawn, part, distractors=False)
        ]
        assert content(getattr(data, part)) == sorted(wanted)
    assert not set(data.train.people) & set(data.gallery.people)
    without = load_benchmark(f"{name}_no_val", tmp_path)
    assert len(data.train) > len(without.train) == len((tmp_path / "list_train.txt").read_text().splitlines())
    other = "msmt17_v2" if name == "msmt17_v1" else "msmt17_v1"
    with pytest.raises(InputError, match="needs"):
        load_benchmark(other, tmp_path)


def test_a_bad_line_of_a_list_is_named(drawn: Path, tmp_path: Path) -> None:
    lay_out_msmt17(drawn, tmp_path, "train", "test")
    with (tmp_path / "list_query.txt").open("a") as stream:
        stream.write("0001/nonsense.jpg 1\n")
    with pytest.raises(InputError, match=r"list_query\.txt: line \d+ is '0001/nonsense"):
        load_benchmark("msmt17_v1", tmp_path)


def cuhk03_rows(drawn: Path) -> dict[str, list[tuple[str, str, int, int]]]:
    """Path, name in CUHK03, person and camera of each part: at most five images of a person and camera."""
    rows: dict[str, list[tuple[str, str, int, int]]] = {part: [] for part in PARTS}
    people = sorted({person for part in PARTS for _, person, _, _ in rows_of(drawn, part)} - {0})
    used: Counter[tuple[int, int]] = Counter()
    for part, listed in rows.items():
        for path, person, drawn_camera, _ in rows_of(drawn, part):
            camera = (drawn_camera - 1) % 2 + 1
            if person and used[person, camera] < 5:
                used[person, camera] += 1
                place, number = people.index(person), used[person, camera] + 5 * (camera - 1)
                name = f"{place % 5 + 1}_{place // 5 + 1:03}_{camera}_{number:02}.png"
                listed.append((path, name, person, camera))
    return rows


def write_protocol(root: Path, boxes: str, rows: dict[str, list[tuple[str, str, int, int]]]) -> None:
    """Write the new protocol's .mat file; its indices count from 1."""
    ends = np.cumsum([len(listed) for listed in rows.values()])
    indices = {
        f"{part}_idx": np.arange(end - len(rows[part]), end)[:, None] + 1 for part, end in zip(rows, ends, strict=True)
    }
    every = [row for listed in rows.values() for row in listed]
    columns = {
        "filelist": np.array([name for _, name, _, _ in every], dtype=object)[:, None],
        "labels": np.array([person for _, _, person, _ in every])[:, None],
    }
    scipy.io.savemat(root / f"cuhk03_new_protocol_config_{boxes}.mat", columns | indices)


@pytest.mark.parametrize("boxes", ["detected", "labeled"])
def test_cuhk03_is_read_from_extracted_images_and_the_protocol_s_file(boxes: str, drawn: Path, tmp_path: Path) -> None:
    rows = cuhk03_rows(drawn)
    (tmp_path / f"images_{boxes}").mkdir()
    for path, name, _, _ in [row for listed in rows.values() for row in listed]:
        shutil.copy(path, tmp_path / f"images_{boxes}" / name)
    with pytest.raises(InputError, match=f"not cuhk03_new_protocol_config_{boxes}.*who trains"):
        load_benchmark(f"cuhk03_{boxes}", tmp_path)
    write_protocol(tmp_path, boxes, rows)
    data = load_benchmark(f"cuhk03_{boxes}", tmp_path)
    for part in PARTS:
        wanted = [(Path(path).read_bytes(), person, camera) for path, _, person, camera in rows[part]]
        assert content(getattr(data, part)) == sorted(wanted)
    with pytest.raises(InputError, match=f"one level off: CUHK03 lies in {re.escape(str(tmp_path))}"):
        load_benchmark(f"cuhk03_{boxes}", tmp_path / f"images_{boxes}")
    other = "labeled" if boxes == "detected" else "detected"
    with pytest.raises(InputError, match=f"`{other}/bounding_box_train` or `images_{other}` or `cuhk03_rel"):
        load_benchmark(f"cuhk03_{other}", tmp_path)


def test_cuhk03_is_read_from_cuhk03_np_s_folders(drawn: Path, tmp_path: Path) -> None:
    for part, folder in PARTS.items():
        (tmp_path / "labeled" / folder).mkdir(parents=True)
        for number, (path, person, camera, _) in enumerate(rows_of(drawn, part)):
            if person > 0:
                name = f"{person:04}_c{(camera - 1) % 2 + 1}_{number}.png"
                shutil.copy(path, tmp_path / "labeled" / folder / name)
    data = load_benchmark("cuhk03_labeled", tmp_path)
    assert len(data.train) == len(rows_of(drawn, "train"))
    assert set(data.gallery.cameras) == {1, 2}
    with pytest.raises(InputError, match="detected"):
        load_benchmark("cuhk03_detected", tmp_path)


def write_release(path: Path, boxes: str, rows: dict[str, list[tuple[str, str, int, int]]]) -> None:
    """Write `cuhk-03.mat` as MATLAB 7.3 does: HDF5, cells as references, axes reversed, empty cells of two numbers."""
    h5py = pytest.importorskip("h5py", reason="cuhk-03.mat needs h5py, which is in the extra `cuhk03`")
    images = {name[:-4]: path for listed in rows.values() for path, name, _, _ in listed}
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        kept = file.create_group("#refs#")
        pairs = np.empty((1, 5), dtype=h5py.ref_dtype)
        for pair in range(1, 6):
            people = max(int(name[2:5]) for name in images if name[0] == str(pair))
            cells = np.empty((10, people), dtype=h5py.ref_dtype)
            for person in range(1, people + 1):
                for number in range(1, 11):
                    name = f"{pair}_{person:03}_{1 if number <= 5 else 2}_{number:02}"
                    pixels = np.asarray(Image.open(images[name])).T if name in images else np.zeros(2, np.uint64)
                    cells[number - 1, person - 1] = kept.create_dataset(name, data=pixels).ref
            pairs[0, pair - 1] = kept.create_dataset(f"pair {pair}", data=cells, dtype=h5py.ref_dtype).ref
        file.create_dataset(boxes, data=pairs, dtype=h5py.ref_dtype)


def test_cuhk03_s_images_are_extracted_from_its_mat_file_once(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = cuhk03_rows(drawn)
    write_release(tmp_path / "cuhk03_release" / "cuhk-03.mat", "detected", rows)
    write_protocol(tmp_path, "detected", rows)
    with pytest.raises(InputError, match="data extract cuhk03_detected"):
        load_benchmark("cuhk03_detected", tmp_path)
    with pytest.raises(InputError, match="one level off"):
        load_benchmark("cuhk03_detected", tmp_path / "cuhk03_release")
    said: list[tuple[int, int]] = []
    folder = extract_cuhk03(tmp_path, "detected", lambda done, total: said.append((done, total)))
    people = len({person for listed in rows.values() for _, _, person, _ in listed})
    assert said == [(done, people) for done in range(1, people + 1)]
    data = load_benchmark("cuhk03_detected", tmp_path)
    for part in PARTS:
        table = getattr(data, part)
        found = zip(table.path, table.person, table.camera, strict=True)
        wanted = {str(folder / name): (path, person, camera) for path, name, person, camera in rows[part]}
        assert len(table) == len(wanted)
        for path, person, camera in found:
            source, *labels = wanted[path]
            assert labels == [person, camera]
            assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(source)))
    with pytest.raises(InputError, match="holds #refs#, detected, but not `labeled`"):
        extract_cuhk03(tmp_path, "labeled")
    (tmp_path / "cuhk03_release" / "cuhk-03.mat").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"cuhk-03\.mat cannot be read"):
        extract_cuhk03(tmp_path, "labeled")
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert extract_cuhk03(tmp_path, "detected") == folder, "what is there is not made again"


def test_cuhk03_s_mat_file_asks_for_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cuhk03_release").mkdir()
    (tmp_path / "cuhk03_release" / "cuhk-03.mat").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="pip install h5py"):
        extract_cuhk03(tmp_path, "labeled")


def lay_out_cuhk01(drawn: Path, root: Path, people: int) -> None:
    (root / "campus").mkdir(parents=True)
    pictures = iter(sorted(drawn.glob("*/*.jpg")))
    for person in range(1, people + 1):
        for image in range(1, 5):
            Image.open(next(pictures)).save(root / "campus" / f"{person:04}{image:03}.png")


def check_cuhk01_split(data: ReIDData, people: int) -> None:
    assert len(data.train.people) == people // 2
    assert len(data.query.people) == people - people // 2
    assert set(data.query.people) == set(data.gallery.people)
    assert not set(data.train.people) & set(data.query.people)
    assert {Path(path).stem[-3:] for path in data.query.path} == {"001", "002"}
    assert {Path(path).stem[-3:] for path in data.gallery.path} == {"003", "004"}
    assert len(data.train) + len(data.query) + len(data.gallery) == 4 * people
    assert data.query.cameras.tolist() == [1]
    assert data.gallery.cameras.tolist() == [2]


def test_cuhk01_is_split_by_people_with_the_seed(drawn: Path, tmp_path: Path) -> None:
    lay_out_cuhk01(drawn, tmp_path, 9)
    splits = set()
    for seed in range(6):
        data = load_benchmark("cuhk01", tmp_path, split_seed=seed)
        check_cuhk01_split(data, 9)
        assert data.train.path == load_benchmark("cuhk01", tmp_path, split_seed=seed).train.path
        splits.add(tuple(data.train.people.tolist()))
    assert len(splits) > 1
    with pytest.raises(InputError, match="split_seed"):
        load_benchmark("cuhk01", tmp_path, split_seed=-1)


@pytest.mark.skipif(not CUHK01.is_dir(), reason=f"CUHK01 is not in {CUHK01}")
def test_cuhk01_as_it_ships() -> None:
    data = load_benchmark("cuhk01", CUHK01)
    check_cuhk01_split(data, 971)
    assert data.warnings == ()


@pytest.mark.parametrize("part", list(PARTS.values()))
def test_a_missing_folder_is_named_with_what_is_there(part: str, drawn_copy: Path) -> None:
    (drawn_copy / part).rename(drawn_copy / "elsewhere")
    missing = re.escape(str(drawn_copy / part))
    with pytest.raises(InputError, match=rf"needs `{part}`.*holds .*`elsewhere`.*: {missing} is not there.*archive"):
        load_benchmark("market1501", drawn_copy)


def test_a_folder_one_level_off_is_answered_with_the_right_one(drawn: Path, tmp_path: Path) -> None:
    nested = shutil.copytree(drawn, tmp_path / "Market-1501" / "v15.09.15")
    with pytest.raises(InputError, match=f"one level off.*{re.escape(str(nested))}"):
        load_benchmark("market1501", nested.parent)
    with pytest.raises(InputError, match=f"one level off.*{re.escape(str(nested))}"):
        load_benchmark("market1501", nested / "query")
    with pytest.raises(InputError, match="does not exist"):
        load_benchmark("market1501", tmp_path / "nowhere")
    with pytest.raises(InputError, match="is a file"):
        load_benchmark("market1501", nested / "drawn.json")


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Did you mean market1501\?.*veri776"):
        load_benchmark("market-1501", tmp_path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("empty", r"query: there are no images"),
        ("name", r"holiday\.jpg: the name is not like 0002_c1s1_000451_03\.jpg"),
        ("camera", r"c9s1_000001_00\.jpg: the camera is 9; the set has cameras 1 to 6"),
        ("absent", r"query person 77 is not in the gallery"),
        ("one camera", r"query: none of the queries has a match"),
        ("one person", r"one person only"),
    ],
)
def test_what_stands_in_the_way_of_training_is_refused(damage: str, said: str, drawn_copy: Path) -> None:
    some = next((drawn_copy / "query").iterdir())
    match damage:
        case "empty":
            shutil.rmtree(drawn_copy / "query")
            (drawn_copy / "query").mkdir()
        case "name":
            shutil.copy(some, drawn_copy / "query" / "holiday.jpg")
        case "camera":
            shutil.copy(some, drawn_copy / "query" / f"{some.name[:4]}_c9s1_000001_00.jpg")
        case "absent":
            shutil.copy(some, drawn_copy / "query" / "0077_c1s1_000001_00.jpg")
        case "one camera":
            for path in [*(drawn_copy / "query").iterdir(), *(drawn_copy / "bounding_box_test").iterdir()]:
                path.rename(path.with_name(re.sub(r"_c\ds", "_c1s", path.name, count=1)))
        case _:
            first = min(path.name[:4] for path in (drawn_copy / "bounding_box_train").iterdir())
            for path in (drawn_copy / "bounding_box_train").iterdir():
                if not path.name.startswith(first):
                    path.unlink()
    with pytest.raises(InputError, match=said):
        load_benchmark("market1501", drawn_copy)


def test_a_spoilt_drawn_json_is_named(drawn_copy: Path) -> None:
    (drawn_copy / "drawn.json").write_text(json.dumps({"splits": {}}))
    with pytest.raises(InputError, match=r"drawn\.json cannot be read"):
        load_benchmark("market1501", drawn_copy)


def test_other_files_in_a_folder_are_passed_over(drawn_copy: Path) -> None:
    before = load_benchmark("market1501", drawn_copy).train.path
    (drawn_copy / "bounding_box_train" / "Thumbs.db").write_bytes(b"")
    (drawn_copy / "bounding_box_train" / "._0001_c1s1_000001_00.jpg").write_bytes(b"")
    assert load_benchmark("market1501", drawn_copy).train.path == before


def test_every_benchmark_says_where_it_is_from_and_on_what_terms() -> None:
    named = "market1501 market1501_500k dukemtmc_reid msmt17_v1 msmt17_v2 msmt17_v1_no_val msmt17_v2_no_val"
    named += " cuhk03_detected cuhk03_labeled cuhk01 veri776 occluded_duke viper prid2011 grid mars ilids_vid"
    named += " vehicleid_800 vehicleid_1600 vehicleid_2400 veri_wild_3000 veri_wild_5000 veri_wild_10000"
    assert set(named.split()) == set(BENCHMARKS)
    for name, spec in BENCHMARKS.items():
        assert spec.name == name
        assert spec.title
        assert spec.terms
        assert spec.source
        assert spec.url.startswith("https://")
        assert set(spec.published) == {"train", "query", "gallery"}
    assert "withdrawn" in BENCHMARKS["dukemtmc_reid"].terms
    assert NOT_READ


def test_the_documentation_names_every_benchmark_and_what_it_holds() -> None:
    rows = [line for line in DOCUMENTATION.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    for name, spec in BENCHMARKS.items():
        (row,) = (row for row in rows if f"`{name}`" in row.split("|")[1])
        if isinstance(spec.layout, Folders | Lists) and name != "market1501_500k":
            assert f"`{spec.layout.train}`" in row
