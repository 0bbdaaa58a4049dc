"""Data sets as tables of images, packed, sampled and augmented; the public names of this room."""

from strongreid.data.augment import Augmentation, AugmentationDraws
from strongreid.data.benchmarks import load_benchmark
from strongreid.data.packed import PackedImages
from strongreid.data.sampler import PKBatchSampler
from strongreid.data.table import ImageTable, ReIDData

__all__ = [
    "Augmentation",
    "AugmentationDraws",
    "ImageTable",
    "PKBatchSampler",
    "PackedImages",
    "ReIDData",
    "load_benchmark",
]
