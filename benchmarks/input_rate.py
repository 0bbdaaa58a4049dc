"""Input rate: images a second from files to a normalised, erased float32 batch, two ways in the same run.

    python benchmarks/input_rate.py [--people 200] [--turns 3] [--busy N] [--network] [--json FILE]

- Packed: decode and resize once to a memory-mapped file, then gather P x K batches and augment each at once, into the
  same memory again, as the training loop does. On a CPU that is the work of one thread.
- DataLoader: 2 workers, each image decoded, resized, flipped, padded, cropped, normalised and erased by itself with
  Pillow and torchvision, in the order of the paper's reference code. Its workers stay from epoch to epoch, and a first
  epoch is not counted, so that starting them costs it nothing here.

Both take drawn people (JPEG, 128 x 64) to 256 x 128. The ways take turns; medians count. Takes about a minute on 2
idle cores. The aim is 3 times the DataLoader's rate (better 5), and a first epoch with the packing that is not slower
than one of the DataLoader's. `processor_ms_per_image` is what the processes used, whatever else the machine did.

`--busy N` times the decoding of the packing beside N processes that keep cores busy, too: on all cores and on one.

On a GPU (`--device cuda`) batches are gathered and augmented there; `--network` times a training step of ResNet-50 too
and prints the share of it that input takes (aim: under 5 %).
"""

import argparse
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torchvision
from PIL import Image
from PIL import __version__ as pillow_version
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from busy import busy
from strongreid.data import Augmentation, ImageTable, PackedImages, PKBatchSampler, load_benchmark
from strongreid.data.decoding import available_cores, decoded_rows
from strongreid.drawn import draw_people

SIZE = (256, 128)
PACKED_EPOCHS = 5
"""Epochs of the packed way in a turn: one is over too soon to be timed well."""
DECODED = 8000
"""Images that are decoded for a pack, the same ones again and again: about as many as a small benchmark has."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ReferenceErasing:
    """The reference's random erasing of one normalised image, filled with the raw values."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        rng = np.random.default_rng(int(torch.randint(2**31, ())))
        if rng.uniform() >= 0.5:
            return image
        _, height, width = image.shape
        for _ in range(100):
            area = rng.uniform(0.02, 0.4) * height * width
            aspect = rng.uniform(0.3, 1 / 0.3)
            box_height, box_width = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if box_height < height and box_width < width:
                top = int(rng.integers(0, height - box_height, endpoint=True))
                left = int(rng.integers(0, width - box_width, endpoint=True))
                for channel, value in enumerate(MEAN):
                    image[channel, top : top + box_height, left : left + box_width] = value
                break
        return image


