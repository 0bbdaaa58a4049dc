"""The losses of the strong baseline: one loss, one file, one paper."""

from strongreid.losses.center import CenterLoss
from strongreid.losses.distance import pairwise_euclidean
from strongreid.losses.identity import IdentityLoss
from strongreid.losses.objective import Objective, Term
from strongreid.losses.triplet import BatchHardTripletLoss

__all__ = ["BatchHardTripletLoss", "CenterLoss", "IdentityLoss", "Objective", "Term", "pairwise_euclidean"]
