"""What a training learns from: a table of images, decoded, and how its batches are drawn and changed."""

from dataclasses import dataclass
from pathlib import Path

from strongreid.data import Augmentation, DomainBalancedSampler, ImageTable, PackedImages, PKBatchSampler
from strongreid.errors import InputError
from strongreid.models import ReIDModel


@dataclass(frozen=True)
class TrainingImages:
    """The training set: its table, its decoded images (in the table's order) and how they are drawn and changed."""

    table: ImageTable
    packed: PackedImages
    sampler: PKBatchSampler | DomainBalancedSampler
    augmentation: Augmentation

    @classmethod
    def build(
        cls,
        table: ImageTable,
        size: tuple[int, int],
        folder: Path,
        *,
        people_per_batch: int = 16,
        images_per_person: int = 4,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> "TrainingImages":
        """Decode the images of `table` at `size` (height, width) into `folder`, or reuse them; batches are P x K."""
        sampler = PKBatchSampler(table.person, people_per_batch, images_per_person, seed=seed)
        return cls(table, PackedImages.build(table, size, folder), sampler, augmentation or Augmentation())

    def steps(self, epoch: int) -> int:
        """Return how many batches an epoch, counted from 1, has."""
        self.sampler.set_epoch(epoch)
        return len(self.sampler)

    def check(self, model: ReIDModel) -> None:
        """Refuse, by `InputError`, a model that is not made for these images."""
        if len(self.table) != len(self.packed):
            raise InputError(f"The table has {len(self.table)} images, but {len(self.packed)} are packed.")
        if self.packed.size != tuple(model.image_size):
            raise InputError(
                f"The images are packed at {self.packed.size} pixels, but the model's `image_size` is "
                f"{model.image_size}: both must be the same."
            )
        people = model.arguments["people"]
        if len(self.table.people) != people:
            raise InputError(
                f"The images show {len(self.table.people)} people, but the model was made for {people}: give it as "
                "many `people` as the table has."
            )
        cameras = model.arguments["cameras"]
        if cameras and len(self.table.cameras) != cameras:
            raise InputError(
                f"The images were taken by {len(self.table.cameras)} cameras, but the model was made for {cameras}: "
                "give it as many `cameras` as the table has."
            )
