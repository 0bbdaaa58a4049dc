"""Checkpoints: whole or not at all, and put back only into what they came from."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from strongreid import build
from strongreid.errors import InputError
from strongreid.models import weights
from strongreid.recipes import read_config, recipe_path
from strongreid.training.checkpoint import (
    Progress,
    newest_checkpoint,
    refuse_impossible,
    remove_older,
    restore_checkpoint,
    save_checkpoint,
)
from strongreid.training.learner import Learner


def learner(*overrides: str) -> Learner:
    config = read_config(recipe_path("bag_of_tricks_small"), ["--runtime.accelerator=cpu", *overrides])
    model = build.build_model(config, 4)
    objective = build.build_objective(config, 4, model.width)
    return Learner(build.build_fabric(config), model, objective, build.build_optimizers(config, model, objective))


def test_what_was_saved_is_restored(tmp_path: Path) -> None:
    saved, restored = learner(), learner("--seed=1")
    for one in (saved, restored):
        for parameter in one.optimizers[0].param_groups[0]["params"]:
            parameter.grad = torch.full_like(parameter, 0.1)
    saved.optimizers[0].step()
    saved.sums.add_(3)
    folder = save_checkpoint(tmp_path, saved, Progress(epoch=2, step=5, total_steps=9, log_bytes=7), {})
    progress = restore_checkpoint(folder, restored)
    assert progress == Progress(epoch=2, step=5, total_steps=9, log_bytes=7)
    saved.optimizers[0].step()
    restored.optimizers[0].step()
    learned = [{**one.model.state_dict(), **one.objective.state_dict(), "sums": one.sums} for one in (saved, restored)]
    assert all(learned[0][name].equal(learned[1][name]) for name in learned[0])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("--model.neck=none", "--evaluation.feature=pooled"), "another architecture"),
        (("--objective.center.weight=0",), "another objective"),
    ],
)
def test_a_checkpoint_of_another_network_or_objective_is_refused(
    tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    folder = save_checkpoint(tmp_path, learner(), Progress(), {})
    with pytest.raises(InputError, match=message) as caught:
        restore_checkpoint(folder, learner(*overrides))
    assert str(folder) in str(caught.value)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, learner(), Progress(), {})
    for name in ("training.safetensors", "model.safetensors", "state.json"):
        (folder / name).write_bytes(b"half")
        with pytest.raises(InputError, match=str(folder)):
            restore_checkpoint(folder, learner())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a tiny learner; copy it."""
    one = learner()
    for parameter in one.optimizers[0].param_groups[0]["params"]:
        parameter.grad = torch.full_like(parameter, 0.1)
    one.optimizers[0].step()
    return save_checkpoint(tmp_path_factory.mktemp("run") / "checkpoints", one, Progress(2, 5, 9, 7), {})


@pytest.fixture(scope="module")
def target() -> Learner:
    """What a damaged checkpoint is put into."""
    return learner()


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / saved.name))


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors"])
@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.999999])
def test_a_flipped_bit_in_the_weights_is_noticed(copied: Path, target: Learner, name: str, share: float) -> None:
    content = bytearray((copied / name).read_bytes())
    content[int(share * len(content))] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} is damaged"):
        restore_checkpoint(copied, target)


def test_a_file_of_another_checkpoint_is_noticed(copied: Path, target: Learner, tmp_path: Path) -> None:
    other = save_checkpoint(tmp_path / "other", target, Progress(1), {})
    for name in ("model.safetensors", "training.safetensors"):
        mine = (copied / name).read_bytes()
        (copied / name).write_bytes((other / name).read_bytes())
        with pytest.raises(InputError, match=f"damaged.*{name} is not the one that it was written with"):
            restore_checkpoint(copied, target)
        (copied / name).write_bytes(mine)
    assert restore_checkpoint(copied, target) == Progress(2, 5, 9, 7)


def test_a_checkpoint_of_another_objective_is_refused_by_the_names_of_its_terms(copied: Path, target: Learner) -> None:
    state = json.loads((copied / "state.json").read_text())
    assert state["objective"] == list(target.objective.names)
    other = learner("--objective.triplet.weight=0")
    with pytest.raises(InputError, match=r"another objective: its terms are .*'triplet'.*, these are "):
        restore_checkpoint(copied, other)
    del state["objective"]  # of an earlier version
    (copied / "state.json").write_text(json.dumps(state))
    assert restore_checkpoint(copied, target) == Progress(2, 5, 9, 7)


