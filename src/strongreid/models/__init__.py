"""From images to features: backbone, neck, model."""

from strongreid.models.embed import embed
from strongreid.models.model import Features, ReIDModel
from strongreid.models.model_file import Calibrated, read_header, write_calibrated

__all__ = ["Calibrated", "Features", "ReIDModel", "embed", "read_header", "write_calibrated"]
