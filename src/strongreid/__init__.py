"""Person re-identification: the strong baseline, its tricks and its evaluation (Luo et al. 2019)."""

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
