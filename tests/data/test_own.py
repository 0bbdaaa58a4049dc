import re
import shutil
import sys
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from strongreid.data.benchmarks import load_benchmark
from strongreid.data.check import check_data
from strongreid.data.own_table import read_own_table
from strongreid.data.packed import PackedImages
from strongreid.data.splitting import split_rows
from strongreid.errors import InputError
from strongreid.pixels import decoded_formats

ALL_PARTS = ("bounding_box_train", "query", "bounding_box_test")


def as_folders(drawn: Path, root: Path, name: str = "{}") -> Path:
    for part in ALL_PARTS:
        for path in (drawn / part).iterdir():
            if path.name[0] == "0" and not path.name.startswith("0000"):
                folder = root / name.format(path.name[:4])
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder / path.name)
    return root


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    lines = [",".join(rows[0])] + [",".join(str(value) for value in row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), min_size=2, max_size=60),
    st.booleans(),
    st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
def test_a_seeded_split_keeps_people_apart_and_every_query_has_a_match(
    rows: list[tuple[int, int]], known: bool, seed: int
) -> None:
    person, camera = (np.array(column) for column in zip(*rows, strict=True))
    people = sorted(set(person.tolist()))
    if len(people) < 2:
        return
    split = split_rows(person, camera if known else None, seed)
    again = split_rows(person, camera if known else None, seed)
    assert all(np.array_equal(split[part], again[part]) for part in split)
    taken = np.concatenate(list(split.values()))
    assert sorted(taken.tolist()) == list(range(len(rows))), "every row is in one part"
    learned, tested = set(person[split["train"]]), set(person[split["gallery"]]) | set(person[split["query"]])
    assert not learned & tested
    assert len(tested) == min(max(round(len(people) / 2), 1), len(people) - 1)
    for query in split["query"]:
        assert any(
            person[row] == person[query] and (not known or camera[row] != camera[query]) for row in split["gallery"]
        )
    # Who can be looked for is: a test person seen by two cameras (or twice) has a query.
    for one in tested:
        seen = camera[person == one]
        if (len(set(seen)) > 1) if known else (len(seen) > 1):
            assert one in person[split["query"]]


@pytest.mark.parametrize("names", ["{}", "id {}"])
def test_a_folder_for_each_person_is_enough(names: str, drawn: Path, tmp_path: Path) -> None:
    root = as_folders(drawn, tmp_path / "own", names)
    data = load_benchmark("folder", root, split_seed=3)
    folders = sorted(path.name for path in root.iterdir())
    number = {folder: int(folder) if names == "{}" else place for place, folder in enumerate(folders, start=1)}
    for table in (data.train, data.query, data.gallery):
        assert len(table)
        assert table.person.tolist() == [number[Path(path).parent.name] for path in table.path]
        assert not table.camera.any()
    assert data.same_camera == "include"
    assert "any-camera protocol" in data.protocol
    assert "seed 3" in data.protocol
    assert not set(data.train.people) & set(data.gallery.people)
    assert data.train.path != load_benchmark("folder", root, split_seed=4).train.path


def test_folders_train_query_gallery_are_a_split_as_given(drawn: Path, tmp_path: Path) -> None:
    for part, folder in zip(("train", "query", "gallery"), ALL_PARTS, strict=True):
        (tmp_path / part).mkdir()
        for path in (drawn / folder).iterdir():
            if path.name[0] == "0" and not path.name.startswith("0000"):
                (tmp_path / part / f"p{path.name[:4]}" / "deeper").mkdir(parents=True, exist_ok=True)
                shutil.copy(path, tmp_path / part / f"p{path.name[:4]}" / "deeper" / path.name)
    data = load_benchmark("folder", tmp_path)
    assert "split as given" in data.protocol
    assert set(data.query.people) == set(data.gallery.people)
    assert not set(data.train.people) & set(data.query.people)


def test_an_image_beside_the_people_s_folders_is_named(drawn: Path, tmp_path: Path) -> None:
    root = as_folders(drawn, tmp_path / "own")
    shutil.copy(next((drawn / "query").iterdir()), root / "stray.jpg")
    with pytest.raises(InputError, match=r"stray\.jpg: the image lies beside"):
        load_benchmark("folder", root)
    with pytest.raises(InputError, match="holds no folders"):
        load_benchmark("folder", next(path for path in root.iterdir() if path.is_dir()))
    with pytest.raises(InputError, match="does not exist"):
        load_benchmark("folder", root / "nowhere")


