"""Why a network from ImageNet first loses what it knows, and what keeps it: mAP on held-out people, epoch by epoch.

    python benchmarks/from_imagenet.py CUHK01 --weights tf_efficientnet_lite0.safetensors

EfficientNet-Lite0 at 128 x 64 learns from 200 people of CUHK01's training part; 100 others of that part, whom no loss
sees, are searched for after each epoch (images of the lowest camera in those of the other). The set's test people take
no part. Each way is the standard baseline with one thing changed; all start from the same weights and see the same
batches. Epoch 0 is the network as it comes from ImageNet.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim import Adam

from strongreid import Embeddings, ReIDModel, embed, evaluate
from strongreid.data import Augmentation, ImageTable, load_benchmark
from strongreid.losses import BatchHardTripletLoss, IdentityLoss, Objective, Term, pairwise_euclidean
from strongreid.training.images import TrainingImages
from strongreid.training.loop import Plan, fit
from strongreid.training.schedule import warmup_multistep

Parts = tuple[ImageTable, ImageTable, ImageTable]
SIZE, LEARN, HELD_OUT, RATE = (128, 64), 200, 100, 3.5e-4


@dataclass(frozen=True)
class Way:
    rate: float = RATE
    warmup_epochs: int = 0
    frozen_epochs: int = 0
    """Epochs in which the classifier alone learns."""
    frozen_statistics: bool = False
    """BatchNorm goes on with ImageNet's statistics."""
    terms: tuple[str, ...] = ("identity", "triplet")
    triplet_weight: float = 1.0
    neck: str = "none"
    feature_scale: float = 1.0
    """What the last BatchNorm's weight and bias are multiplied with."""


WAYS = {
    "standard baseline": Way(),
    "warm-up over 10 epochs": Way(warmup_epochs=10),
    "a tenth of the rate": Way(rate=RATE / 10),
    "ten times the rate": Way(rate=RATE * 10),
    "classifier alone for 2 epochs": Way(frozen_epochs=2),
    "BatchNorm's statistics kept": Way(frozen_statistics=True),
    "BatchNorm's statistics kept, warm-up over 10 epochs": Way(frozen_statistics=True, warmup_epochs=10),
    "features a hundredth as long": Way(feature_scale=0.01),
    "identity loss alone": Way(terms=("identity",)),
    "triplet loss alone": Way(terms=("triplet",)),
    "triplet loss x 0.1": Way(triplet_weight=0.1),
    "BNNeck": Way(neck="bnneck"),
    "BNNeck, warm-up over 10 epochs": Way(neck="bnneck", warmup_epochs=10),
    "BNNeck, ten times the rate": Way(neck="bnneck", rate=RATE * 10),
}


def split(train: ImageTable) -> Parts:
    """Images to learn from, and query and gallery of the people held out."""
    people = np.random.default_rng(0).permutation(train.people)
    learn, held_out = (
        train.select(np.isin(train.person, some)) for some in (people[:LEARN], people[LEARN:][:HELD_OUT])
    )
    first = held_out.camera == held_out.cameras[0]
    return learn, held_out.select(first), held_out.select(~first)


def embedded(model: ReIDModel, table: ImageTable) -> Embeddings:
    return Embeddings(embed(model, table.path), table.person, table.camera)


def trained(way: Way, given: argparse.Namespace, parts: Parts, folder: Path) -> list[float]:
    """Train one way; return mAP, 0..1, before it and after each epoch."""
    learn, query, gallery = parts
    torch.manual_seed(0)
    model = ReIDModel(
        backbone="tf_efficientnet_lite0",
        people=LEARN,
        last_stride=2,
        neck=way.neck,
        image_size=SIZE,
        feature="necked" if way.neck == "bnneck" else "pooled",
        weights=given.weights,
    )
    losses = {
        "identity": Term(IdentityLoss(0.0), on="logits"),
        "triplet": Term(BatchHardTripletLoss(), on="pooled", weight=way.triplet_weight),
    }
    objective = Objective({name: losses[name] for name in way.terms})
    images = TrainingImages.build(learn, SIZE, folder, augmentation=Augmentation(padding=5, erase_probability=0))
    curve: list[float] = []

    def measure(epoch: int = 0) -> dict[str, float]:
        curve.append(evaluate(embedded(model, query), embedded(model, gallery)).mean_ap)
        model.train()
        return {}

    def learn_for(epochs: int, parameters: list[nn.Parameter], rate: Callable[[int, float], float]) -> None:
        optimizer = Adam(parameters, lr=RATE, weight_decay=5e-4, fused=True)
        fit(model, objective, images, Plan(epochs, rate, evaluate_every=1), optimizers=[optimizer], evaluate=measure)
        measure()  # the last epoch's, which `fit` leaves to its caller

    last = [module for module in model.backbone.modules() if isinstance(module, nn.BatchNorm2d)][-1]
    with torch.no_grad():
        last.weight.mul_(way.feature_scale)
        last.bias.mul_(way.feature_scale)
    measure()
    if way.frozen_statistics:
        for module in model.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
                module.train = lambda mode=True, module=module: module  # type: ignore[method-assign]
    if way.frozen_epochs:
        for parameter in model.backbone.parameters():
            parameter.requires_grad_(False)
        learn_for(way.frozen_epochs, list(model.classifier.parameters()), lambda epoch, part: RATE)
        for parameter in model.backbone.parameters():
            parameter.requires_grad_(True)
    learn_for(
        given.epochs - way.frozen_epochs,
        list(model.parameters()),
        lambda epoch, part: warmup_multistep(epoch, way.rate, way.warmup_epochs, (10_000,)),
    )
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the folder of CUHK01")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of EfficientNet-Lite0")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--ways", choices=WAYS, nargs="+", default=list(WAYS))
    given = parser.parse_args()
    parts = split(load_benchmark("cuhk01", given.root).train)
    model = ReIDModel(backbone="tf_efficientnet_lite0", people=2, last_stride=2, image_size=SIZE, weights=given.weights)
    features = embedded(model, parts[1]).features
    apart = pairwise_euclidean(features, features)[~torch.eye(len(features), dtype=torch.bool)].mean()
    print(
        f"Features from ImageNet are {features.norm(dim=1).mean():.1f} long and {apart:.1f} apart; the margin is 0.3."
    )
    print(f"| | {' | '.join(map(str, range(given.epochs + 1)))} |\n|---|{'---|' * (given.epochs + 1)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.ways:
            curve = trained(WAYS[name], given, parts, Path(folder))
            print(f"| {name} | {' | '.join(f'{100 * value:.1f}' for value in curve)} |", flush=True)


if __name__ == "__main__":
    main()
