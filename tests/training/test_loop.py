"""The loop: it learns, names the images of a loss that is not finite, and Ctrl-C stops it after the step or at once."""

import signal
from pathlib import Path

import pytest
import torch

from strongreid import build
from strongreid.errors import InputError
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.runs import test_sets
from strongreid.training import checkpoint
from strongreid.training.learner import Learner
from strongreid.training.loop import StepReport, fit
from tests.conftest import SMALL

PARTS = ["--data.name=market1501", "--runtime.accelerator=cpu", *SMALL]


def test_a_loss_that_is_not_finite_stops_with_the_images_names(drawn: Path, tmp_path: Path) -> None:
    config = read_config(
        recipe_path("standard_baseline_small"),
        [*PARTS, "--schedule.warmup_epochs=0", f"--data.root={drawn}", f"--output={tmp_path}"],
    )
    prepared = test_sets.prepare(config, Console(quiet=True))
    fabric = build.build_fabric(config)
    learner = build.build_learner(config, len(prepared.data.train.people), fabric)
    images = build.build_training_images(config, prepared.data.train, prepared.train)
    steps = 0

    def poison(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return output * torch.nan if steps == 2 else output

    learner.model.backbone.register_forward_hook(poison)
    images.sampler.set_epoch(1)
    second = list(images.sampler)[1]
    with pytest.raises(InputError, match="epoch 1, step 2") as caught:
        fit(
            fabric,
            learner,
            images,
            build.build_plan(config),
            tmp_path,
            {},
            None,
            evaluate=dict,
            on_step=lambda report: None,
        )
    named = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert named == [prepared.data.train.path[row] for row in second]
    assert not (tmp_path / "checkpoints").exists()


def test_training_lowers_the_loss_and_centers_follow_their_own_rate(drawn: Path, tmp_path: Path) -> None:
    config = read_config(recipe_path("bag_of_tricks_small"), [*PARTS, f"--data.root={drawn}", f"--output={tmp_path}"])
    prepared = test_sets.prepare(config, Console(quiet=True))
    fabric = build.build_fabric(config)
    learner: Learner = build.build_learner(config, len(prepared.data.train.people), fabric)
    assert learner.center_optimizer is not None
    assert learner.center_optimizer.param_groups[0]["lr"] == 0.5
    assert learner.objective.center is not None
    before = learner.objective.center.centers.detach().clone()
    seen: list[float] = []
    images = build.build_training_images(config, prepared.data.train, prepared.train)
    fit(
        fabric,
        learner,
        images,
        build.build_plan(config),
        tmp_path,
        {},
        None,
        evaluate=dict,
        on_step=lambda report: seen.append(report.values.get("center", float("nan"))),
    )
    assert seen[-1] < 0.5 * seen[1]
    assert not learner.objective.center.centers.equal(before)
    assert learner.center_optimizer.param_groups[0]["lr"] == 0.5
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(build.build_plan(config).rate(3))


def test_a_second_interrupt_does_not_wait_and_leaves_nothing_half_written(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_config(recipe_path("bag_of_tricks_small"), [*PARTS, f"--data.root={drawn}", f"--output={tmp_path}"])
    prepared = test_sets.prepare(config, Console(quiet=True))
    fabric = build.build_fabric(config)
    learner = build.build_learner(config, len(prepared.data.train.people), fabric)
    handler = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell that runs the tests ignores
    done = 0

    def first(report: StepReport) -> None:
        nonlocal done
        done += 1
        if done == 2:
            signal.raise_signal(signal.SIGINT)

    def second(tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(checkpoint, "save_file", second)
    with pytest.raises(KeyboardInterrupt):
        fit(
            fabric,
            learner,
            build.build_training_images(config, prepared.data.train, prepared.train),
            build.build_plan(config),
            tmp_path,
            {},
            None,
            evaluate=dict,
            on_step=first,
        )
    assert done == 3  # the first one let the step in progress end
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, handler)
