"""Data sets as tables of images, packed, sampled and augmented; the public names of this room.

They are imported when they are first asked for: whoever only looks up the name of a data set does not wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongreid.data.augment import Augmentation, AugmentationDraws
    from strongreid.data.benchmarks import is_split_by_seed, load_benchmark, set_name
    from strongreid.data.holding_out import hold_out
    from strongreid.data.joining import DomainBalancedSampler, join_sets, refuse_leaks
    from strongreid.data.layouts import Benchmark
    from strongreid.data.packed import PackedImages, bytes_to_pack, pack_bytes
    from strongreid.data.sampler import PKBatchSampler
    from strongreid.data.specs import BENCHMARKS, NOT_READ
    from strongreid.data.table import ImageTable, ReIDData
    from strongreid.data.track_weights import packed_weights

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
    "hold_out",
    "is_split_by_seed",
    "join_sets",
    "load_benchmark",
    "pack_bytes",
    "packed_weights",
    "refuse_leaks",
    "set_name",
]

_FILES = {
    "augment": ("Augmentation", "AugmentationDraws"),
    "benchmarks": ("is_split_by_seed", "load_benchmark", "set_name"),
    "holding_out": ("hold_out",),
    "joining": ("DomainBalancedSampler", "join_sets", "refuse_leaks"),
    "packed": ("PackedImages", "bytes_to_pack", "pack_bytes"),
    "track_weights": ("packed_weights",),
    "sampler": ("PKBatchSampler",),
    "layouts": ("Benchmark",),
    "specs": ("BENCHMARKS", "NOT_READ"),
    "table": ("ImageTable", "ReIDData"),
}


def __getattr__(name: str) -> object:
    for file, names in _FILES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
