from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, evaluate

LABELS = np.array([0, 1, 1])


@pytest.mark.parametrize(
    "features",
    [
        np.eye(3, dtype=np.float64),
        np.eye(3, dtype=np.float16),
        np.eye(3, dtype=np.int32),
        np.eye(3, dtype=">f4"),
        np.eye(3, dtype=np.float32)[::-1],
        torch.eye(3, dtype=torch.bfloat16),
        torch.eye(3, requires_grad=True),
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ],
)
def test_any_real_dtype_comes_in_and_float32_is_inside(features: Any) -> None:
    images = Embeddings(features, torch.tensor([0, 1, 1], dtype=torch.int32), [0.0, 2.0, 1.0])
    assert images.features.dtype == torch.float32
    assert not images.features.requires_grad
    reference = features.detach().float().numpy() if isinstance(features, torch.Tensor) else features
    np.testing.assert_array_equal(images.features, np.asarray(reference).astype(np.float32))
    assert images.person.dtype == images.camera.dtype == np.int64
    assert images.camera.tolist() == [0, 2, 1]


def test_float32_is_shared_not_copied_even_when_mapped_from_disk(tmp_path: Path) -> None:
    array = np.eye(3, dtype=np.float32)
    np.save(tmp_path / "features.npy", array)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert Embeddings(array, LABELS, LABELS).features.data_ptr() == array.ctypes.data
    assert Embeddings(mapped, LABELS, LABELS).features.data_ptr() == mapped.ctypes.data


@pytest.mark.parametrize(
    ("features", "person", "camera", "message"),
    [
        (np.zeros(3), LABELS, LABELS, r"shape \[3\]"),
        (np.zeros((3, 0)), LABELS, LABELS, "width of at least 1"),
        (np.zeros((4, 2)), LABELS, LABELS, "4 rows of features but 3 values of person"),
        (np.zeros((3, 2)), LABELS, LABELS[:2], "3 rows of features but 2 values of camera"),
        (np.zeros((3, 2)), LABELS[:, None], LABELS, r"person has shape \[3, 1\]"),
        (np.zeros((3, 2)), LABELS + 0.5, LABELS, "person has values that are not whole"),
        (np.zeros((3, 2)), LABELS, np.array(["a", "b", "c"]), "camera has dtype <U1"),
        (np.zeros((3, 2)), LABELS, np.array([0, 1, 2**63], dtype=np.uint64), "camera has values beyond int64"),
        (np.zeros((3, 2)) * 1j, LABELS, LABELS, "dtype complex128"),
        (torch.zeros((3, 2), dtype=torch.complex64), LABELS, LABELS, "complex"),
        (np.array([["a"], ["b"], ["c"]]), LABELS, LABELS, "dtype <U1"),
        ([[1, 0], [1], [0, 1]], LABELS, LABELS, "given as features is no array.*rows of one length"),
        (np.zeros((3, 2)), [[0, 1], [2], []], LABELS, "given as person is no array"),
        (np.zeros((3, 2)), [None] * 3, LABELS, "person has dtype object"),
        (np.zeros((3, 2)), torch.tensor([0.5, 1, 2]), LABELS, "person has values that are not whole"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_came(features: Any, person: Any, camera: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Embeddings(features, person, camera)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("row", [0, 4999, 9999])
def test_a_value_that_is_not_finite_in_float32_is_refused_and_the_row_named(bad: float, row: int) -> None:
    features = np.zeros((10_000, 3))
    features[row, 1] = bad
    with pytest.raises(InputError, match=f"Row {row} of the features is not finite"):
        Embeddings(features, np.zeros(10_000), np.zeros(10_000))


@pytest.mark.parametrize("row", [0, 700, 9999])
def test_a_row_too_long_for_float32_distances_is_refused_and_the_longest_allowed_one_is_not(row: int) -> None:
    features = np.zeros((10_000, 2))
    features[row] = [6.3e18, -6.3e18]
    whole = Embeddings(features, np.arange(10_000), np.zeros(10_000))
    opposite = Embeddings(-features[[row]], [row], [1])
    found = evaluate(opposite, whole, metric="euclidean")
    assert found.first_match_rank.tolist() == [10_000]
    features[row] *= 1.01
    with pytest.raises(InputError, match=f"Row {row} of the features is so large"):
        Embeddings(features, np.arange(10_000), np.zeros(10_000))


def test_saved_embeddings_come_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    images = Embeddings(np.random.default_rng(0).normal(size=(3, 5)), LABELS, LABELS + 3)
    images.save(tmp_path / "deep" / "query.npz")
    back = Embeddings.load(tmp_path / "deep" / "query.npz")
    assert torch.equal(back.features, images.features)
    assert (back.person.tolist(), back.camera.tolist()) == (images.person.tolist(), images.camera.tolist())
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["query.npz"]


def test_files_that_cannot_be_used_are_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        Embeddings.load(tmp_path / "missing.npz")
    np.savez(tmp_path / "half.npz", features=np.eye(3), person=LABELS)
    with pytest.raises(InputError, match=r"holds the arrays features, person; missing: camera"):
        Embeddings.load(tmp_path / "half.npz")
    np.save(tmp_path / "single.npy", np.eye(3))
    with pytest.raises(InputError, match="single array"):
        Embeddings.load(tmp_path / "single.npy")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(InputError, match=r"text\.npz is no \.npz file. Write one with numpy\.savez"):
        Embeddings.load(tmp_path / "text.npz")
    np.savez(tmp_path / "nan.npz", features=np.full((3, 2), np.nan), person=LABELS, camera=LABELS)
    with pytest.raises(InputError, match=r"nan\.npz: Row 0"):
        Embeddings.load(tmp_path / "nan.npz")


def test_damaged_files_are_named_wherever_the_damage_is(tmp_path: Path) -> None:
    file = tmp_path / "damaged.npz"
    labels = np.zeros(300, dtype=int)
    np.savez_compressed(file, features=np.random.default_rng(0).normal(size=(300, 5)), person=labels, camera=labels)
    whole = file.read_bytes()
    refused = []
    for place in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[place : place + 40] = bytes(255 - byte for byte in whole[place : place + 40])
        file.write_bytes(damaged)
        try:
            Embeddings.load(file)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all("damaged.npz" in message for message in refused)
    for end in (0, 1, 30, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"damaged\.npz (cannot be read|is no)"):
            Embeddings.load(file)


def test_labels_of_any_whole_kind_come_in() -> None:
    for kind in (torch.bfloat16, torch.float16, torch.uint8, torch.int64):
        assert Embeddings(np.eye(3), torch.tensor([0, 5, 1], dtype=kind), LABELS).person.tolist() == [0, 5, 1]
    for kind in (np.float16, np.uint64, np.int8, ">i4"):
        assert Embeddings(np.eye(3), LABELS, np.array([0, 5, 1], dtype=kind)).camera.tolist() == [0, 5, 1]


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "pickled.npz", features=np.eye(3), person=LABELS, camera=np.array([{}, {}, {}], dtype=object))
    with pytest.raises(InputError, match="plain arrays"):
        Embeddings.load(tmp_path / "pickled.npz")


def test_rows_are_taken_by_index_or_by_mask() -> None:
    images = Embeddings(np.arange(6).reshape(3, 2), LABELS, LABELS)
    assert images.take(np.array([2, 0])).features.tolist() == [[4, 5], [0, 1]]
    assert images.take(LABELS == 1).person.tolist() == [1, 1]
