"""Evaluation: pure functions on features, people and cameras. Knows nothing of models, data sets or configuration."""

from strongreid.evaluation.cost import Cost, estimate_cost
from strongreid.evaluation.embeddings import Embeddings
from strongreid.evaluation.evaluate import evaluate, evaluate_in_parts
from strongreid.evaluation.facts import MatchRanks, QueryFigures
from strongreid.evaluation.nearest import NearestImages, find_nearest, nearest
from strongreid.evaluation.pooling import (
    average_query_expansion,
    database_side_augmentation,
    flip_average,
    normalised,
    pool_queries,
)
from strongreid.evaluation.rerank import Reranking
from strongreid.evaluation.result import HEADLINE, METRICS, RetrievalMetric, RetrievalResult
from strongreid.evaluation.single_shot import RepeatedResult, evaluate_single_shot
from strongreid.evaluation.statistics import Interval, PairedTest, bootstrap_interval, paired_test
from strongreid.evaluation.verification import Calibration, Verification, calibrate, verify

__all__ = [
    "HEADLINE",
    "METRICS",
    "Calibration",
    "Cost",
    "Embeddings",
    "Interval",
    "MatchRanks",
    "NearestImages",
    "PairedTest",
    "QueryFigures",
    "RepeatedResult",
    "Reranking",
    "RetrievalMetric",
    "RetrievalResult",
    "Verification",
    "average_query_expansion",
    "bootstrap_interval",
    "calibrate",
    "database_side_augmentation",
    "estimate_cost",
    "evaluate",
    "evaluate_in_parts",
    "evaluate_single_shot",
    "find_nearest",
    "flip_average",
    "nearest",
    "normalised",
    "paired_test",
    "pool_queries",
    "verify",
]
