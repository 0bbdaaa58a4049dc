"""Data sets as tables of images, packed, sampled and augmented; the public names of this room."""

from strongreid.data.augment import Augmentation, AugmentationDraws
from strongreid.data.benchmarks import is_split_by_seed, load_benchmark
from strongreid.data.joining import DomainBalancedSampler, join_sets, refuse_leaks
from strongreid.data.packed import PackedImages, bytes_to_pack, pack_bytes
from strongreid.data.sampler import PKBatchSampler
from strongreid.data.specs import BENCHMARKS, NOT_READ, Benchmark
from strongreid.data.table import ImageTable, ReIDData

__all__ = [
    "BENCHMARKS",
    "NOT_READ",
    "Augmentation",
    "AugmentationDraws",
    "Benchmark",
    "DomainBalancedSampler",
    "ImageTable",
    "PKBatchSampler",
    "PackedImages",
    "ReIDData",
    "bytes_to_pack",
    "is_split_by_seed",
    "join_sets",
    "load_benchmark",
    "pack_bytes",
    "refuse_leaks",
]
