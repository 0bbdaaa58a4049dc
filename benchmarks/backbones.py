"""Every family of backbones in numbers: parameters, operations, and images a second on this machine's CPU.

    python benchmarks/backbones.py [NAME ...] [--size 256 128] [--batch 16] [--rounds 5] [--write docs/backbones.md]

Networks are built from random weights, with last stride 1 where the family has a rule for it; OSNet's numbers are of
the stride as published, which gives 16 x 8 cells already. Parameters are the backbone's alone. Operations are those of
one image's way through it, a multiplication and the addition after it counted as ONE, as in most papers: half of what
`torch.utils.flop_counter` says. Images a second are of `ReIDModel.embed` on images of the right size, channels last, in
float32: networks take turns, the median of the rounds counts, and so does the number of threads (OMP_NUM_THREADS). A
busy machine says nothing; --rounds 0 leaves the column empty.

--write puts the table between the marks of the page.
"""

import argparse
import platform
import re
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch.utils.flop_counter import FlopCounterMode

from strongreid.errors import InputError
from strongreid.models import ReIDModel

NETWORKS = (
    "resnet10_small",
    "resnet18",
    "resnet50",
    "resnet101",
    "legacy_seresnet50",
    "resnet50_ibn_a",
    "resnet101_ibn_a",
    "osnet_x0_25",
    "osnet_x0_5",
    "osnet_x0_75",
    "osnet_x1_0",
    "osnet_ibn_x1_0",
    "osnet_ain_x1_0",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "tf_efficientnet_lite0",
    "efficientnet_b0",
    "convnext_atto",
    "convnext_tiny",
    "vit_tiny_patch16_224",
    "vit_base_patch16_224",
    "deit_small_patch16_224",
    "vit_small_patch14_dinov2",
    "swin_tiny_patch4_window7_224",
)
TRAINED = ("resnet10_small", "tf_efficientnet_lite0")
"""Those whose trainings with this toolkit are in docs/results.md."""
HEAD = ("backbone", "width", "map", "last stride 1", "parameters", "operations", "images/s", "trained here")
START, END = "<!-- backbones -->", "<!-- /backbones -->"


def build(name: str, size: tuple[int, int]) -> tuple[ReIDModel, bool]:
    """Build a model, and say whether its last stride can be 1."""
    torch.manual_seed(0)
    model = ReIDModel(backbone=name, people=1, image_size=size, last_stride=2)
    try:
        doubled = ReIDModel(backbone=name, people=1, image_size=size, last_stride=1)
    except InputError:
        doubled = None
    chosen = model if doubled is None or name.startswith("osnet") else doubled
    return chosen.eval().to(memory_format=torch.channels_last), doubled is not None


@torch.no_grad()
def describe(name: str, model: ReIDModel, rule: bool) -> list[str]:
    """Return all that needs no clock."""
    image = torch.zeros(1, 3, *model.image_size)
    with FlopCounterMode(display=False) as counter:
        cells = model.feature_map(image)
    parameters = sum(value.numel() for value in model.backbone.parameters())
    shape = f"{cells.shape[2]} x {cells.shape[3]}" if cells.shape[2:] != (1, 1) else "one vector"
    numbers = (f"{parameters / 1e6:.1f} M", f"{counter.get_total_flops() / 2e9:.2f} G")
    return [f"`{name}`", str(model.width), shape, "yes" if rule else "no", *numbers]


def speeds(models: dict[str, ReIDModel], batch: int, rounds: int) -> dict[str, str]:
    """Time the models in turns; return the median images a second of each, after one round that warms up."""
    rates: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(rounds + 1 if rounds else 0):
        for name, model in models.items():
            images = torch.randint(0, 256, (batch, 3, *model.image_size), dtype=torch.uint8)
            began = perf_counter()
            model.embed(images, batch_size=batch)
            if turn:
                rates[name].append(batch / (perf_counter() - began))
    return {name: f"{median(found):.0f}" if found else "" for name, found in rates.items()}


def table(rows: list[list[str]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [HEAD, ("---", *("---:" for _ in HEAD[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NETWORKS)
    parser.add_argument("--size", nargs=2, type=int, default=(256, 128))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    height, width = given.size
    built = {name: build(name, (height, width)) for name in given.names}
    found = speeds({name: model for name, (model, _) in built.items()}, given.batch, given.rounds)
    rows = [
        [*describe(name, *one), found[name], "yes" if name in TRAINED else "runs only"] for name, one in built.items()
    ]
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    timed = f"Images/s: batches of {given.batch}, median of {given.rounds} rounds, {machine}."
    text = f"{table(rows)}\n\n{height} x {width} pixels. {timed if given.rounds else 'Images/s: not measured.'}"
    print(text)
    if given.write is not None:
        page = given.write.read_text(encoding="utf-8")
        filled = re.sub(f"(?s){START}.*{END}", lambda _: f"{START}\n{text}\n{END}", page)
        given.write.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
