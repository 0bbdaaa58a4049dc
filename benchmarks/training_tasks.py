"""One case of the training benchmark, in a process of its own; `training.py` starts it and says what is measured.

Prints one JSON line: seconds a step of each way, round by round, and the images in a batch.
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim import Adam
from torch.utils.data import DataLoader

from input_rate import Files
from strongreid import ReIDModel
from strongreid.data import PKBatchSampler, load_benchmark
from strongreid.drawn import draw_people
from strongreid.losses import BatchHardTripletLoss, CenterLoss, IdentityLoss, Objective, Term
from strongreid.training.images import TrainingImages
from strongreid.training.loop import Plan, StepReport, fit
from strongreid.training.optimizer import paper_optimizers

PEOPLE = 100


class Batches:
    """P x K batches without end, epoch after epoch, as a DataLoader takes them."""

    def __init__(self, images: TrainingImages) -> None:
        self.sampler = PKBatchSampler(images.table.person, 16, 4, seed=0)

    def __iter__(self) -> Iterator[list[int]]:
        for epoch in range(1, 10_000):
            self.sampler.set_epoch(epoch)
            yield from (rows.tolist() for rows in self.sampler)


class Case:
    """A network with its losses and images; each method takes `steps` steps and returns the seconds of one."""

    def __init__(self, name: str, size: tuple[int, int], channels_last: bool, folder: Path) -> None:
        people = draw_people(folder / "people", train_people=PEOPLE, test_people=2, distractors=0, junk=0)
        table = load_benchmark("market1501", people).train
        self.images = TrainingImages.build(table, size, folder / "packed")
        self.folder, self.size, self.name = folder, size, name
        self.order = torch.channels_last if channels_last else torch.contiguous_format
        self.batch = torch.randn(64, 3, *size).contiguous(memory_format=self.order)
        self.person = torch.arange(64) // 4
        self.loader = iter(DataLoader(Files(table, size), batch_sampler=Batches(self.images), num_workers=2))
        self.rounds = 0

    def model(self) -> ReIDModel:
        torch.manual_seed(0)
        stride = 1 if self.name.startswith("resnet") else 2
        model = ReIDModel(backbone=self.name, people=PEOPLE, last_stride=stride, image_size=self.size)
        return model.to(memory_format=self.order).train()

    def objective(self, model: ReIDModel) -> Objective:
        return Objective(
            {
                "identity": Term(IdentityLoss(), on="logits"),
                "triplet": Term(BatchHardTripletLoss(), on="pooled"),
                "center": Term(CenterLoss(PEOPLE, model.width), on="pooled"),
            }
        )

    def bare(self, model: ReIDModel, optimizer: torch.optim.Optimizer | None = None) -> Callable[[int], float]:
        def step() -> None:
            model.zero_grad()
            model(self.batch).logits.square().mean().backward()
            if optimizer is not None:
                optimizer.step()

        return lambda steps: seconds_of(step, steps)

    def with_losses(self) -> Callable[[int], float]:
        model = self.model()
        objective = self.objective(model)
        optimizers = paper_optimizers(model, objective)

        def step(batch: Tensor = self.batch, person: Tensor = self.person) -> None:
            for optimizer in optimizers:
                optimizer.zero_grad()
            objective(model(batch)._asdict(), person)[0].backward()
            for optimizer in optimizers:
                optimizer.step()

        self.step = step
        return lambda steps: seconds_of(step, steps)

    def dataloader_loop(self, steps: int) -> float:
        batches = islice(self.loader, steps)
        started = time.perf_counter()
        for pixels, person in batches:
            self.step(pixels.contiguous(memory_format=self.order), person_of(person))
        return (time.perf_counter() - started) / steps

    def whole_loop(self, precision: Literal["32-true", "bf16-mixed"] = "32-true") -> Callable[[int], float]:
        model = self.model()
        fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
        objective = self.objective(model)
        optimizers = paper_optimizers(model, objective)

        def run(steps: int) -> float:
            self.rounds += 1
            times: list[float] = []

            def on_step(report: StepReport) -> None:
                times.append(time.perf_counter())
                if len(times) > steps:
                    raise EnoughError

            with contextlib.suppress(EnoughError):
                fit(
                    model,
                    objective,
                    self.images,
                    Plan(epochs=100, checkpoint_every=1000),
                    optimizers=optimizers,
                    fabric=fabric,
                    folder=self.folder / f"run{self.rounds}",
                    on_step=on_step,
                )
            return (times[-1] - times[0]) / steps

        return run

    def input(self, steps: int) -> float:
        batches, batch = cycle([np.arange(start, start + 64) for start in range(0, 640, 64)]), None
        started = time.perf_counter()
        for step, rows in enumerate(islice(batches, steps)):
            draws = self.images.augmentation.draw(64, self.size, seed=0, epoch=1, step=step)
            batch = self.images.augmentation.apply(self.images.packed[rows], draws, out=batch)
        return (time.perf_counter() - started) / steps


class EnoughError(Exception):
    """As many steps as were asked for."""


def person_of(person: Tensor) -> Tensor:
    """Class indices of a batch's people."""
    return torch.unique(person, return_inverse=True)[1]


def seconds_of(step: Callable[[], None], steps: int) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - started) / steps


def ways(case: Case, compiled: bool) -> dict[str, Callable[[int], float]]:
    found = {"forward + backward": case.bare(case.model())}
    kinds = {"Adam": {"fused": True}, "Adam, foreach": {"foreach": True}, "Adam, for-loop": {"foreach": False}}
    for name, kind in kinds.items():
        model = case.model()
        found[f"forward + backward + {name}"] = case.bare(model, Adam(model.parameters(), weight_decay=5e-4, **kind))
    found |= {
        "+ losses": case.with_losses(),
        "whole loop": case.whole_loop(),
        "whole loop, bfloat16": case.whole_loop("bf16-mixed"),
        "DataLoader loop": case.dataloader_loop,
        "input": case.input,
    }
    if compiled:
        model = case.model()
        model.compile()
        found["compiled"] = case.bare(model, Adam(model.parameters(), weight_decay=5e-4, fused=True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network")
    parser.add_argument("threads", type=int)
    parser.add_argument("order")
    for name in ("height", "width", "steps", "rounds"):
        parser.add_argument(name, type=int)
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        size = (given.height, given.width)
        case = Case(given.network, size, given.order == "channels_last", Path(folder))
        found = ways(case, given.compile)
        for way in found.values():
            way(2)
        seconds: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(given.rounds):
            for name, way in found.items():
                seconds[name].append(way(given.steps))
    print(json.dumps({"images": 64, "threads": torch.get_num_threads(), "seconds": seconds}))


if __name__ == "__main__":
    main()
