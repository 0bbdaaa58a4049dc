"""From images to features: backbone, neck, model."""

from strongreid.models.calibrated import Calibrated, CalibratedOn, write_calibrated
from strongreid.models.convert import Converted, convert, load_foreign
from strongreid.models.embed import embed
from strongreid.models.hub import save_for_hub
from strongreid.models.model import Features, ReIDModel
from strongreid.models.model_file import read_header

__all__ = [
    "Calibrated",
    "CalibratedOn",
    "Converted",
    "Features",
    "ReIDModel",
    "convert",
    "embed",
    "load_foreign",
    "read_header",
    "save_for_hub",
    "write_calibrated",
]
