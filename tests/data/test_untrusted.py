"""Lists, .mat files and names that anybody may have written: sound, or an `InputError` that says what is wrong."""

import os
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from PIL import Image

from strongreid.data.benchmarks import load_benchmark
from strongreid.data.check import check_data
from strongreid.data.cuhk03 import extract_cuhk03
from strongreid.data.listing import scan_folder
from strongreid.data.matlab import read_matrices
from strongreid.data.packed import PackedImages
from strongreid.data.specs import MARKET_NAMES
from strongreid.data.table import ImageTable
from strongreid.errors import InputError

HUGE = ("9223372036854775808", "99999999999999999999", "9" * 60)


def save(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 8, 3), dtype=np.uint8)).save(path)
    return path


def lay_out_msmt17(root: Path) -> Path:
    """Two people to train on and one to test, with lists as the set ships them."""
    lists: dict[str, list[str]] = {"train": [], "val": [], "query": [], "gallery": []}
    for number, (part, person, camera) in enumerate(
        [("train", 0, 1), ("val", 0, 2), ("train", 1, 1), ("query", 0, 1), ("gallery", 0, 2)]
    ):
        folder = "train" if part in ("train", "val") else "test"
        name = f"{person:04}/{person:04}_{number:03}_{camera:02}_0303morning_{number:04}_0.jpg"
        save(root / folder / name, number)
        lists[part].append(f"{name} {person}")
    for part, lines in lists.items():
        (root / f"list_{part}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize(
    "path",
    [
        "../0000_000_01_secret.jpg",
        "0000/../../../0000_000_01_secret.jpg",
        "{outside}/0000_000_01_secret.jpg",
        "//{outside}/0000_000_01_secret.jpg",
        "../train/0000_000_01_secret.jpg",
        "..",
    ],
)
def test_a_list_cannot_name_what_lies_outside_its_folder(path: str, tmp_path: Path) -> None:
    root = lay_out_msmt17(tmp_path / "set")
    save(tmp_path / "set" / "0000_000_01_secret.png").rename(tmp_path / "set" / "0000_000_01_secret.jpg")
    with (root / "list_gallery.txt").open("a") as stream:
        stream.write(f"{path.format(outside=root)} 0\n")
    with pytest.raises(InputError, match=r"list_gallery\.txt: line 2 (leads out of|is '\.\. 0')"):
        load_benchmark("msmt17_v1", root)
    report = check_data("msmt17_v1", root)
    assert not report.ready
    assert report.parts[2].found.images == 1


def test_linked_images_and_folders_are_read(tmp_path: Path) -> None:
    real = lay_out_msmt17(tmp_path / "real")
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in real.iterdir():
        (linked / path.name).symlink_to(path)
    people = tmp_path / "people"
    for person in range(4):
        for image in range(2):
            source = save(tmp_path / "store" / f"{person}{image}.png", 10 * person + image)
            (people / str(person)).mkdir(parents=True, exist_ok=True)
            (people / str(person) / f"{image}.png").symlink_to(source)
    for name, root in (("msmt17_v1", linked), ("folder", people)):
        data = load_benchmark(name, root)
        assert len(PackedImages.build(data.gallery, (16, 8), tmp_path / "packs")) == len(data.gallery)


@pytest.mark.parametrize("line", ["a b c", "x.jpg 1", "0/0_0_1_x.jpg -1", "0/0_0_1_x.jpg 1.5", *HUGE])
def test_a_line_of_another_form_is_named_and_shown_in_short(line: str, tmp_path: Path) -> None:
    root = lay_out_msmt17(tmp_path)
    text = line if line not in HUGE else f"0000/0000_000_01_x.jpg {line}"
    (root / "list_val.txt").write_text(text + "\n")
    with pytest.raises(InputError, match=r"list_val\.txt: line 1 is '.{3,100}'; expected"):
        load_benchmark("msmt17_v1", root)


