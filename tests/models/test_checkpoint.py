"""Checkpoint files that lie: about their size, or about being tensors. Nothing of that size is made, no code runs."""

import io
import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from strongreid.errors import InputError
from strongreid.models import load_foreign
from strongreid.models.checkpoint import read_checkpoint


class Intruder:
    """What a malicious pickle looks like: code that runs while it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (exec, (f"open({str(self.marker)!r}, 'w').close()",))


class Bytes:
    def __reduce__(self):
        return (bytearray, (10**12,))


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"state_dict": OrderedDict(weight=evil)}])
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path, new, wrap):
    file, marker = tmp_path / "market.pth", tmp_path / "marker"
    torch.save(wrap(Intruder(marker)), file, _use_new_zipfile_serialization=new)
    for read in (read_checkpoint, load_foreign):
        with pytest.raises(InputError, match=r"object made by exec.*refused"):
            read(file)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Intruder(marker)))  # it would have run
    assert marker.exists()


def test_a_whole_module_is_refused_with_its_class_and_what_its_owner_does(tmp_path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "resnet50_model_120.pth")
    with pytest.raises(
        InputError, match=r"object made by torch\.nn\.modules\.linear\.Linear.*torch\.save\(model\.state_dict"
    ):
        read_checkpoint(tmp_path / "resnet50_model_120.pth")


@pytest.mark.parametrize("new", [True, False])
def test_a_byte_array_of_a_terabyte_is_refused(tmp_path, new):
    torch.save({"weight": Bytes()}, tmp_path / "bomb.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(InputError, match="asks for a byte array"):
        read_checkpoint(tmp_path / "bomb.pth")


def rewritten(source: Path, target: Path, change, compression=zipfile.ZIP_STORED) -> Path:
    """Copy a zip, each entry's content changed by `change(name, content)`."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w", compression) as after:
        for entry in before.infolist():
            after.writestr(entry.filename, change(entry.filename, before.read(entry)))
    return target


@pytest.fixture
def sound(tmp_path):
    torch.save({"weight": torch.zeros(1000)}, tmp_path / "sound.pth")
    return tmp_path / "sound.pth"


def test_a_compressed_zip_is_refused_before_it_grows(sound, tmp_path):
    def grown(name: str, content: bytes) -> bytes:
        return bytes(200_000_000) if name.endswith("data/0") else content

    bomb = rewritten(sound, tmp_path / "bomb.pth", grown, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 10**6
    with pytest.raises(InputError, match="entries are compressed"):
        read_checkpoint(bomb)


def test_entries_that_claim_more_than_the_file_are_refused(sound, tmp_path):
    content = bytearray(sound.read_bytes())
    directory = content.index(b"PK\x01\x02", content.index(b"data/0") + 4000)
    while content[directory + 46 : directory + 46 + 20].find(b"data/0") < 0:
        directory = content.index(b"PK\x01\x02", directory + 4)
    content[directory + 20 : directory + 28] = struct.pack("<II", 2**31, 2**31)  # sizes in the directory
    (tmp_path / "bomb.pth").write_bytes(content)
    with pytest.raises(InputError, match="entries claim 2,"):
        read_checkpoint(tmp_path / "bomb.pth")


def _claiming(values: int) -> bytes:
    """A pickled tensor whose storage has so many values."""

    class Saved(pickle.Pickler):
        def persistent_id(self, obj):
            return (
                ("storage", torch.FloatStorage, "0", "cpu", values) if isinstance(obj, torch.UntypedStorage) else None
            )

    class Tensor:
        def __reduce__(self):
            return (torch._utils._rebuild_tensor_v2,
                    (torch.UntypedStorage(4), 0, (values,), (1,), False, OrderedDict()))  # fmt: skip

    stream = io.BytesIO()
    Saved(stream, protocol=2).dump({"weight": Tensor()})
    return stream.getvalue()


def test_a_storage_that_claims_more_than_the_file_is_refused_in_files_of_both_kinds(sound, tmp_path):
    bomb = rewritten(
        sound, tmp_path / "bomb.pth", lambda name, old: _claiming(10**9) if name.endswith("data.pkl") else old
    )
    with pytest.raises(InputError, match="claims a storage of 1,000,000,000 values"):
        read_checkpoint(bomb)
    head = [torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {"little_endian": True}]
    old = b"".join(pickle.dumps(one, protocol=2) for one in head) + _claiming(10**9) + pickle.dumps(["0"], protocol=2)
    (tmp_path / "old.pth").write_bytes(old)
    with pytest.raises(InputError, match="claims a storage of 1,000,000,000 values"):
        read_checkpoint(tmp_path / "old.pth")


@pytest.mark.parametrize(
    "large",
    [
        lambda: torch.zeros(1).expand(10**6, 10**6),
        lambda: torch.sparse_coo_tensor(
            torch.zeros(1, 1, dtype=torch.int64), torch.ones(1), (10**12,), check_invariants=True
        ),
        lambda: torch.empty(10**12, device="meta"),
    ],
)
def test_tensors_without_the_values_that_they_claim_are_refused(tmp_path, large):
    torch.save({"state_dict": {"weight": large()}}, tmp_path / "bomb.pth")
    with pytest.raises(
        InputError, match=r"claim more than the file holds|sparse, quantised or without values|cannot be"
    ):
        read_checkpoint(tmp_path / "bomb.pth")


def test_many_views_of_one_storage_are_refused(tmp_path):
    one = torch.zeros(10**5)
    torch.save({f"layer{number}.weight": one.view(-1) for number in range(50)}, tmp_path / "bomb.pth")
    with pytest.raises(InputError, match="claim more than the file holds"):
        read_checkpoint(tmp_path / "bomb.pth")
    torch.save({"first.weight": one, "tied.weight": one}, tmp_path / "tied.pth")
    assert len(read_checkpoint(tmp_path / "tied.pth")) == 2


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]},
        {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]},
    ],
)
def test_safetensors_that_claim_more_than_they_hold_are_refused(tmp_path, entry):
    header = json.dumps({"weight": entry}).encode()
    (tmp_path / "bomb.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(tmp_path / "bomb.safetensors")


def test_a_header_of_exabytes_is_refused(tmp_path):
    (tmp_path / "bomb.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(tmp_path / "bomb.safetensors")


def test_arrays_and_numbers_of_numpy_are_read(tmp_path):
    content = {"model": {"weight": np.arange(3, dtype=np.float32)}, "rank1": np.float64(0.5), "epoch": np.int64(3)}
    torch.save(content, tmp_path / "numpy.pth")
    read = read_checkpoint(tmp_path / "numpy.pth")
    assert np.array_equal(read["model"]["weight"], [0, 1, 2])
    assert (read["rank1"], read["epoch"]) == (0.5, 3)


def test_shapes_are_kept_of_all_kinds_of_tensors(tmp_path):
    state = {
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 4),
        "half": torch.ones(2).half(),
        "view": torch.eye(4)[1:],
    }
    torch.save(state, tmp_path / "new.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "s.safetensors")
    for name in ("new.pth", "old.pth", "s.safetensors"):
        read = read_checkpoint(tmp_path / name)
        assert all(torch.equal(read[key], value) for key, value in state.items())
