"""The threshold in a model's file: kept, replaced, and never at the cost of the weights."""

import json
import os
import random
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from strongreid.errors import InputError
from strongreid.models import Calibrated, CalibratedOn, ReIDModel, read_header, write_calibrated

RATES = ((0.1, 0.0, 0.25), (0.1 + 0.2, 1e-3, 0.875), (2.0, 0.5, 1.0))
FOUND = Calibrated(0.1 + 0.2, false_match_rate=1e-3, true_match_rate=0.875, measured_on="drawn", rates=RATES)
ON = CalibratedOn(people=12, cameras=3, different_pairs=4_567, tested=False, interval=(1e-4, 0.01))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = ReIDModel(backbone="resnet10_small", people=3, image_size=(64, 32))
    model.neck.weight.data[:3] = torch.tensor([-0.0, 1e-42, torch.nan])  # what careless copying would change
    model.save(tmp_path / "model.safetensors", {"note": "the caller's"})
    return tmp_path / "model.safetensors"


def test_a_model_that_was_never_calibrated_has_no_threshold(file: Path) -> None:
    model = ReIDModel.load(file)
    assert model.threshold is None
    assert model.calibrated is None
    assert "strongreid_calibrated" not in read_header(file)


def test_the_threshold_comes_with_the_model_and_the_weights_stay_bit_for_bit(file: Path) -> None:
    before = load_file(file)
    write_calibrated(file.parent, FOUND)
    assert [entry.name for entry in file.parent.iterdir()] == ["model.safetensors"]
    after = load_file(file)
    assert list(after) == list(before)
    for name, value in before.items():
        assert value.dtype == after[name].dtype
        assert value.numpy().tobytes() == after[name].numpy().tobytes()
    assert read_header(file)["note"] == "the caller's"
    model = ReIDModel.load(file)
    assert model.calibrated == FOUND
    assert model.threshold == 0.1 + 0.2


def test_saving_keeps_it_and_calibrating_again_replaces_it(file: Path, tmp_path: Path) -> None:
    write_calibrated(file, FOUND)
    ReIDModel.load(file).save(tmp_path / "copy.safetensors")
    copy = ReIDModel.load(tmp_path / "copy.safetensors")
    assert copy.calibrated == FOUND
    other = Calibrated(0.5, 0.01, 1.0, "own")
    write_calibrated(tmp_path / "copy.safetensors", other)
    assert ReIDModel.load(tmp_path / "copy.safetensors").calibrated == other
    copy.calibrated = None
    copy.save(tmp_path / "copy.safetensors")
    assert ReIDModel.load(tmp_path / "copy.safetensors").threshold is None


def test_a_failed_write_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def full_disk(weights: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr("strongreid.models.weights.save_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_calibrated(file, FOUND)
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"threshold": 1}', json.dumps({**FOUND.__dict__, "threshold": float("nan")})]
)
def test_a_damaged_entry_is_a_clear_error(file: Path, text: str) -> None:
    save_file(load_file(file), file, metadata={**read_header(file), "strongreid_calibrated": text})
    with pytest.raises(InputError, match=r"strongreid_calibrated.*is damaged"):
        ReIDModel.load(file)


def test_no_flipped_bit_goes_unnoticed(file: Path) -> None:
    """Wherever it is: in a tensor, in the header, in the padding. What loads is what was saved."""
    write_calibrated(file, FOUND)
    content = file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    rng = random.Random(0)
    places = [*rng.sample(range(header), 60), *rng.sample(range(header, len(content)), 20), header, len(content) - 1]
    expected = ReIDModel.load(file)
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        try:
            model = ReIDModel.load(file)
        except InputError:
            continue
        assert place < header
        assert model.arguments == expected.arguments  # the name of the checksum itself, or of the caller's note
        assert all(
            value.equal(model.state_dict()[name]) or name == "neck.weight"
            for name, value in expected.state_dict().items()
        )


def test_a_file_from_before_checksums_loads_as_it_did(file: Path) -> None:
    metadata = {key: value for key, value in read_header(file).items() if key != "strongreid_sha256"}
    tensors = load_file(file)
    tensors["neck.bias"] += 1
    save_file(tensors, file, metadata=metadata)
    assert ReIDModel.load(file).neck.bias.equal(tensors["neck.bias"])
    with pytest.raises(InputError, match="strongreid_sha256 is the model's own"):
        ReIDModel.load(file).save(file, {"strongreid_sha256": "mine"})


