"""From images to features: backbone, neck, model."""

from strongreid.models.calibrated import Calibrated, write_calibrated
from strongreid.models.embed import embed
from strongreid.models.header import read_header
from strongreid.models.model import Features, ReIDModel

__all__ = ["Calibrated", "Features", "ReIDModel", "embed", "read_header", "write_calibrated"]
