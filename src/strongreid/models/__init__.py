"""From images to features: backbone, neck, model."""

from strongreid.models.embed import embed
from strongreid.models.model import Features, ReIDModel, read_header

__all__ = ["Features", "ReIDModel", "embed", "read_header"]
