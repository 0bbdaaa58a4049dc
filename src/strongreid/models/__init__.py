"""From images to features: backbone, neck, model."""

from strongreid.models.calibrated import Calibrated, write_calibrated
from strongreid.models.embed import embed
from strongreid.models.model import Features, ReIDModel
from strongreid.models.model_file import read_header

__all__ = ["Calibrated", "Features", "ReIDModel", "embed", "read_header", "write_calibrated"]
