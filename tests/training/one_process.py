"""One process of a training, in float64, so that another number of processes differs by rounding alone."""

import os
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from strongreid import build
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.runs import test_sets
from strongreid.training.loop import fit

SETTINGS = (
    "--runtime.accelerator=cpu",
    "--runtime.log_every=1",
    "--model.image_size=[64,32]",
    # Two processes hold 3 images each: the second person's images lie in both.
    "--batch.people_per_batch=3",
    "--batch.images_per_person=2",
    "--schedule.epochs=1",
    "--schedule.warmup_epochs=0",
    "--schedule.milestones=[]",
)


def train(drawn: Path, out: Path, *changes: str) -> None:
    """Train for an epoch with all tricks; write weights, statistics and centers to `out / "RANK.safetensors"`."""
    overrides = (*SETTINGS, *changes, f"--data.root={drawn}", f"--output={out}")
    config = read_config(recipe_path("bag_of_tricks_small"), overrides)
    fabric = build.build_fabric(config)
    prepared = test_sets.prepare(config, Console(quiet=True))
    people = len(prepared.data.train.people)
    model = build.build_model(config, people, fabric)
    objective = build.build_objective(config, people, model.width).double()
    model.double().register_forward_pre_hook(lambda module, images: (images[0].double(),))
    fabric.launch()
    fit(
        model,
        objective,
        build.build_training_images(config, prepared.data.train, prepared.train),
        build.build_plan(config),
        optimizers=build.build_optimizers(config, model, objective),
        fabric=fabric,
        folder=out,
        warn=lambda text: None,
    )
    learned: dict[str, Tensor] = {**model.state_dict(), **objective.state_dict()}
    tensors = {name: tensor.contiguous() for name, tensor in learned.items()}
    save_file(tensors, out / f"{os.environ.get('RANK', '0')}.safetensors")
