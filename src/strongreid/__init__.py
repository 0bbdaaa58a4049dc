"""Person re-identification: the strong baseline, its tricks and its evaluation (Luo et al. 2019).

The public names are imported when they are first asked for, so that `strongreid --help` does not wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongreid.data import ImageTable, PKBatchSampler
    from strongreid.evaluation import Embeddings, Reranking, RetrievalResult, evaluate
    from strongreid.models import ReIDModel, embed

__all__ = [
    "Embeddings",
    "ImageTable",
    "PKBatchSampler",
    "ReIDModel",
    "Reranking",
    "RetrievalResult",
    "embed",
    "evaluate",
]

_ROOMS = {
    "data": ("ImageTable", "PKBatchSampler"),
    "evaluation": ("Embeddings", "Reranking", "RetrievalResult", "evaluate"),
    "models": ("ReIDModel", "embed"),
}


def __getattr__(name: str) -> object:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
