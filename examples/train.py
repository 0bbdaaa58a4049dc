"""A training script of your own: your loss, your backbone, no configuration. It draws the people it learns from.

python examples/train.py NEW_FOLDER --epochs 10     # about two minutes on two cores
"""

import argparse
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strongreid import Embeddings, ReIDModel, embed, evaluate
from strongreid.data import ReIDData, load_benchmark
from strongreid.drawn import draw_people
from strongreid.losses import IdentityLoss, Objective, Term
from strongreid.training.images import TrainingImages
from strongreid.training.loop import Plan, fit

SIZE = (128, 64)


class CircleLoss(nn.Module):
    """Similar pairs of other people are pushed, dissimilar ones of the same person pulled (Sun et al. 2020)."""

    def forward(self, features: Tensor, person: Tensor, margin: float = 0.25, scale: float = 64) -> Tensor:
        cosine = F.normalize(features) @ F.normalize(features).T
        same = person[:, None] == person[None, :]
        positive, negative = cosine[same.triu(diagonal=1)], cosine[~same]
        pull = scale * (1 + margin - positive.detach()).relu() * (1 - margin - positive)
        push = scale * (negative.detach() + margin).relu() * (negative - margin)
        return F.softplus(push.logsumexp(0) + pull.logsumexp(0))


def mean_ap(model: ReIDModel, data: ReIDData) -> float:
    tables = (data.query, data.gallery)
    query, gallery = (Embeddings(embed(model, table.path), table.person, table.camera) for table in tables)
    return evaluate(query, gallery).mean_ap


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder, for people, log and checkpoints")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--people", type=int, default=100, help="people to learn from, and as many others to test on")
    options = parser.parse_args(words)

    people = draw_people(options.folder / "people", train_people=options.people, test_people=options.people)
    data = load_benchmark("market1501", people)
    images = TrainingImages.build(data.train, SIZE, options.folder / "packed", people_per_batch=8)

    torch.manual_seed(0)
    backbone = timm.create_model("resnet10t", num_classes=0, global_pool="", zero_init_last=False)
    model = ReIDModel(backbone=backbone, people=options.people, image_size=SIZE)
    objective = Objective(
        {
            "identity": Term(IdentityLoss(), on="logits"),
            "circle": Term(CircleLoss(), on="pooled", weight=0.1),
        }
    )

    before = mean_ap(model, data)
    fit(model, objective, images, Plan(epochs=options.epochs), folder=options.folder)
    print(f"mAP {100 * before:.1f} % untrained, {100 * mean_ap(model, data):.1f} % after {options.epochs} epochs")
    model.save(options.folder / "model.safetensors")  # ReIDModel.load(file, backbone=...) reads it


if __name__ == "__main__":
    main()
