"""One process of a training, in float64, so that another number of processes differs by rounding alone."""

import os
from pathlib import Path

import torch
from lightning.fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor, nn

from strongreid import build
from strongreid.models.backbones import ActivatedBatchNorm
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.runs import test_sets
from strongreid.training.loop import fit
from strongreid.training.processes import gather, share, share_batch_statistics

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


def normalise_and_activate(out: Path) -> None:
    """Send a batch through a normalisation with an activation; write what comes of it to `out-RANK.safetensors`."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    fabric = Fabric(accelerator="cpu", devices=processes)
    fabric.launch()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), ActivatedBatchNorm(5, act_layer=nn.ReLU6), nn.Conv2d(5, 2, 1)).double()
    images = torch.randn(6, 3, 6, 4, dtype=torch.float64) * 4
    share_batch_statistics(network, fabric)
    module = fabric.setup_module(network)
    outputs = gather(module(images[share(len(images), fabric)]).flatten(1), fabric)
    fabric.backward((outputs * torch.linspace(-1, 1, outputs.shape[1], dtype=torch.float64)).square().sum())
    found = {f"gradient.{name}": weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    found |= {"outputs": outputs.detach(), **{f"buffer.{name}": value for name, value in network.named_buffers()}}
    save_file({name: value.contiguous() for name, value in found.items()}, f"{out}-{fabric.global_rank}.safetensors")
