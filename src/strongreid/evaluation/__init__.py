"""Evaluation: pure functions on features, people and cameras. Knows nothing of models, data sets or configuration."""

from strongreid.evaluation.embeddings import Embeddings
from strongreid.evaluation.evaluate import evaluate
from strongreid.evaluation.rerank import Reranking
from strongreid.evaluation.result import RetrievalResult

__all__ = ["Embeddings", "Reranking", "RetrievalResult", "evaluate"]
