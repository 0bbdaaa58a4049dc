"""What an evaluation will cost, before it starts: for large sets, so that nobody waits for what does not fit."""

import timeit
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from strongreid.evaluation.ground_truth import Pairs
from strongreid.evaluation.ranking import match_ranks
from strongreid.evaluation.search import MOST_BLOCKS, MOST_QUERIES, WORKING_MB
from strongreid.evaluation.workers import full_precision

_QUERIES: Final = 256
_IMAGES: Final = 2048
_MATCHES: Final = 20
_ENCODING_BYTES: Final = 6000  # for each image, at most: the fuller the k-reciprocal sets, the more
_ENCODING_SECONDS: Final = 3e-4


@dataclass(frozen=True)
class Cost:
    """A rough forecast."""

    seconds: float
    """Within a factor of 2 on an idle machine."""
    memory_mb: float
    """Above the features, on the safe side."""

    @property
    def sentence(self) -> str:
        """In words, for a console."""
        time_needed = f"{self.seconds:.0f} s" if self.seconds < 120 else f"{self.seconds / 60:.0f} min"
        return f"about {time_needed} and {self.memory_mb:.0f} MB above the features"


def estimate_cost(
    queries: int,
    images: int,
    width: int,
    *,
    reranking: bool = False,
    memory_mb: float = 160,
    device: torch.device | str = "cpu",
) -> Cost:
    """Time one small block of distances and its ranking (at most some tens of milliseconds each) and scale them up.

    Args:
        queries: how many queries.
        images: how many gallery images.
        width: of the features.
        reranking: with k-reciprocal re-ranking.
        memory_mb: the budget that `evaluate` will be given.
        device: where the features are.
    """
    device = torch.device(device)
    with full_precision(device):
        product, ranking = _seconds_a_pair(width, device)
    seconds = queries * images * (product + ranking)
    memory = min(memory_mb, WORKING_MB + min(queries, MOST_BLOCKS * MOST_QUERIES) * images * 4 / 2**20)
    if reranking:
        everything = queries + images
        # Looking for the nearest in a pair of blocks, both ways, costs about as much as ranking one of them.
        seconds += everything**2 / 2 * (product + ranking) + everything * _ENCODING_SECONDS
        memory += everything * _ENCODING_BYTES / 2**20
    return Cost(seconds, memory)


def _seconds_a_pair(width: int, device: torch.device) -> tuple[float, float]:
    """Time the distances and the ranking of one small block, for each pair in it."""
    rows = torch.ones((_IMAGES, width), device=device)
    columns = torch.ones((_QUERIES, width), device=device)
    block = torch.empty((_IMAGES, _QUERIES), device=device)
    distances = torch.rand((_IMAGES, _QUERIES), device=device, generator=torch.Generator(device).manual_seed(0))
    matches = Pairs(
        np.repeat(np.arange(_QUERIES), _MATCHES), np.tile(np.arange(_MATCHES) * (_IMAGES // _MATCHES), _QUERIES)
    )
    product = _seconds(lambda: torch.mm(rows, columns.T, out=block), device)
    ranking = _seconds(lambda: match_ranks(distances, matches), device)
    return product / block.numel(), ranking / block.numel()


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def finished() -> None:
        work()
        wait()

    return min(timeit.repeat(finished, wait, repeat=4, number=1))  # the first ones warm up
