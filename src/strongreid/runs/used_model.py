"""The model that pictures are embedded with, ours or an ONNX file, as files of features name it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from strongreid.export.onnx_model import OnnxModel
from strongreid.models import Calibrated, ReIDModel
from strongreid.models.fingerprint import model_fingerprint
from strongreid.runs.feature_files import MadeBy


@dataclass(frozen=True)
class UsedModel:
    """A model, what tells it from others, and what it was calibrated to do."""

    network: ReIDModel | OnnxModel
    made_by: MadeBy
    calibrated: Calibrated | None = None

    def words(self) -> str:
        """Say which model it is, and what it takes and gives."""
        if isinstance(self.network, OnnxModel):
            return self.network.words()
        height, width = self.network.image_size
        backbone = self.network.arguments["backbone"]
        return f"Model: {self.made_by.path}, {backbone}, {height} x {width} pixels, {self.network.width} features."


def load_model(path: Path) -> UsedModel:
    """Load a model of ours, a run's folder or a file, onto the GPU where there is one."""
    network = ReIDModel.load(path)
    made_by = MadeBy(model_fingerprint(network), network.feature, network.metric, str(path))
    return UsedModel(network.cuda() if torch.cuda.is_available() else network, made_by, network.calibrated)


def used_onnx(network: OnnxModel) -> UsedModel:
    """Wrap an ONNX model; another file, or the same fed otherwise, gives other features."""
    digest = hashlib.sha256(network.path.read_bytes())
    digest.update(f"\0{network.image_size} {network.pixels.text()}".encode())
    return UsedModel(network, MadeBy(digest.hexdigest(), "features", network.metric, str(network.path)))
