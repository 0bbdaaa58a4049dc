"""Evaluation: pure functions on features, people and cameras. Knows nothing of models, data sets or configuration."""

from strongreid.evaluation.cost import Cost, estimate_cost
from strongreid.evaluation.embeddings import Embeddings
from strongreid.evaluation.enrolment import identify_at_sizes, split_enrolled
from strongreid.evaluation.evaluate import evaluate, evaluate_in_parts
from strongreid.evaluation.facts import MatchRanks, QueryFigures
from strongreid.evaluation.identification import identify
from strongreid.evaluation.identification_result import Identification, OperatingPoints
from strongreid.evaluation.identification_statistics import MissDifference, compare_misses, fnir_interval
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
from strongreid.evaluation.tracks import average_tracks, reassociate
from strongreid.evaluation.verification import Calibration, Verification, calibrate, verify

__all__ = [
    "HEADLINE",
    "METRICS",
    "Calibration",
    "Cost",
    "Embeddings",
    "Identification",
    "Interval",
    "MatchRanks",
    "MissDifference",
    "NearestImages",
    "OperatingPoints",
    "PairedTest",
    "QueryFigures",
    "RepeatedResult",
    "Reranking",
    "RetrievalMetric",
    "RetrievalResult",
    "Verification",
    "average_query_expansion",
    "average_tracks",
    "bootstrap_interval",
    "calibrate",
    "compare_misses",
    "database_side_augmentation",
    "estimate_cost",
    "evaluate",
    "evaluate_in_parts",
    "evaluate_single_shot",
    "find_nearest",
    "flip_average",
    "fnir_interval",
    "identify",
    "identify_at_sizes",
    "nearest",
    "normalised",
    "paired_test",
    "pool_queries",
    "reassociate",
    "split_enrolled",
    "verify",
]