def test_a_list_that_is_no_text_is_named_with_its_line(tmp_path: Path) -> None:
    root = lay_out_msmt17(tmp_path)
    (root / "list_query.txt").write_bytes(b"fine\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"list_query\.txt.*line 2.*UTF-8"):
        load_benchmark("msmt17_v1", root)
    (root / "list_query.txt").write_bytes(b"0000/0000_003_01_\0.jpg 0\n")
    with pytest.raises(InputError, match=r"list_query\.txt: line 1 is"):
        load_benchmark("msmt17_v1", root)


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize("shape", ["{}_c1s1_000001_01.jpg", "0001_c{}s1_000001_01.jpg", "0001_c1s1_{}_01.jpg"])
def test_a_number_in_a_name_that_no_column_holds_is_named(number: str, shape: str, tmp_path: Path) -> None:
    (tmp_path / shape.format(number)).write_bytes(b"")
    (tmp_path / "0002_c1s1_000001_01.jpg").write_bytes(b"")
    part = scan_folder(tmp_path, MARKET_NAMES, None)
    assert len(part.table) == 1
    ((path, problem, serious),) = part.findings
    assert (Path(path).name, serious) == (shape.format(number), True)
    assert "above 9223372036854775807" in problem


@pytest.mark.parametrize("numbers", [np.array([2**63], dtype=np.uint64), np.array([2**64 + 1], dtype=object), [1.5]])
def test_a_column_of_numbers_that_it_cannot_hold_is_refused(numbers: Any) -> None:
    with pytest.raises(InputError, match="column `person` holds"):
        ImageTable(("a.jpg",), numbers, np.array([1]))


# CUHK03: what its two .mat files may hold in place of what the set ships.


def protocol_of(root: Path) -> dict[str, Any]:
    names = [f"1_{person:03}_{camera}_{image:02}.png" for person in (1, 2, 3) for camera in (1, 2) for image in (1, 2)]
    for number, name in enumerate(names):
        save(root / "images_detected" / name, number)
    return {
        "filelist": np.array(names, dtype=object)[:, None],
        "labels": np.repeat([1, 2, 3], 4)[:, None],
        "train_idx": np.arange(1, 9)[:, None],
        "query_idx": np.array([[9], [11]]),
        "gallery_idx": np.array([[10], [12]]),
    }


def cells(*values: Any) -> np.ndarray:
    column = np.empty((len(values), 1), dtype=object)
    for index, value in enumerate(values):
        column[index, 0] = value
    return column


FORMS = ((24, 1), (1, 24), (4, 6), (2, 3, 4))
SHAPES: dict[str, Any] = {
    "a number": 3,
    "a float": 0.5,
    "a text": "1_001_1_01.png",
    "texts in a matrix": np.array(["1_001_1_01.png", "1_001_1_02.png"]),
    "cells of numbers": cells(1, 2.0, 3),
    "cells in cells": cells(cells("a"), cells("b")),
    "empty cells": cells(np.zeros((0, 0)), np.zeros((0, 0))),
    "no cells": np.empty((0, 0), dtype=object),
    "an empty matrix": np.zeros((0, 0)),
    "a matrix": np.arange(12).reshape(4, 3),
    "a cube": np.arange(24).reshape(2, 3, 4),
    "complex numbers": np.array([[1 + 2j], [3]]),
    "NaN": np.array([[np.nan], [1.0]]),
    "infinity": np.array([[np.inf], [1.0]]),
    "fractions": np.array([[1.5], [2.0]]),
    "negative numbers": np.array([[-1], [2]]),
    "huge numbers": np.array([[2.0**63], [1e300]]),
    "unsigned numbers": np.array([[2**64 - 1]], dtype=np.uint64),
    "a structure": {"a": 1, "b": "c"},
    "structures": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "a sparse matrix": scipy.sparse.csc_matrix(np.eye(3)),
    "true and false": np.array([[True], [False]]),
    "too many": np.arange(1, 100)[:, None],
}


@pytest.mark.parametrize("name", ["filelist", "labels", "train_idx", "query_idx", "gallery_idx"])
def test_a_protocol_of_another_shape_is_refused_with_what_is_expected(name: str, tmp_path: Path) -> None:
    protocol = protocol_of(tmp_path)
    file = tmp_path / "cuhk03_new_protocol_config_detected.mat"
    scipy.io.savemat(file, protocol)
    assert load_benchmark("cuhk03_detected", tmp_path).train.people.tolist() == [1, 2]
    scipy.io.savemat(file, {key: value for key, value in protocol.items() if key != name})
    with pytest.raises(InputError, match=f"holds no `{name}`"):
        load_benchmark("cuhk03_detected", tmp_path)
    for shape, value in SHAPES.items():
        scipy.io.savemat(file, protocol | {name: value})
        with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path))}.*"):
            load_benchmark("cuhk03_detected", tmp_path)
            pytest.fail(f"{name} may be {shape}")


def test_numbers_may_be_stored_as_floats_and_in_a_row(tmp_path: Path) -> None:
    protocol = protocol_of(tmp_path)
    file = tmp_path / "cuhk03_new_protocol_config_detected.mat"
    scipy.io.savemat(file, protocol)
    wanted = load_benchmark("cuhk03_detected", tmp_path)
    changed = {name: np.asarray(value, dtype=float).T for name, value in protocol.items() if name != "filelist"}
    scipy.io.savemat(file, protocol | changed)
    found = load_benchmark("cuhk03_detected", tmp_path)
    for one, other in ((found.train, wanted.train), (found.query, wanted.query), (found.gallery, wanted.gallery)):
        assert (one.path, one.person.tolist()) == (other.path, other.person.tolist())


