"""A graph for PyTorch without our code: RGB 0 to 1, normalised inside."""

from typing import Final

from strongreid.export.profile import Exported, Profile
from strongreid.export.torch_file import TORCH


def _use(exported: Exported) -> list[str]:
    return [f"torch.export.load({str(exported.path)!r}).module()(images)"]


PLAIN_TORCH: Final = Profile("PyTorch", TORCH, _use, free=True)
