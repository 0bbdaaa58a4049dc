"""Averaged weights, the best epoch and a frozen backbone: recomputed by plain loops, and the same after a stop."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from torch import nn

from strongreid.data import load_benchmark
from strongreid.errors import InputError
from strongreid.losses import BatchHardTripletLoss, IdentityLoss, Objective, Term
from strongreid.models import ReIDModel
from strongreid.training.averaging import AveragedWeights
from strongreid.training.best_epoch import BestEpoch
from strongreid.training.images import TrainingImages
from strongreid.training.learner import Learner
from strongreid.training.loop import Plan, StepReport, fit

SIZE = (64, 32)


@pytest.fixture(scope="module")
def images(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingImages:
    table = load_benchmark("market1501", drawn).train
    return TrainingImages.build(table, SIZE, tmp_path_factory.mktemp("packed"), people_per_batch=4, images_per_person=2)


def network(seed: int = 0, people: int = 10) -> ReIDModel:
    torch.manual_seed(seed)
    return ReIDModel(backbone="resnet10_small", people=people, image_size=SIZE)


def losses() -> Objective:
    identity, triplet = Term(IdentityLoss(), on="logits"), Term(BatchHardTripletLoss(), on="pooled")
    return Objective({"identity": identity, "triplet": triplet})


def test_the_average_is_the_one_of_plain_loops() -> None:
    model, decay = network(people=3), 0.7
    averaged = AveragedWeights(model, decay)
    rng = np.random.default_rng(0)
    expected: dict[str, np.ndarray] = {}
    for step in range(5):
        with torch.no_grad():
            for value in (*model.parameters(), *model.buffers()):
                if value.is_floating_point():
                    value.copy_(torch.from_numpy(rng.normal(size=tuple(value.shape))))
        averaged()
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                now = value.double().numpy()
                expected[name] = now if step == 0 else decay * expected[name] + (1 - decay) * now
    found = averaged.model.state_dict()
    assert expected.keys() <= found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].double().numpy(), value, rtol=1e-5, atol=1e-6)
    assert not any(name.startswith("_of") for name in averaged.state_dict())
    assert not any(parameter.requires_grad for parameter in averaged.parameters())


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_decay_is_refused(decay: float) -> None:
    with pytest.raises(InputError, match="`decay`"):
        AveragedWeights(network(people=2), decay)


def test_the_best_epoch_is_the_earlier_of_two_equals() -> None:
    model = network(people=2)
    figures = iter([0.3, 0.5, 0.5, 0.4])
    best = BestEpoch(model, lambda: {"mean_ap": next(figures)})
    kept = []
    for epoch in range(1, 5):
        with torch.no_grad():
            model.classifier.weight.fill_(epoch)
        assert best(epoch) == {"mean_ap": {1: 0.3, 2: 0.5, 3: 0.5, 4: 0.4}[epoch]}
        kept.append((int(best.epoch), float(best.model.classifier.weight[0, 0])))
    assert kept == [(1, 1), (2, 2), (2, 2), (2, 2)]
    assert float(model.classifier.weight[0, 0].detach()) == 4


class Whole:
    """A training with all of it; the same again each time."""

    def __init__(self) -> None:
        self.model, self.objective = network(), losses()
        self.averaged = AveragedWeights(self.model, 0.8)
        self.best = BestEpoch(self.averaged.model, self.measure)
        self.measured: list[float] = []

    def measure(self) -> Mapping[str, float]:
        self.measured.append(float(self.averaged.model.classifier.weight.detach().abs().mean()))
        return {"mean_ap": -self.measured[-1]}  # grows from epoch to epoch, so the first is the best

    def fit(self, images: TrainingImages, folder: Path, resume: Path | None = None, stop: int = 0) -> None:
        def on_step(report: StepReport) -> None:
            if stop and (report.epoch, report.step) == (stop, report.steps):
                raise KeyboardInterrupt

        fit(
            self.model,
            self.objective,
            images,
            Plan(epochs=3, log_every=1, evaluate_every=1, evaluate_last=True, frozen_epochs=1),
            after_step=[self.averaged],
            evaluate=self.best,
            folder=folder,
            resume=resume,
            on_step=on_step,
        )

    def learned(self) -> dict[str, torch.Tensor]:
        parts = {"model": self.model, "averaged": self.averaged, "best": self.best}
        return {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}


def test_a_training_that_was_killed_goes_on_to_the_same_bits(images: TrainingImages, tmp_path: Path) -> None:
    whole, killed, resumed = Whole(), Whole(), Whole()
    whole.fit(images, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        killed.fit(images, tmp_path / "killed", stop=3)
    (checkpoint,) = (tmp_path / "killed" / "checkpoints").iterdir()
    resumed.fit(images, tmp_path / "killed", resume=checkpoint)
    expected, found = whole.learned(), resumed.learned()
    assert found.keys() == expected.keys()
    assert [name for name in expected if not found[name].equal(expected[name])] == []
    assert len(whole.measured) == 3
    assert int(whole.best.epoch) == 1 + int(np.argmin(whole.measured))


def test_a_frozen_backbone_keeps_its_weights_and_statistics_and_then_learns(images: TrainingImages) -> None:
    model = network()
    first = {name: value.clone() for name, value in model.state_dict().items()}
    seen: dict[int, set[str]] = {}

    def on_step(report: StepReport) -> None:
        if report.step == report.steps:
            seen[report.epoch] = {name for name, value in model.state_dict().items() if not value.equal(first[name])}

    fit(model, losses(), images, Plan(epochs=2, frozen_epochs=1), on_step=on_step)
    assert all(not name.startswith("backbone.") for name in seen[1])
    assert "classifier.weight" in seen[1]
    assert {name for name in seen[2] if name.startswith("backbone.")} >= {
        name for name, _ in model.backbone.named_parameters(prefix="backbone")
    }
    assert all(parameter.requires_grad for parameter in model.backbone.parameters())


def test_what_was_never_learned_stays_so_when_the_backbone_thaws() -> None:
    model = network(people=3)
    model.backbone.get_parameter("conv1.0.weight").requires_grad_(False)
    learner = Learner(Fabric(accelerator="cpu"), model, losses(), [torch.optim.SGD(model.parameters(), lr=0.1)])
    learner.begin_epoch(frozen=True)
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())
    assert not any(norm.training for norm in model.backbone.modules() if isinstance(norm, nn.BatchNorm2d))
    learner.begin_epoch(frozen=False)
    assert [name for name, one in model.backbone.named_parameters() if not one.requires_grad] == ["conv1.0.weight"]
    assert all(norm.training for norm in model.backbone.modules())
