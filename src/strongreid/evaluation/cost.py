"""What an evaluation will cost, before it starts: for large sets, so that nobody waits for what does not fit."""

import time
from dataclasses import dataclass
from typing import Final

import torch

from strongreid.evaluation.distance import full_precision

_QUERIES: Final = 256
_IMAGES: Final = 2048
_RANKING_SHARE: Final = 1.3
_ENCODING_BYTES: Final = 6000
_ENCODING_SECONDS: Final = 3e-4


@dataclass(frozen=True)
class Cost:
    """A rough forecast: within a factor of 2 on an idle machine."""

    seconds: float
    memory_mb: float
    """Above the features."""

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
    """Time one small block of distances (at most some tens of milliseconds) and scale it up.

    Args:
        queries: how many queries.
        images: how many gallery images.
        width: of the features.
        reranking: with k-reciprocal re-ranking.
        memory_mb: the budget that `evaluate` will be given.
        device: where the features are.
    """
    device = torch.device(device)
    rows = torch.ones((_IMAGES, width), device=device)
    columns = torch.ones((_QUERIES, width), device=device)
    out = torch.empty((_IMAGES, _QUERIES), device=device)
    best = float("inf")
    with full_precision(device):
        for _ in range(4):  # the first ones warm up
            _wait(device)
            start = time.perf_counter()
            torch.mm(rows, columns.T, out=out)
            _wait(device)
            best = min(best, time.perf_counter() - start)
    product = best / out.numel()
    seconds = queries * images * product * _RANKING_SHARE
    memory = min(memory_mb, 48 + queries * images * 4 / 2**20)
    if reranking:
        everything = queries + images
        seconds += everything**2 / 2 * product * _RANKING_SHARE + everything * _ENCODING_SECONDS
        memory += everything * _ENCODING_BYTES / 2**20
    return Cost(seconds, memory)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