@pytest.mark.parametrize("parts", [["train", "val"], ["query"], ["bounding_box_train", "query", "bounding_box_test"]])
def test_parts_of_a_split_are_not_taken_for_people(parts: list[str], drawn: Path, tmp_path: Path) -> None:
    for part in parts:
        shutil.copytree(drawn / "query", tmp_path / part / "0001")
    shutil.copytree(drawn / "query", tmp_path / "more")
    with pytest.raises(InputError, match=rf"`{parts[0]}`.*not people.*train, query and gallery"):
        load_benchmark("folder", tmp_path)


def test_a_folder_one_level_too_high_is_answered_with_the_right_one(drawn: Path, tmp_path: Path) -> None:
    root = as_folders(drawn, tmp_path / "set" / "people")
    with pytest.raises(InputError, match=f"one person only.*give {re.escape(str(root))}"):
        load_benchmark("folder", root.parent)


def test_the_numbers_of_named_folders_do_not_depend_on_the_order_they_were_made_in(tmp_path: Path) -> None:
    names = ["zoe", "Ann", "bob", "émile", "10", "9"]
    tables = []
    for order in (names, names[::-1]):
        for name in order:
            (tmp_path / str(len(tables)) / name).mkdir(parents=True)
            for image in ("b", "a"):
                Image.new("RGB", (4, 8), (ord(name[0]) % 256, ord(image), 0)).save(
                    tmp_path / str(len(tables)) / name / f"{image}.png"
                )
        data = load_benchmark("folder", tmp_path / str(len(tables)))
        tables.append([(t.relative_path(), t.person.tolist()) for t in (data.train, data.query, data.gallery)])
    assert tables[0] == tables[1]


