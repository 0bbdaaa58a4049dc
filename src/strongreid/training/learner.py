"""What training changes, in one object: a checkpoint asks it what must be saved, and gives it back."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from strongreid.losses import Objective
from strongreid.models import ReIDModel


@dataclass
class Learner:
    """What training changes: everything a checkpoint must hold to continue bit for bit."""

    model: ReIDModel
    """The network."""
    objective: Objective
    """The losses; the center loss has parameters."""
    optimizer: torch.optim.Optimizer
    """Adam for the network."""
    center_optimizer: torch.optim.Optimizer | None
    """SGD for the centers, None without center loss."""
    sums: Tensor
    """Sums of the loss terms since the last line of the log, then the number of steps in them: float32 [terms + 1]."""

    def state_tensors(self) -> dict[str, Tensor]:
        """Return what a resumed training needs beside the model's weights, by names of its own, on the CPU."""
        tensors = {"sums": self.sums}
        tensors |= {f"objective.{name}": parameter for name, parameter in self.objective.named_parameters()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    @torch.no_grad()
    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back, in place, what `state_tensors` returned; `LookupError` or `RuntimeError` if it does not fit."""
        left = dict(tensors)
        self.sums.copy_(left.pop("sums"))
        for name, parameter in self.objective.named_parameters():
            parameter.copy_(left.pop(f"objective.{name}"))
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for key, tensor in left.items():
            _, number, name = key.split(".")
            parameter = parameters[int(number)]
            if tensor.shape == parameter.shape:
                # Fused Adam walks parameter and moments in memory order: both must lie the same way (channels_last).
                tensor = torch.empty_like(parameter).copy_(tensor)
            moments.setdefault(int(number), {})[name] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
