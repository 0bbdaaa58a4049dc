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


def train(drawn: Path, out: Path) -> None:
    """Train for an epoch with all tricks; write weights, statistics and centers to `out / "RANK.safetensors"`."""
    overrides = (*SETTINGS, f"--data.root={drawn}", f"--output={out}")
    config = read_config(recipe_path("bag_of_tricks_small"), overrides)
    fabric = build.build_fabric(config)
    prepared = test_sets.prepare(config, Console(quiet=True))
    learner = build.build_learner(config, len(prepared.data.train.people), fabric)
    learner.model.double().register_forward_pre_hook(lambda module, images: (images[0].double(),))
    learner.objective.double()
    fabric.launch()
    fit(
        fabric,
        learner,
        build.build_training_images(config, prepared.data.train, prepared.train),
        build.build_plan(config),
        out,
        {},
        None,
        evaluate=dict,
        on_step=lambda report: None,
        warn=lambda text: None,
    )
    learned: dict[str, Tensor] = {**learner.model.state_dict(), **learner.objective.state_dict()}
    tensors = {name: tensor.contiguous() for name, tensor in learned.items()}
    save_file(tensors, out / f"{os.environ.get('RANK', '0')}.safetensors")