@given(
    st.lists(st.tuples(st.sampled_from(["ann", "bob", "7", "-1"]), st.integers(0, 2)), min_size=4, max_size=30),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_people_and_their_split_do_not_depend_on_the_order_of_rows(rows: list[tuple[str, int]], random) -> None:
    lines = [f"{place}.jpg,{who},{where}" for place, (who, where) in enumerate(rows)]
    readings = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            (Path(folder) / "t.csv").write_text("\n".join(["path,person,camera", *lines]) + "\n")
            parts = read_own_table(Path(folder) / "t.csv", split_seed=1).parts
            person = {
                Path(path).name: person
                for part in parts.values()
                for path, person in zip(part.table.path, part.table.person.tolist(), strict=True)
            }
            readings.append((person, parts["train"].table.people.tolist(), parts["train"].junk))
            random.shuffle(lines)
    assert readings[0] == readings[1]
    names = sorted({who for who, _ in rows} - {"-1"})
    numbers = {"7": 7} if names == ["7"] else {name: place for place, name in enumerate(names, start=1)}
    assert readings[0][0] == {f"{place}.jpg": numbers[who] for place, (who, _) in enumerate(rows) if who != "-1"}


def test_numbers_that_a_program_wrote_as_floats_are_numbers(tmp_path: Path) -> None:
    text = "path,person,camera,split\na.jpg,4.0,2.0,train\nb.jpg,7.00,1.0,train\nc.jpg,-1.0,1.0,train\n"
    (tmp_path / "t.csv").write_text(text + "v1.0.jpg,9,1,query\ne.jpg,9,2,gallery\n")
    data = load_benchmark("table", tmp_path / "t.csv")
    assert data.train.person.tolist() == [4, 7]
    assert data.train.camera.tolist() == [2, 1]
    assert Path(data.query.path[0]).name == "v1.0.jpg"


def test_one_camera_only_is_answered_with_what_to_do(tmp_path: Path) -> None:
    rows = [{"path": f"{row}.jpg", "person": row // 2, "camera": 3} for row in range(8)]
    with pytest.raises(InputError, match="seen by two cameras; without the column `camera` every image counts"):
        load_benchmark("table", write_csv(tmp_path / "t.csv", rows))
    for row in rows:
        del row["camera"]
    assert load_benchmark("table", write_csv(tmp_path / "t.csv", rows)).same_camera == "include"


def test_a_csv_of_paths_people_and_cameras(drawn: Path) -> None:
    rows = [
        {"path": f"{part}/{path.name}", "camera": path.name[6], "person": path.name.split("_")[0], "score": 0.5}
        for part in ALL_PARTS
        for path in sorted((drawn / part).iterdir())
        if not path.name.startswith("0000")
    ]
    rows = [row if row["person"] == "-1" else row | {"person": int(str(row["person"]))} for row in rows]
    table = write_csv(drawn / "table.csv", rows)
    try:
        data = load_benchmark("table", table, split_seed=1)
    finally:
        table.unlink()
    assert data.same_camera == "exclude"
    everything = sum(len(part) for part in (data.train, data.query, data.gallery))
    assert everything == sum(row["person"] != -1 and row["person"] != "-1" for row in rows)
    for part in (data.train, data.query, data.gallery):
        for path, person, camera in zip(part.path, part.person, part.camera, strict=True):
            assert Path(path).is_file()
            name = Path(path).name
            assert (int(name[:4]), int(name[6])) == (person, camera)


def test_a_tracker_s_table_of_frames_and_boxes_with_a_given_split(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "frame.png")
    rows = [
        {
            "path": "frame.png",
            "person": who,
            "camera": cam,
            "split": split,
            "frame": 7,
            "x": x,
            "y": 2.4,
            "w": 20,
            "h": 30.6,
        }
        for who, cam, split, x in [
            ("ann", "door", "train", 0),
            ("bob", "hall", "train", 5),
            ("cy", "door", "query", 9),
            ("cy", "hall", "gallery", 55),
        ]
    ]
    data = load_benchmark("table", write_csv(tmp_path / "boxes.csv", rows))
    assert data.train.person.tolist() == [1, 2]
    assert data.query.person.tolist() == data.gallery.person.tolist() == [3]
    assert data.query.camera.tolist() == [1]
    assert data.gallery.camera.tolist() == [2]
    assert data.gallery.box is not None
    assert data.gallery.frame is not None
    assert data.gallery.box.tolist() == [[55, 2, 20, 31]]
    assert data.gallery.frame.tolist() == [7]
    packed = PackedImages.build(data.gallery, (31, 20), tmp_path / "packs")
    assert np.array_equal(packed[np.array([0])][0].permute(1, 2, 0).numpy(), pixels[2:33, 55:75])


def test_parquet_is_read_as_csv_is(drawn: Path, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, which is in the extra `parquet`")
    parquet = pytest.importorskip("pyarrow.parquet")
    paths = [str(path) for path in sorted((drawn / "query").iterdir())]
    columns = {
        "path": paths,
        "person": [int(Path(path).name[:4]) for path in paths],
        "camera": [row % 2 for row in range(len(paths))],
        "split": [*["train"] * (len(paths) - 2), "query", "gallery"],
    }
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    expected = load_benchmark("table", write_csv(tmp_path / "t.csv", rows))
    found = load_benchmark("table", tmp_path / "t.parquet")
    for one, other in ((found.train, expected.train), (found.query, expected.query), (found.gallery, expected.gallery)):
        assert one.path == other.path
        assert one.person.tolist() == other.person.tolist()
        assert one.camera.tolist() == other.camera.tolist()


def test_what_parquet_alone_can_hold_is_read_or_refused_with_its_row(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, which is in the extra `parquet`")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "path": ["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
        "person": [1.0, 2.0, 3.0, 3.0],
        "camera": arrow.array(["door", "hall", "door", "hall"]).dictionary_encode(),
        "split": ["train", "train", "query", "gallery"],
        "embedding": [[0.5, 1.0]] * 4,
    }
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    data = load_benchmark("table", tmp_path / "t.parquet")
    assert data.train.person.tolist() == [1, 2]
    assert data.query.camera.tolist() == [1]
    for missing in (None, float("nan")):
        parquet.write_table(arrow.table(columns | {"person": [1.0, 2.0, missing, 3.0]}), tmp_path / "t.parquet")
        with pytest.raises(InputError, match="row 3: `person` is ''"):
            load_benchmark("table", tmp_path / "t.parquet")
    for content in (b"", b"path,person\n", (tmp_path / "t.parquet").read_bytes()[:-9]):
        (tmp_path / "t.parquet").write_bytes(content)
        with pytest.raises(InputError, match=r"t\.parquet is not Parquet"):
            load_benchmark("table", tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,camera\na.jpg,1\n", "no column `person`"),
        ("path,person\n", "no rows"),
        ("", "no column `path`; it has none"),
        ("path|person\na.jpg|1\n", "no column `path`; it has path|person"),
        ("path,person\na.jpg,-1\nb.jpg,-1\n", "part is empty"),
        ("path,person\na.jpg,1\n\nb.jpg,-2\n", "row 4: `person` is '-2'; it must be a number from 0 on, a name, or -1"),
        ("path,person\na.jpg,\n", "row 2: `person` is ''"),
        ("path,person\na.jpg,1,2\n", "row 2: 3 values for 2 columns"),
        ("path,person,person\na.jpg,1,2\n", "two columns of one name"),
        ("path,person,split\na.jpg,1,train\nb.jpg,2,tain\n", "row 3: `split` is 'tain'; it must be train, query or"),
        ("path,person,x,y,w,h\na.jpg,1,2,3,four,5\n", "row 2: `w` is 'four'"),
        ("path,person,x,y,w,h\na.jpg,1,2,3,nan,5\n", "row 2: `w` is 'nan'"),
        ("path,person,x,y\na.jpg,1,2,3\n", "no column `w`"),
        ("path,person,x,y,w,h\na.jpg,1,2,3,0,5\n", "is empty"),
        ("path,person\na.jpg,1\nb.jpg,1\n", "one person"),
        ("path,person\na.jpg,1\nb.jpg,2\nc.jpg,3\nd.jpg,4\n", "no queries: none of the people who test has two images"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_with_its_row(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=re.escape(said)):
        load_benchmark("table", tmp_path / "t.csv")


def test_tables_of_other_kinds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="There is no table"):
        load_benchmark("table", tmp_path / "none.csv")
    (tmp_path / "t.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match=r"\.csv, \.tsv, \.txt or \.parquet"):
        load_benchmark("table", tmp_path / "t.xlsx")
    (tmp_path / "t.csv").write_bytes(b"path,person\n\xff\xfe,1\n")
    with pytest.raises(InputError, match="UTF-8"):
        load_benchmark("table", tmp_path / "t.csv")
    (tmp_path / "t.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match="pip install pyarrow"):
        load_benchmark("table", tmp_path / "t.parquet")


def test_people_in_both_parts_of_a_given_split_are_warned_about(tmp_path: Path) -> None:
    rows = [(1, "train"), (2, "train"), (2, "query"), (2, "gallery")]
    text = "".join(f"{number}.jpg,{person},{split}\n" for number, (person, split) in enumerate(rows))
    (tmp_path / "t.csv").write_text("path,person,split\n" + text)
    (warning,) = load_benchmark("table", tmp_path / "t.csv").warnings
    assert "person 2 is in the training set too" in warning


def people_in(root: Path, names: list[str], images: int = 3, size: tuple[int, int] = (8, 16)) -> Path:
    """A folder of different small pictures for each name, which may be a path."""
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True, exist_ok=True)
        for image in range(images):
            pixels = np.random.default_rng([number, image]).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{image}.png")
    return root


PEOPLE = [f"{number:04}" for number in range(1, 11)]


@pytest.mark.parametrize("junk", ["-1", "-01"])
def test_a_folder_named_minus_one_is_junk_as_in_a_table(junk: str, tmp_path: Path) -> None:
    root = people_in(tmp_path / "own", [*PEOPLE, junk])
    report = check_data("folder", root)
    assert report.ready
    assert sum(part.junk for part in report.parts) == 3
    data = load_benchmark("folder", root)
    assert sorted({*data.train.people.tolist(), *data.gallery.people.tolist()}) == list(range(1, 11))
    lines = [f"own/{name}/{image}.png,{name}" for name in (*PEOPLE, junk) for image in range(3)]
    (tmp_path / "t.csv").write_text("\n".join(["path,person", *lines]) + "\n")
    table = load_benchmark("table", tmp_path / "t.csv")
    assert table.train.people.tolist() == data.train.people.tolist()
    assert len(table.train) == len(data.train)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["0003", "3"], "holds the folder `3`; its name must be written in one way: `0003` is the same number"),
        (["ann", "007", "7"], "holds the folder `7`; its name must be written in one way: `007` is the same number"),
        (
            ["1", "9223372036854775808"],
            "holds the folder `9223372036854775808`; its name must be at most 92233720368547",
        ),
        (["1", "9" * 200], "its name must be at most 9223372036854775807"),
        (["1", "-2"], "holds the folder `-2`; its name must be a number from 0 on, a name, or -1 for junk"),
        (["train/3", "train/4", "query/0003", "gallery/3"], "written in one way: `0003` is the same number"),
    ],
)
def test_names_that_are_no_numbers_of_people_are_refused(names: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        load_benchmark("folder", people_in(tmp_path, names))


def test_large_numbers_keep_their_value(tmp_path: Path) -> None:
    names = ["0", "007", str(10**18), str(2**63 - 1)]
    data = load_benchmark("folder", people_in(tmp_path, names))
    assert sorted({*data.train.people.tolist(), *data.gallery.people.tolist()}) == sorted(map(int, names))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_people_s_folders_that_lie_deeper_are_found_and_named(depth: int, tmp_path: Path) -> None:
    inner = tmp_path / "/".join(["people"] * depth)
    people_in(inner, PEOPLE)
    with pytest.raises(InputError, match=f"one person only.*give {re.escape(str(inner))}\\."):
        load_benchmark("folder", tmp_path)


def test_files_that_are_not_read_are_told_with_their_number(tmp_path: Path) -> None:
    root = people_in(tmp_path, PEOPLE)
    for name in PEOPLE[:6]:
        (root / name / "a.heic").write_bytes(b"")
        (root / name / "b.HEIC").write_bytes(b"")
    for name in ("notes.txt", "list.csv", "data", "Thumbs.db", "desktop.ini", ".DS_Store"):
        (root / name).write_bytes(b"")
    (finding,) = (f for f in check_data("folder", root).findings if "not read" in f.problem)
    assert not finding.serious
    assert sorted(finding.problem.split("; ")[0].removeprefix("not read: ").split(", ")) == [
        "1 .csv",
        "1 .txt",
        "1 files without an ending",
        "12 .heic",
    ]
    assert "images end in .jpg, " in finding.problem
    assert [str(finding)] == list(load_benchmark("folder", root).warnings), "a training says it too"


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".gif", ".avif"])
def test_every_format_that_is_decoded_is_listed(suffix: str, tmp_path: Path) -> None:
    if suffix == ".avif" and "AVIF" not in decoded_formats():
        pytest.skip("this Pillow has no AVIF")
    root = people_in(tmp_path, PEOPLE)
    for path in sorted(root.glob("*/*.png")):
        Image.open(path).save(path.with_suffix(suffix))
        if suffix != ".png":
            path.unlink()
    report = check_data("folder", root)
    assert report.ready
    assert sum(part.found.images for part in report.parts) == 30


@pytest.mark.parametrize(
    ("parts", "train", "test"),
    [
        (["train", "test"], "train", "test"),
        (["Train", "Val"], "Train", "Val"),
        (["train", "test", "val"], "train", "test"),
        (["training", "validation"], "training", "validation"),
    ],
)
def test_queries_are_drawn_of_a_folder_to_test_with(parts: list[str], train: str, test: str, tmp_path: Path) -> None:
    for number, part in enumerate(parts):
        people_in(tmp_path / part, [f"{10 * number + person}" for person in range(3)])
    data = load_benchmark("folder", tmp_path, split_seed=3)
    assert {Path(path).parents[1].name for path in data.train.path} == {train}
    assert {Path(path).parents[1].name for path in (*data.query.path, *data.gallery.path)} == {test}
    assert len(data.query) == 3
    assert len(data.gallery) == 6
    assert "split as given, queries drawn with seed 3" in data.protocol
    again = load_benchmark("folder", tmp_path, split_seed=3)
    assert data.query.path == again.query.path
    told = [f.problem for f in check_data("folder", tmp_path).findings if "folders that are not read" in f.problem]
    assert told == (["folders that are not read: val"] if len(parts) == 3 else [])


def test_further_folders_beside_a_given_split_are_told(tmp_path: Path) -> None:
    for part in ("train", "train_all", "val", "query", "gallery", "multi-query"):  # as a common tutorial lays them out
        people_in(tmp_path / part, PEOPLE[:3] if part.startswith("train") else PEOPLE[3:])
    (told,) = (f for f in check_data("folder", tmp_path).findings if "folders that are not read" in f.problem)
    assert told.problem.endswith("multi-query, train_all, val")
    assert load_benchmark("folder", tmp_path).train.people.tolist() == [1, 2, 3]


def notes(root: Path) -> str:
    return "\n".join(str(finding) for finding in check_data("folder", root).findings if not finding.serious)


def test_sound_own_data_raises_no_doubt(tmp_path: Path) -> None:
    assert check_data("folder", people_in(tmp_path, PEOPLE)).findings == ()


@pytest.mark.parametrize(
    "names", [["cam1", "cam2"], ["Camera_3"], ["c04"], ["view-2"], ["images"], ["frames"], ["ch1"]]
)
def test_folders_that_are_not_named_like_people_are_doubted(names: list[str], tmp_path: Path) -> None:
    root = people_in(
        tmp_path, [*names, "Cameron", "Camille", "Cami", "Chad", "Val Kilmer", "Images of Ann", "c", "Test7"]
    )
    assert f"`{names[0]}` is not named like a person" in notes(root)
    for name in names:
        shutil.rmtree(root / name)
    assert "not named like a person" not in notes(root)


def test_few_people_are_doubted(tmp_path: Path) -> None:
    assert "there are only 3 people (`a`, `b`, `d`); is each of them one person?" in notes(
        people_in(tmp_path, list("abd"))
    )


def test_images_in_folders_of_cameras_are_told_with_whose_they_are(tmp_path: Path) -> None:
    root = people_in(tmp_path, [f"{person}/cam{camera}" for person in PEOPLE for camera in (1, 2)])
    said = notes(root)
    assert "60 images lie in folders inside the people's folders" in said
    assert str(root / "0001" / "cam1" / "0.png") in said
    assert "no camera is taken" in said


def test_pictures_that_are_wider_than_high_are_doubted(tmp_path: Path) -> None:
    root = people_in(tmp_path, PEOPLE)
    people_in(root, PEOPLE[:2], size=(16, 8))
    assert "6 of 30 images are wider than high" in notes(root)
    people_in(root, PEOPLE[:1])
    assert "wider than high" not in notes(root)


def test_unknown_cameras_are_called_so(tmp_path: Path) -> None:
    report = check_data("folder", people_in(tmp_path, PEOPLE))
    assert [(part.found.cameras, part.people_per_camera) for part in report.parts] == [(None, {})] * 3


@pytest.mark.parametrize(("inner", "target"), [("", ".."), ("", "."), ("", "/"), ("0001", ".."), ("0001", "../..")])
def test_a_link_to_what_holds_the_set_is_refused_by_name(drawn: Path, tmp_path: Path, inner: str, target: str) -> None:
    people = as_folders(drawn, tmp_path / "around" / "people")
    link = people / inner / "loop"
    link.symlink_to(target)
    with pytest.raises(InputError, match=f"{link} is a link to .*Remove it"):
        load_benchmark("folder", people)


def test_one_name_in_two_forms_of_unicode_is_refused_in_folders_and_tables(drawn: Path, tmp_path: Path) -> None:
    people = as_folders(drawn, tmp_path / "people")
    first, second = sorted(people.iterdir())[:2]
    forms = [unicodedata.normalize(form, "Jörg") for form in ("NFC", "NFD")]
    folders = [folder.rename(people / form) for folder, form in zip((first, second), forms, strict=True)]
    with pytest.raises(InputError, match="two forms of Unicode"):
        load_benchmark("folder", people)
    rows: list[dict[str, object]] = [
        {"path": path, "person": folder.name} for folder in folders for path in sorted(folder.iterdir())
    ]
    with pytest.raises(InputError, match="two forms of Unicode"):
        load_benchmark("table", write_csv(tmp_path / "people.csv", rows))
