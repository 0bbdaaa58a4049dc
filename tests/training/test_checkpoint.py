"""Checkpoints: whole or not at all, and put back only into what they came from."""

import errno
import os
from pathlib import Path

import pytest
import torch

from strongreid import build
from strongreid.errors import InputError
from strongreid.models import weights
from strongreid.recipes import read_config, recipe_path
from strongreid.training.checkpoint import Progress, newest_checkpoint, restore_checkpoint, save_checkpoint
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
        (("--objective.center.weight=0",), "config.yaml was changed"),
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