def test_another_user_may_read_a_model_and_is_told_where_not(
    file: Path, as_nobody: Callable[[Path], AbstractContextManager[None]]
) -> None:
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask
    file.chmod(0)
    with as_nobody(file.parent), pytest.raises(InputError, match="cannot be read: permission denied"):
        ReIDModel.load(file)


def test_a_threshold_is_not_written_through_a_link_in_a_run_but_through_one_that_is_named(
    file: Path, tmp_path: Path
) -> None:
    before = file.read_bytes()
    (tmp_path / "run").mkdir()
    link = tmp_path / "run" / "model.safetensors"
    link.symlink_to(file)
    with pytest.raises(InputError, match="is a link"):
        write_calibrated(tmp_path / "run", FOUND)
    assert file.read_bytes() == before
    write_calibrated(link, FOUND)
    assert link.is_symlink()
    assert ReIDModel.load(file).calibrated == FOUND


def test_what_is_no_threshold_or_no_model_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be -1"):
        Calibrated(-1, 0.1, 0.5, "drawn")
    with pytest.raises(InputError, match=r"0\.\.1, not 2"):
        Calibrated(1, 0.1, 2, "drawn")
    with pytest.raises(InputError, match=r"0\.\.1, not 3"):
        Calibrated(1, 0.1, 0.5, "drawn", rates=((0.5, 0.1, 3),))
    with pytest.raises(InputError, match="cannot be infinite"):
        Calibrated(1, 0.1, 0.5, "drawn", rates=((float("inf"), 0.1, 0.3),))
    with pytest.raises(InputError, match="strongreid_calibrated is the model's own"):
        ReIDModel.load(file).save(file, {"strongreid_calibrated": "mine"})
    save_file({"weight": torch.zeros(2)}, tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match="was not written by strongreid"):
        write_calibrated(tmp_path / "bare.safetensors", FOUND)


@pytest.mark.parametrize("on", [None, ON, CalibratedOn(2, 1, 1, True, (0.0, 1.0)), CalibratedOn(2, 1, 9, None, (0, 0))])
def test_whom_it_was_measured_on_is_kept_and_said(file: Path, on: CalibratedOn | None) -> None:
    stored = replace(FOUND, on=on)
    write_calibrated(file, stored)
    assert ReIDModel.load(file).calibrated == stored
    said = stored.words("cosine")
    assert "below 0.3" in said
    assert "at a false-match rate of 0.1 %" in said
    assert "87.5 %" in said
    if on is None:
        assert "somewhat worse" in said
    else:
        for part in (f"{on.people} people of drawn", f"{on.cameras} cameras", f"{on.different_pairs:,} pairs", "95 %"):
            assert part in said
        assert ("expect somewhat worse" in said) == (on.tested is True)
        assert ("Nobody of them" in said) == (on.tested is False)


def test_an_earlier_versions_threshold_is_read(file: Path) -> None:
    write_calibrated(file, replace(FOUND, on=ON))
    header = read_header(file)
    entry = json.loads(header["strongreid_calibrated"])
    del entry["on"]
    save_file(load_file(file), file, {**without_checksum(header), "strongreid_calibrated": json.dumps(entry)})
    assert ReIDModel.load(file).calibrated == FOUND


@pytest.mark.parametrize(
    "on",
    [
        7,
        [],
        {},
        {"people": 2},
        {"people": 2.5, "cameras": 1, "different_pairs": 3, "tested": True, "interval": [0, 1]},
        {"people": 0, "cameras": 1, "different_pairs": 3, "tested": True, "interval": [0, 1]},
        {"people": 2, "cameras": 1, "different_pairs": 3, "tested": True, "interval": [1, 0]},
        {"people": 2, "cameras": 1, "different_pairs": 3, "tested": True, "interval": [0, 1, 2]},
        {"people": 2, "cameras": 1, "different_pairs": 3, "tested": True, "interval": ["nan", 1]},
    ],
)
def test_damage_to_whom_it_was_measured_on_is_named(file: Path, on: object) -> None:
    write_calibrated(file, replace(FOUND, on=ON))
    header = read_header(file)
    entry = {**json.loads(header["strongreid_calibrated"]), "on": on}
    save_file(load_file(file), file, {**without_checksum(header), "strongreid_calibrated": json.dumps(entry)})
    with pytest.raises(InputError, match="strongreid_calibrated"):
        ReIDModel.load(file)


def without_checksum(header: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in header.items() if name != "strongreid_sha256"}
