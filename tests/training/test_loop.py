"""The loop: it learns, names the images of a loss that is not finite, and Ctrl-C stops it after the step or at once."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.optim import Optimizer

from strongreid import build
from strongreid.config import Config
from strongreid.errors import InputError
from strongreid.losses import CenterLoss, Objective
from strongreid.models import ReIDModel, weights
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.runs import test_sets
from strongreid.training.log import read_log
from strongreid.training.loop import StepReport, fit
from strongreid.training.schedule import warmup_multistep
from tests.conftest import SMALL

PARTS = ["--data.name=market1501", "--runtime.accelerator=cpu", *SMALL]


def parts(config: Config, people: int) -> tuple[ReIDModel, Objective, list[Optimizer]]:
    """What is trained, as a configuration says."""
    model = build.build_model(config, people)
    objective = build.build_objective(config, people, model.width)
    return model, objective, build.build_optimizers(config, model, objective)


def test_a_loss_that_is_not_finite_stops_with_the_images_names(drawn: Path, tmp_path: Path) -> None:
    config = read_config(
        recipe_path("standard_baseline_small"),
        [*PARTS, "--schedule.warmup_epochs=0", f"--data.root={drawn}", f"--output={tmp_path}"],
    )
    prepared = test_sets.prepare(config, Console(quiet=True))
    fabric = build.build_fabric(config)
    model, objective, optimizers = parts(config, len(prepared.data.train.people))
    images = build.build_training_images(config, prepared.data.train, prepared.train)
    steps = 0

    def poison(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return output * torch.nan if steps == 2 else output

    model.backbone.register_forward_hook(poison)
    images.sampler.set_epoch(1)
    second = list(images.sampler)[1]
    with pytest.raises(InputError, match="epoch 1, step 2") as caught:
        fit(
            model,
            objective,
            images,
            build.build_plan(config),
            optimizers=optimizers,
            fabric=fabric,
            folder=tmp_path,
        )
    named = str(caught.value).split("The images of that batch: ")[1].removesuffix(".").split(", ")
    assert named == [prepared.data.train.path[row] for row in second]
    assert not (tmp_path / "checkpoints").exists()


def test_training_lowers_the_loss_and_centers_follow_their_own_rate(drawn: Path, tmp_path: Path) -> None:
    config = read_config(recipe_path("bag_of_tricks_small"), [*PARTS, f"--data.root={drawn}", f"--output={tmp_path}"])
    prepared = test_sets.prepare(config, Console(quiet=True))
    fabric = build.build_fabric(config)
    model, objective, optimizers = parts(config, len(prepared.data.train.people))
    adam, center_sgd = optimizers
    assert center_sgd.param_groups[0]["lr"] == 0.5
    center = objective.losses["center"]
    assert isinstance(center, CenterLoss)
    before = center.centers.detach().clone()
    seen: list[float] = []
    images = build.build_training_images(config, prepared.data.train, prepared.train)
    fit(
        model,
        objective,
        images,
        build.build_plan(config),
        optimizers=optimizers,
        fabric=fabric,
        folder=tmp_path,
        on_step=lambda report: seen.append(report.values.get("center", float("nan"))),
    )
    assert seen[-1] < 0.5 * seen[1]
    assert not center.centers.equal(before)
    assert center_sgd.param_groups[0]["lr"] == 0.5
    assert adam.param_groups[0]["lr"] == pytest.approx(warmup_multistep(3, config.schedule.base_rate, 2, (2,)))


def test_a_training_shorter_than_the_log_s_interval_has_a_line_of_means_at_each_epoch_s_end(
    drawn: Path, tmp_path: Path
) -> None:
    more = ["--runtime.log_every=1000", f"--data.root={drawn}", f"--output={tmp_path}"]
    config = read_config(recipe_path("standard_baseline_small"), [*PARTS, *more])
    prepared = test_sets.prepare(config, Console(quiet=True))
    people = len(prepared.data.train.people)
    images = build.build_training_images(config, prepared.data.train, prepared.train)
    weights = []
    for number, every in enumerate((1000, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        model, objective, optimizers = parts(config, people)
        plan = replace(build.build_plan(config), log_every=every)
        fit(model, objective, images, plan, optimizers=optimizers, fabric=build.build_fabric(config), folder=folder)
        weights.append(model.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    sparse, dense = (read_log(tmp_path / name) for name in "01")
    assert [line["epoch"] for line in sparse] == [1, 2, 3]
    for line in sparse:
        steps = [one for one in dense if one["epoch"] == line["epoch"]]
        assert len(steps) > 1
        for name in ("total", "identity", "triplet"):
            assert line[name] == pytest.approx(sum(one[name] for one in steps) / len(steps), rel=1e-5)


def test_a_second_interrupt_does_not_wait_and_leaves_nothing_half_written(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_config(recipe_path("bag_of_tricks_small"), [*PARTS, f"--data.root={drawn}", f"--output={tmp_path}"])
    prepared = test_sets.prepare(config, Console(quiet=True))
    fabric = build.build_fabric(config)
    model, objective, optimizers = parts(config, len(prepared.data.train.people))
    handler = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell that runs the tests ignores
    done = 0

    def first(report: StepReport) -> None:
        nonlocal done
        done += 1
        if done == 2:
            signal.raise_signal(signal.SIGINT)

    def second(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(weights, "save_file", second)
    with pytest.raises(KeyboardInterrupt):
        fit(
            model,
            objective,
            build.build_training_images(config, prepared.data.train, prepared.train),
            build.build_plan(config),
            optimizers=optimizers,
            fabric=fabric,
            folder=tmp_path,
            on_step=first,
        )
    assert done == 3  # the first one let the step in progress end
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, handler)
