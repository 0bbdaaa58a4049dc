"""Input rate: images a second from files to a normalised, erased float32 batch, two ways in the same run.

    python benchmarks/input_rate.py [--people 200] [--epochs 3] [--json FILE]

- Packed: decode and resize once to a memory-mapped file, then gather P x K batches and augment each as one tensor
  operation. The first epoch includes the packing.
- DataLoader: 2 workers, each image decoded, resized, flipped, padded, cropped, normalised and erased by itself with
  Pillow and torchvision, in the order of the paper's reference code.

Both take drawn people (JPEG, 128 x 64) to 256 x 128 and use 2 threads or 2 workers. Takes about 2 minutes on 2 idle
cores. The aim is 3 times the DataLoader's rate, and a first epoch that is not slower than one of its epochs.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from PIL import __version__ as pillow_version
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from strongreid.data import Augmentation, ImageTable, PackedImages, PKBatchSampler, load_benchmark
from strongreid.data.drawn import draw_people

SIZE = (256, 128)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ReferenceErasing:
    """The reference's random erasing of one normalised image, filled with the raw values."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        generator = np.random.default_rng(int(torch.randint(2**31, ())))
        if generator.uniform() >= 0.5:
            return image
        _, height, width = image.shape
        for _ in range(100):
            area = generator.uniform(0.02, 0.4) * height * width
            aspect = generator.uniform(0.3, 1 / 0.3)
            box_height, box_width = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if box_height < height and box_width < width:
                top = int(generator.integers(0, height - box_height, endpoint=True))
                left = int(generator.integers(0, width - box_width, endpoint=True))
                for channel, value in enumerate(MEAN):
                    image[channel, top : top + box_height, left : left + box_width] = value
                break
        return image


class Files(Dataset):
    """Image files through the reference's chain of transforms."""

    def __init__(self, table: ImageTable) -> None:
        self.table = table
        self.transform = transforms.Compose(
            [
                transforms.Resize(SIZE),
                transforms.RandomHorizontalFlip(0.5),
                transforms.Pad(10),
                transforms.RandomCrop(SIZE),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
                ReferenceErasing(),
            ]
        )

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.table.path[row]) as image:
            return self.transform(image.convert("RGB")), int(self.table.person[row])


def sampler_of(table: ImageTable, epoch: int) -> PKBatchSampler:
    sampler = PKBatchSampler(table.person, 16, 4, seed=0)
    sampler.set_epoch(epoch)
    return sampler


def dataloader_epoch(loader: DataLoader, sampler: PKBatchSampler) -> int:
    return sum(len(images) for images, _ in loader)


def packed_epoch(packed: PackedImages, sampler: PKBatchSampler, device: torch.device) -> int:
    augmentation = Augmentation()
    images = 0
    for step, rows in enumerate(sampler):
        draws = augmentation.draw(len(rows), SIZE, seed=0, epoch=sampler.epoch, step=step)
        images += len(augmentation.apply(packed[rows].to(device), draws))
    if device.type == "cuda":
        torch.cuda.synchronize()
    return images


def rate(epoch: Callable[[], int]) -> float:
    start = time.perf_counter()
    images = epoch()
    return images / (time.perf_counter() - start)


def measure(people: int, epochs: int, device: torch.device) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        root = draw_people(Path(folder) / "people", train_people=people, test_people=2, distractors=0, junk=0)
        table = load_benchmark("market1501", root).train
        loader_rates, packed_rates = [], []
        start = time.perf_counter()
        packed = PackedImages.build(table, SIZE, Path(folder) / "packed")
        packing = time.perf_counter() - start
        packed = packed.to(device)
        for epoch in range(epochs):  # taking turns, so that what else the machine does meets both
            sampler = sampler_of(table, epoch)
            loader = DataLoader(Files(table), batch_sampler=[rows.tolist() for rows in sampler], num_workers=2)
            loader_rates.append(rate(lambda loader=loader, sampler=sampler: dataloader_epoch(loader, sampler)))
            packed_rates.append(rate(lambda sampler=sampler: packed_epoch(packed, sampler, device)))
        images = len(sampler_of(table, 0)) * 64
    slow, fast = statistics.median(loader_rates), statistics.median(packed_rates)
    return {
        "images": len(table),
        "dataloader_images_per_s": round(slow),
        "packed_images_per_s": round(fast),
        "ratio": round(fast / slow, 2),
        "packing_images_per_s": round(len(table) / packing),
        "first_epoch_with_packing_s": round(packing + images / fast, 2),
        "dataloader_epoch_s": round(images / slow, 2),
        "all_dataloader": [round(value) for value in loader_rates],
        "all_packed": [round(value) for value in packed_rates],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200, help="drawn people to train on, 8 images each")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each way; the median counts")
    parser.add_argument("--device", default="cpu", help="where batches are augmented: cpu or cuda")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    device = torch.device(arguments.device)
    result = measure(arguments.people, arguments.epochs, device) | {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "pillow": pillow_version,
        },
    }
    print(json.dumps(result, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
