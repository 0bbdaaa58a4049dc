"""Models of the hub: a cache on this machine in the hub's own layout stands for it; the network is never asked."""

import json
import time

import huggingface_hub
import pytest
import torch

from strongreid.errors import InputError
from strongreid.models import ReIDModel, hub, save_for_hub

OLD, NEW = "1" * 40, "2" * 40


def model(seed=0):
    torch.manual_seed(seed)
    return ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32)).eval()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache with two commits of one model; main is the newer. Nobody answers."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "answers", lambda address: False)
    repository = folder / "models--someone--person-reid"
    for seed, commit in enumerate((OLD, NEW)):
        blob = repository / "blobs" / str(seed)
        blob.parent.mkdir(parents=True, exist_ok=True)
        model(seed).save(blob)
        snapshot = repository / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (snapshot / "model.safetensors").symlink_to(f"../../blobs/{seed}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(NEW)
    (repository / "refs" / "v1").write_text(OLD)
    return folder


@pytest.mark.parametrize(("revision", "commit"), [(None, NEW), ("main", NEW), ("v1", OLD), (OLD, OLD), (NEW, NEW)])
def test_a_cached_model_needs_no_network_and_says_its_commit(cache, revision, commit):
    got = ReIDModel.from_pretrained("hf:someone/person-reid", revision=revision)
    assert got.revision == commit
    images = torch.randint(256, (2, 3, 64, 32), dtype=torch.uint8)
    assert torch.equal(got.embed(images), model([OLD, NEW].index(commit)).embed(images))


def test_a_pinned_commit_asks_nobody(cache, monkeypatch):
    monkeypatch.setattr(hub, "answers", lambda address: pytest.fail("asked the network"))
    assert ReIDModel.from_pretrained("hf:someone/person-reid", revision=OLD).revision == OLD


def test_what_a_branch_stands_for_is_asked_where_somebody_answers(cache, monkeypatch):
    asked = []

    def download(repository, file, revision):
        asked.append((repository, file, revision))
        return str(cache / "models--someone--person-reid" / "snapshots" / OLD / file)

    monkeypatch.setattr(hub, "answers", lambda address: True)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert ReIDModel.from_pretrained("hf:someone/person-reid").revision == OLD
    assert asked == [("someone/person-reid", "model.safetensors", "main")]


def test_a_failed_download_is_a_clear_error(cache, monkeypatch):
    def download(repository, file, revision):
        raise huggingface_hub.errors.LocalEntryNotFoundError("connection reset\nand more")

    monkeypatch.setattr(hub, "answers", lambda address: True)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(InputError, match=r"download of https?://.*someone/other.* failed \(connection reset\)"):
        ReIDModel.from_pretrained("hf:someone/other")


@pytest.mark.parametrize("offline", [True, False])
def test_offline_and_not_in_the_cache_fails_at_once_with_the_way_out(cache, monkeypatch, offline):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    start = time.monotonic()
    with pytest.raises(
        InputError, match=r"hf:someone/other \(v2\) is not in the hub's cache.*path of a model file"
    ) as error:
        ReIDModel.from_pretrained("hf:someone/other", revision="v2")
    assert ("HF_HUB_OFFLINE" in str(error.value)) is offline
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("name", ["hf:", "hf:name", "hf:a/b/c", "hf:../../etc/passwd", "hf:a/..", "hf:a b/c", "hf:/x"])
def test_what_is_no_name_on_the_hub_is_refused(cache, name):
    with pytest.raises(InputError, match=r"no name on the hub.*owner/name"):
        ReIDModel.from_pretrained(name)


def test_a_path_and_a_folder_are_taken_as_by_load(tmp_path):
    model().save(tmp_path / "model.safetensors")
    for source in (tmp_path, tmp_path / "model.safetensors", str(tmp_path)):
        assert ReIDModel.from_pretrained(source).revision is None
    with pytest.raises(InputError, match="`revision` is for models on the hub"):
        ReIDModel.from_pretrained(tmp_path, revision="main")


def test_a_folder_for_the_hub_holds_weights_configuration_and_card(tmp_path):
    saved = model()
    save_for_hub(saved, tmp_path / "push", card="---\nlicense: mit\n---\n# Card\n")
    assert sorted(file.name for file in (tmp_path / "push").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    said = json.loads((tmp_path / "push" / "config.json").read_text())
    assert (said["library_name"], said["backbone"], said["image_size"]) == ("strongreid", "resnet10_small", [64, 32])
    images = torch.randint(256, (1, 3, 64, 32), dtype=torch.uint8)
    assert torch.equal(ReIDModel.from_pretrained(tmp_path / "push").embed(images), saved.embed(images))
    with pytest.raises(InputError, match="exists already"):
        save_for_hub(saved, tmp_path / "push", card="")