def test_a_matrix_without_dimensions_is_no_column(tmp_path: Path) -> None:
    file = tmp_path / "cuhk03_new_protocol_config_detected.mat"
    scipy.io.savemat(file, protocol_of(tmp_path) | {"train_idx": np.array([[1]])})
    content = file.read_bytes()
    name = content.index(b"train_idx")  # before it: the matrix's tag and size, its flags, the dimensions and their size
    (size,) = struct.unpack_from("<I", content, name - 44)
    shorter = (content[: name - 44], struct.pack("<I", size - 8), content[name - 40 : name - 20], bytes(4))
    file.write_bytes(b"".join((*shorter, content[name - 8 :])))
    assert np.shape(read_matrices(file, "")["train_idx"]) == ()
    with pytest.raises(InputError, match="`train_idx` must be a column of whole numbers from 1 on"):
        load_benchmark("cuhk03_detected", tmp_path)


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/1_001_1_01.png", "1_001_1_01.png/../x", "a\0b"])
def test_a_protocol_cannot_name_what_lies_outside_its_folder(name: str, tmp_path: Path) -> None:
    protocol = protocol_of(tmp_path)
    protocol["filelist"][0, 0] = name
    scipy.io.savemat(tmp_path / "cuhk03_new_protocol_config_detected.mat", protocol)
    with pytest.raises(InputError, match=r"the name is not like 1_001_1_01\.png"):
        load_benchmark("cuhk03_detected", tmp_path)


@pytest.mark.filterwarnings("ignore:The default value for `spmatrix`:DeprecationWarning")  # none is compared
@pytest.mark.parametrize("packed", [False, True])
def test_matrices_are_read_as_scipy_reads_them(packed: bool, tmp_path: Path) -> None:
    kinds = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
    numbers = {f"{kind}_{shape[-1]}": np.arange(24).astype(kind).reshape(shape) for kind in kinds for shape in FORMS}
    others = {name: value for name, value in SHAPES.items() if not name.startswith("c")}
    values = numbers | {f"v{index}": value for index, value in enumerate(others.values())}
    scipy.io.savemat(tmp_path / "a.mat", values | protocol_of(tmp_path), do_compression=packed)
    found, wanted = read_matrices(tmp_path / "a.mat", ""), scipy.io.loadmat(tmp_path / "a.mat")
    assert set(found) == {name for name in wanted if not name.startswith("__")}
    for name in numbers:
        assert found[name].dtype.kind == wanted[name].dtype.kind or found[name].dtype.kind == "u", name
        assert np.array_equal(found[name], wanted[name]), name
    assert found["filelist"] == [str(cell.item()) for cell in wanted["filelist"].ravel()]


def test_a_packed_file_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    protocol = protocol_of(tmp_path) | {"labels": np.zeros((2**23 + 1, 1))}
    scipy.io.savemat(tmp_path / "cuhk03_new_protocol_config_detected.mat", protocol, do_compression=True)
    assert (tmp_path / "cuhk03_new_protocol_config_detected.mat").stat().st_size < 1_000_000
    with pytest.raises(InputError, match="unpacks to more than"):
        load_benchmark("cuhk03_detected", tmp_path)


def test_damaged_bytes_of_a_protocol_are_an_input_error_or_a_set(tmp_path: Path) -> None:
    file = tmp_path / "cuhk03_new_protocol_config_detected.mat"
    scipy.io.savemat(file, protocol_of(tmp_path))
    content = file.read_bytes()
    rng = np.random.default_rng(0)  # SciPy's own reader does not survive them
    for _ in range(300):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), 3).tolist():
            damaged[position] = int(rng.integers(256))
        file.write_bytes(damaged[: int(rng.integers(len(content))) if rng.random() < 0.3 else None])
        try:
            load_benchmark("cuhk03_detected", tmp_path)
        except InputError as error:
            told = str(error)
            assert str(tmp_path) in told or "CUHK03" in told