def test_a_checkpoint_from_before_checksums_is_restored(copied: Path, target: Learner) -> None:
    for name in ("model.safetensors", "training.safetensors"):
        with safe_open(copied / name, framework="pt") as stream:
            metadata = {key: value for key, value in stream.metadata().items() if key != weights.CHECKSUM_KEY}
        save_file(load_file(copied / name), copied / name, metadata=metadata)
    change_state(copied, sha256=None)
    assert restore_checkpoint(copied, target) == Progress(2, 5, 9, 7)


def change_state(checkpoint: Path, **values: object) -> None:
    """Change values of a checkpoint's state; None takes one out."""
    state = {**json.loads((checkpoint / "state.json").read_text()), **values}
    (checkpoint / "state.json").write_text(
        json.dumps({name: value for name, value in state.items() if value is not None})
    )


@pytest.mark.parametrize(
    "values",
    [
        {"epoch": 999},
        {"epoch": 1},
        {"step": 6},
        {"epoch": -1},
        {"epoch": True},
        {"epoch": 2.0},
        {"step": "5"},
        {"total_steps": None},
        {"log_bytes": -7},
        {"seconds": "long"},
        {"seconds": -(10**400)},
        {"seconds": [1]},
        {"metrics": None},
        {"metrics": []},
        {"metrics": {"mean_ap": "much"}},
        {"metrics": {"mean_ap": True}},
        {"sha256": {}},
        {"sha256": None},
        {"sha256": []},
    ],
)
def test_a_state_that_claims_what_cannot_be_is_damaged(
    copied: Path, target: Learner, values: dict[str, object]
) -> None:
    change_state(copied, **values)
    with pytest.raises(InputError, match="is damaged"):
        restore_checkpoint(copied, target)


def test_claims_are_held_against_the_plan() -> None:
    lengths = {1: 4, 2: 5, 3: 4}

    def refuse(progress: Progress) -> None:
        refuse_impossible(Path("epoch"), progress, 3, lengths.__getitem__)

    for sound in (Progress(1), Progress(1, 4, 4), Progress(2, 0, 4), Progress(3, 2, 11), Progress(4, 0, 13)):
        refuse(sound)
    for wrong in (Progress(0), Progress(5, 0, 13), Progress(999), Progress(10**30), Progress(1, 5, 5)):
        with pytest.raises(InputError, match="claims"):
            refuse(wrong)
    for wrong in (Progress(4, 1, 14), Progress(2, 0, 5), Progress(2, 0, 0), Progress(3, 2, 10**20)):
        with pytest.raises(InputError, match="claims"):
            refuse(wrong)


def test_the_older_checkpoint_goes_only_when_the_newer_one_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Learner
) -> None:
    folder = tmp_path / "checkpoints"
    before = save_checkpoint(folder, target, Progress(1), {})
    flushed: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        assert before.exists()
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    after = save_checkpoint(folder, target, Progress(2), {})
    assert {"model.safetensors", "training.safetensors", "state.json"} <= set(flushed)
    assert flushed[-1] == "checkpoints"
    assert list(folder.iterdir()) == [after]


def test_checkpoints_are_ordered_by_number_and_only_folders_of_that_name_are_some(
    tmp_path: Path, target: Learner
) -> None:
    real = save_checkpoint(tmp_path, target, Progress(10_000, 100_000), {})
    for name in ("epoch-9999-step-00000", "epoch-10000-step-99999"):
        (tmp_path / name).mkdir()
    (tmp_path / "epoch-20000-step-00000").write_text("a file")
    (tmp_path / "epoch-20000-step-00000.bak").mkdir()
    assert newest_checkpoint(tmp_path) == real
    remove_older(real)
    assert {path.name for path in tmp_path.iterdir()} == {
        real.name,
        "epoch-20000-step-00000",
        "epoch-20000-step-00000.bak",
    }


def test_a_link_in_place_of_the_checkpoints_is_not_followed(tmp_path: Path, target: Learner) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="checkpoints is a link"):
        save_checkpoint(tmp_path / "run" / "checkpoints", target, Progress(), {})
    assert list((tmp_path / "outside").iterdir()) == []


def test_permission_denied_is_not_called_damage(
    copied: Path, target: Learner, as_nobody: Callable[[Path], AbstractContextManager[None]]
) -> None:
    (copied / "training.safetensors").chmod(0)
    with as_nobody(copied), pytest.raises(InputError, match=r"training\.safetensors cannot be read: permission denied"):
        restore_checkpoint(copied, target)


def test_on_a_full_disk_the_checkpoint_before_stays_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning = learner()
    before = save_checkpoint(tmp_path, learning, Progress(epoch=1), {})

    def fill_up(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(weights, "save_file", fill_up)
    with pytest.raises(InputError, match="No space left on device"):
        save_checkpoint(tmp_path, learning, Progress(epoch=2), {})
    assert list(tmp_path.iterdir()) == [before]
    assert newest_checkpoint(tmp_path) == before
