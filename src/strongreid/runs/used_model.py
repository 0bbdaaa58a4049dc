"""The model that pictures are embedded with, ours or an ONNX file, as files of features name it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from strongreid.errors import InputError
from strongreid.export.onnx_model import OnnxModel
from strongreid.models import Calibrated, ReIDModel
from strongreid.models.fingerprint import model_fingerprint
from strongreid.runs.feature_files import MadeBy
from strongreid.runs.finding import is_on_hub


@dataclass(frozen=True)
class UsedModel:
    """A model, what tells it from others, and what it was calibrated to do."""

    network: ReIDModel | OnnxModel
    made_by: MadeBy
    calibrated: Calibrated | None = None

    @property
    def folder(self) -> Path:
        """Where what is written about it goes by default: beside it; the hub's cache is the hub's own, so not there."""
        path = Path(self.made_by.path)
        if is_on_hub(path):
            return Path()
        return path if path.is_dir() else path.parent

    def require_metric(self, metric: str, address: str) -> None:
        """Raise `InputError` where a gallery compares features otherwise than the model does."""
        if metric != self.network.metric:
            raise InputError(
                f"The gallery {address} compares by {metric}, {self.made_by.path} by {self.network.metric}: the "
                "threshold would mean nothing. Make the gallery anew."
            )

    def words(self) -> str:
        """Say which model it is, and what it takes and gives."""
        if isinstance(self.network, OnnxModel):
            return self.network.words()
        height, width = self.network.image_size
        backbone = self.network.arguments["backbone"]
        commit = "" if self.network.revision is None else f" (commit {self.network.revision})"
        return (
            f"Model: {self.made_by.path}{commit}, {backbone}, {height} x {width} pixels, {self.network.width} features."
        )


def load_model(path: Path) -> UsedModel:
    """Load a model of ours, a run's folder, a file or hf:owner/name, onto the GPU where there is one."""
    network = ReIDModel.from_pretrained(path)
    made_by = MadeBy(model_fingerprint(network), network.feature, network.metric, str(path))
    return UsedModel(network.cuda() if torch.cuda.is_available() else network, made_by, network.calibrated)


def used_onnx(network: OnnxModel) -> UsedModel:
    """Wrap an ONNX model; another file, or the same fed otherwise, gives other features."""
    digest = hashlib.sha256(network.path.read_bytes())
    digest.update(f"\0{network.image_size} {network.pixels.text()}".encode())
    made_by = MadeBy(digest.hexdigest(), "features", network.metric, str(network.path))
    return UsedModel(network, made_by, network.calibrated)