def write_release(root: Path, damage: str) -> None:
    """`cuhk-03.mat` of two people, damaged in one way; what is secret lies beside it as raw bytes."""
    h5py = pytest.importorskip("h5py", reason="cuhk-03.mat needs h5py, which is in the extra `cuhk03`")
    folder = root / "cuhk03_release"
    folder.mkdir(parents=True)
    secret = np.full((3, 8, 16), 77, dtype=np.uint8)
    (folder / "secret.bin").write_bytes(secret.tobytes())
    with h5py.File(folder / "secret.h5", "w") as other:
        other["detected"] = secret
    with h5py.File(folder / "cuhk-03.mat", "w") as file:
        kept = file.create_group("#refs#")
        image = np.arange(3 * 8 * 16, dtype=np.uint8).reshape(3, 8, 16)
        outside = h5py.VirtualLayout(shape=image.shape, dtype=np.uint8)
        outside[...] = h5py.VirtualSource(str(folder / "secret.h5"), "detected", shape=image.shape)
        pair = np.empty((10, 2), dtype=h5py.ref_dtype)
        for row in range(10):
            for person in range(2):
                name = f"{row} {person}"
                match (row, person), damage:
                    case (0, 0), "external storage":
                        made = kept.create_dataset(
                            name, image.shape, np.uint8, external=[(str(folder / "secret.bin"), 0, image.nbytes)]
                        )
                    case (0, 0), "a virtual dataset":
                        made = kept.create_virtual_dataset(name, outside)
                    case (0, 0), "floats":
                        made = kept.create_dataset(name, data=image.astype(float))
                    case (0, 0), "grey":
                        made = kept.create_dataset(name, data=image[:1])
                    case (0, 0), "four axes":
                        made = kept.create_dataset(name, data=image[None])
                    case (0, 0), "a huge image":
                        made = kept.create_dataset(name, (3, 100_000, 100_000), np.uint8, chunks=(3, 100, 100))
                    case (0, 0), "a group":
                        made = kept.create_group(name)
                    case (0, 0), "no image":
                        made = kept.create_dataset(name, data=3)
                    case (9, 1), _:
                        made = kept.create_dataset(name, data=np.zeros(2, dtype=np.uint64))  # an empty cell
                    case _:
                        made = kept.create_dataset(name, data=image + row)
                pair[row, person] = made.ref
        if damage == "a null reference":
            pair[0, 0] = h5py.Reference()
        pairs = np.empty((1, 1), dtype=h5py.ref_dtype)
        pairs[0, 0] = kept.create_dataset("pair", data=pair, dtype=h5py.ref_dtype).ref
        if damage == "a pair of numbers":
            pairs[0, 0] = kept.create_dataset("numbers", data=np.arange(20).reshape(10, 2)).ref
        match damage:
            case "an external link":
                file["detected"] = h5py.ExternalLink(str(folder / "secret.h5"), "detected")
            case "a soft link":
                file["detected"] = h5py.SoftLink("/#refs#/pair")
            case "a dangling link":
                file["detected"] = h5py.SoftLink("/nothing")
            case "a group in place of cells":
                file.create_group("detected")
            case "numbers in place of cells":
                file["detected"] = np.arange(5)
            case "a text in place of cells":
                file["detected"] = "detected"
            case "a scalar":
                file["detected"] = 3
            case _:
                file.create_dataset("detected", data=pairs, dtype=h5py.ref_dtype)


def test_a_sound_release_is_extracted_but_for_empty_cells(tmp_path: Path) -> None:
    write_release(tmp_path, "none")
    folder = extract_cuhk03(tmp_path, "detected")
    assert len(list(folder.iterdir())) == 19
    with Image.open(folder / "1_001_1_01.png") as image:
        assert image.size == (8, 16)


@pytest.mark.parametrize(
    "damage",
    [
        "external storage",
        "a virtual dataset",
        "floats",
        "grey",
        "four axes",
        "a huge image",
        "a group",
        "no image",
        "a null reference",
        "a pair of numbers",
        "an external link",
        "a soft link",
        "a dangling link",
        "a group in place of cells",
        "numbers in place of cells",
        "a text in place of cells",
        "a scalar",
    ],
)
def test_a_release_of_another_shape_or_with_parts_elsewhere_is_refused(damage: str, tmp_path: Path) -> None:
    write_release(tmp_path, damage)
    with pytest.raises(InputError, match=r"cuhk-03\.mat.*archive again"):
        extract_cuhk03(tmp_path, "detected")
    assert not (tmp_path / "images_detected").exists()


@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_release(made: Callable[[Path], None], tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="cuhk-03.mat needs h5py, which is in the extra `cuhk03`")
    (tmp_path / "cuhk03_release").mkdir()
    made(tmp_path / "cuhk03_release" / "cuhk-03.mat")
    with pytest.raises(InputError, match=r"cuhk-03\.mat cannot be read: it is"):
        extract_cuhk03(tmp_path, "detected")


def test_damaged_bytes_of_a_release_are_an_input_error_or_images(tmp_path: Path) -> None:
    write_release(tmp_path, "none")
    file = tmp_path / "cuhk03_release" / "cuhk-03.mat"
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(25):
        damaged = bytearray(content)
        for position in rng.integers(0, min(len(content), 4000), 4).tolist():
            damaged[position] = int(rng.integers(256))
        file.write_bytes(damaged)
        try:
            extract_cuhk03(tmp_path, "detected")
        except InputError as error:
            assert str(tmp_path) in str(error)  # noqa: PT017 - many damages are harmless
        shutil.rmtree(tmp_path / "images_detected", ignore_errors=True)
