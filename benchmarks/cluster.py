"""How many images a second go into a gallery: by `gallery add`, by one worker of Ray and by two, in one run.

    python -m benchmarks.cluster --crops 4096 --workers 1 2

Each rate is that between the first part that is done and the last, so that starting Ray and loading the model, which
cost the same for a million images, do not count; they are printed beside. The ratios are what to look at: on a busy
machine the ways share its cores with others.
"""

import argparse
import os
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from strongreid.data.pictures import Pictures
from strongreid.drawn import draw_people
from strongreid.gallery import Gallery
from strongreid.models import ReIDModel
from strongreid.reports.console import Console
from strongreid.runs.embed import Choices
from strongreid.runs.enrol import EmbeddedRows, EmbedRows, Enrolment, embedded_here, enrol
from strongreid.runs.ray_embedding import embedded_on_ray
from strongreid.runs.used_model import UsedModel, load_model

PEOPLE, IMAGES = 100, 6


def write_manifest(folder: Path, crops: int) -> Path:
    """A table of drawn crops, each a file of its own name; the same few hundred pictures again and again."""
    drawn = draw_people(folder / "drawn", train_people=PEOPLE, test_people=0, images_per_person=IMAGES)
    pictures = sorted((drawn / "bounding_box_train").glob("*.jpg"))
    (folder / "crops").mkdir()
    rows = ["path,person,camera"]
    for number in range(crops):
        file = folder / "crops" / f"{number:07d}.jpg"
        os.link(pictures[number % len(pictures)], file)
        rows.append(f"{file},{number % len(pictures) // IMAGES},{number % IMAGES}")
    manifest = folder / "crops.csv"
    manifest.write_text("\n".join(rows))
    return manifest


class Timed:
    """Notes when parts are done."""

    def __init__(self, embed: EmbedRows) -> None:
        self._embed = embed
        self.done: list[tuple[float, int]] = []

    def __call__(self, pictures: Pictures, rows: list[int]) -> Generator[EmbeddedRows]:
        for part in self._embed(pictures, rows):
            self.done.append((time.perf_counter(), len(part.rows)))
            yield part

    def rate(self, skip: int) -> float:
        """Images a second after the first `skip` parts, one of each worker."""
        (start, _), (end, _) = self.done[skip - 1], self.done[-1]
        return sum(count for _, count in self.done[skip:]) / (end - start)


def measure(name: str, manifest: Path, used: UsedModel, embed: EmbedRows, workers: int) -> float:
    timed, load, start = Timed(embed), os.getloadavg()[0], time.perf_counter()
    with TemporaryDirectory() as folder:
        gallery = Gallery.open(Path(folder) / "gallery")
        done = enrol(manifest, gallery, used, Enrolment(), Choices(), Console(quiet=True), "", timed)
    whole, first = time.perf_counter() - start, timed.done[0][0] - start
    rate = timed.rate(workers)
    print(
        f"{name:<20} {rate:8.1f} images/s   {done.added:,} in {whole:.1f} s, the first part after {first:.1f} s   "
        f"(load before: {load:.1f})",
        flush=True,
    )
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=int, default=4096)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, nargs=2, default=(128, 64), metavar=("HEIGHT", "WIDTH"))
    chosen = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_manifest(folder, chosen.crops)
        torch.manual_seed(0)
        model = ReIDModel(backbone=chosen.backbone, people=1, image_size=tuple(chosen.size)).eval()
        model.save(folder / "model.safetensors")
        used = load_model(folder / "model.safetensors")
        silent: Callable[[str], None] = lambda _: None  # noqa: E731
        print(
            f"{chosen.backbone}, {chosen.size[0]} x {chosen.size[1]}, {chosen.crops:,} crops, torch {torch.__version__}"
        )
        here = partial(embedded_here, used=used, thumbnails=False, engine=None, say=silent)
        plain = measure(f"gallery add, {torch.get_num_threads()} threads", manifest, used, here, 1)
        rates = {}
        for workers in chosen.workers:
            on_ray = partial(embedded_on_ray, used=used, workers=workers, thumbnails=False, say=silent)
            rates[workers] = measure(f"Ray, {workers} workers", manifest, used, on_ray, workers)
        first = rates[chosen.workers[0]]
        for workers, rate in rates.items():
            print(f"{workers} workers: x {rate / plain:.2f} of gallery add, x {rate / first:.2f} of the first")


if __name__ == "__main__":
    main()
