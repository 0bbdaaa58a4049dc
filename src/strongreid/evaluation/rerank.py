"""k-reciprocal re-ranking (Zhong et al. 2017), in sparse form."""

from dataclasses import dataclass

from strongreid.errors import InputError


@dataclass(frozen=True)
class Reranking:
    """Settings of k-reciprocal re-ranking; the defaults are the paper's (Zhong et al. 2017, section 4.2)."""

    k1: int = 20
    """Neighbours that make up a k-reciprocal set, at least 1."""
    k2: int = 6
    """Neighbours over which encodings are averaged (local query expansion), at least 1."""
    distance_weight: float = 0.3
    """Lambda, 0..1: weight of the original distance; the rest goes to the Jaccard distance."""

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1:
            raise InputError(f"Re-ranking needs k1 and k2 of at least 1; k1 is {self.k1}, k2 is {self.k2}.")
        if not 0 <= self.distance_weight <= 1:
            raise InputError(f"distance_weight must lie in 0..1; it is {self.distance_weight}.")