class Files(Dataset):
    """Image files through the reference's chain of transforms."""

    def __init__(self, table: ImageTable, size: tuple[int, int] = SIZE) -> None:
        self.table = table
        self.transform = transforms.Compose(
            [
                transforms.Resize(size),
                transforms.RandomHorizontalFlip(0.5),
                transforms.Pad(10),
                transforms.RandomCrop(size),
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


class Batches:
    """P x K batches of one epoch after another, as a DataLoader takes them."""

    def __init__(self, table: ImageTable) -> None:
        self.sampler = PKBatchSampler(table.person, 16, 4, seed=0)

    def __iter__(self) -> Iterator[list[int]]:
        self.sampler.set_epoch(self.sampler.epoch + 1)
        return iter([rows.tolist() for rows in self.sampler])


def packed_epochs(packed: PackedImages, batches: Batches, device: torch.device, epochs: int = 1) -> int:
    augmentation, images, batch = Augmentation(), 0, None
    for _ in range(epochs):
        for step, rows in enumerate(batches):
            draws = augmentation.draw(len(rows), SIZE, seed=0, epoch=batches.sampler.epoch, step=step)
            pixels = packed[np.array(rows)].to(device, non_blocking=True)
            batch = augmentation.apply(pixels, draws, out=batch)
            images += len(batch)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return images


def rate(epoch: Callable[[], int]) -> tuple[float, float]:
    """Images a second, and milliseconds of this process's processor time an image."""
    start, processor = time.perf_counter(), time.process_time()
    images = epoch()
    return images / (time.perf_counter() - start), 1000 * (time.process_time() - processor) / images


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def first_epoch(table: ImageTable, folder: Path, device: torch.device) -> tuple[PackedImages, float, float]:
    """The packed images, and the seconds that packing, and packing with an epoch, took."""
    start = time.perf_counter()
    packed = PackedImages.build(table, SIZE, folder)
    packing = time.perf_counter() - start
    packed = packed.on_gpu_if_it_fits(device)
    packed_epochs(packed, Batches(table), device)
    return packed, packing, time.perf_counter() - start


def take_turns(
    table: ImageTable, packed: PackedImages, device: torch.device, turns: int
) -> tuple[int, dict[str, list[tuple[float, float]]]]:
    """Images in an epoch of the DataLoader, and what `rate` says of each way, turn by turn."""
    loader = DataLoader(Files(table), batch_sampler=Batches(table), num_workers=2, persistent_workers=True)
    loaded = sum(len(images) for images, _ in loader)
    rates: dict[str, list[tuple[float, float]]] = {"dataloader": [], "packed": []}
    for _ in range(turns):  # taking turns, so that what else the machine does meets both
        rates["dataloader"].append(rate(lambda: sum(len(images) for images, _ in loader)))
        rates["packed"].append(rate(lambda: packed_epochs(packed, Batches(table), device, PACKED_EPOCHS)))
    return loaded, rates


def decoding_beside(table: ImageTable, count: int, turns: int) -> dict[str, int]:
    """Images a second that are decoded for a pack beside `count` busy processes: on all cores, and on one."""
    cores = {"all_cores": available_cores(), "one_core": 1}
    rates: dict[str, list[float]] = {name: [] for name in cores}
    many = table.select(np.arange(DECODED) % len(table))
    with busy(count):
        for _ in range(turns):
            for name, number in cores.items():
                with mock.patch("strongreid.data.decoding.available_cores", return_value=number):
                    rates[name].append(rate(lambda: sum(map(len, decoded_rows(many, SIZE, 0))))[0])
    return {name: round(statistics.median(found)) for name, found in rates.items()}


def measure(people: int, turns: int, device: torch.device, beside: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        root = draw_people(Path(folder) / "people", train_people=people, test_people=2, distractors=0, junk=0)
        table = load_benchmark("market1501", root).train
        packed, packing, first = first_epoch(table, Path(folder) / "packed", device)
        children = children_seconds()
        loaded, rates = take_turns(table, packed, device, turns)
        children = 1000 * (children_seconds() - children) / (loaded * (turns + 1))  # the workers have ended
        decoded = {str(count): decoding_beside(table, count, turns) for count in sorted({0, beside})}
    medians = {name: statistics.median(speed for speed, _ in found) for name, found in rates.items()}
    processor = {name: statistics.median(used for _, used in found) for name, found in rates.items()}
    processor["dataloader"] += children
    dataloader = medians["dataloader"]
    return {
        "images": len(table),
        "images_per_s": {name: round(speed) for name, speed in medians.items()},
        "ratio": round(medians["packed"] / dataloader, 2),
        "first_epoch_with_packing_s": round(first, 2),
        "dataloader_epoch_s": round(loaded / dataloader, 2),
        "packing_images_per_s": round(len(table) / packing),
        "decoding_images_per_s_beside": decoded,
        "processor_ms_per_image": {name: round(used, 3) for name, used in processor.items()},
        "all_images_per_s": {name: [round(speed) for speed, _ in found] for name, found in rates.items()},
    }


def share_of_step(device: torch.device, runs: int) -> dict[str, object]:
    """Seconds that the input and a step (forward and backward, no optimiser) of ResNet-50 take for 64 images."""
    packed = PackedImages(torch.randint(0, 256, (256, 3, *SIZE), dtype=torch.uint8)).near(device)
    table = ImageTable(("",) * 256, np.arange(256) // 4, np.zeros(256, dtype=np.int64))
    network = torchvision.models.resnet50().to(device, memory_format=torch.channels_last)
    images = torch.randn(64, 3, *SIZE, device=device).contiguous(memory_format=torch.channels_last)

    def step() -> int:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = network(images).square().mean()
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return len(images)

    step()
    packed_epochs(packed, Batches(table), device)
    taken = [64 / rate(step)[0] for _ in range(runs)]
    given = [64 / rate(lambda: packed_epochs(packed, Batches(table), device, 4))[0] for _ in range(runs)]
    seconds, input_seconds = statistics.median(taken), statistics.median(given)
    return {"step_s": round(seconds, 5), "input_s": round(input_seconds, 5), "share": round(input_seconds / seconds, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200, help="drawn people to train on, 8 images each")
    parser.add_argument("--turns", type=int, default=3, help="how often each way is timed; the median counts")
    parser.add_argument("--busy", type=int, default=0, help="time decoding beside so many busy processes, too")
    parser.add_argument("--network", action="store_true", help="time a step of ResNet-50 too (slow on a CPU)")
    parser.add_argument("--device", default="cpu", help="where batches are augmented: cpu or cuda")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    device = torch.device(arguments.device)
    result = measure(arguments.people, arguments.turns, device, arguments.busy)
    if arguments.network:
        torch.set_num_threads(2)
        result["resnet50"] = share_of_step(device, arguments.turns)
    result |= {
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
