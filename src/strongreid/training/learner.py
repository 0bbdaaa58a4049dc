"""What training changes, in one object: it takes a step, and a checkpoint asks it what must be saved.

Optimisers, losses and hooks come from the caller; nothing here knows which they are. Numbers and tensors that they keep
are saved with the checkpoint under names of their own, so that a resumed training goes on bit for bit.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from strongreid.errors import InputError
from strongreid.losses import Objective
from strongreid.models import ReIDModel
from strongreid.training.depthwise import depthwise_in_float32
from strongreid.training.processes import freeze_unreached, share_batch_statistics

AfterStep = Callable[[], object]
"""Called after each step. One that is a module, as an average of the weights, is saved with the checkpoint."""

_NUMBER = "number."
"""What the names of plain numbers begin with, to tell them from tensors of one value."""
_OF_PARAMETER = re.compile(r"optimizer\.(\d+)\.(.+)")
_OF_GROUP = re.compile(r"group\.(\d+)\.(.+)")


class Learner:
    """A model, its objective and its optimisers, on the device of a launched `fabric`; all are changed in place.

    Args:
        fabric: device, precision and processes; launched, if there are several.
        model: the network.
        objective: the losses.
        optimizers: one or more; the first is the one whose rate is set and logged.
        after_step: called after each step, in that order.
        kept: more modules that are saved with the checkpoints.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: ReIDModel,
        objective: Objective,
        optimizers: Sequence[Optimizer],
        after_step: Sequence[AfterStep] = (),
        kept: Mapping[str, nn.Module] | None = None,
    ) -> None:
        if not optimizers:
            raise InputError("Training needs at least one optimiser in `optimizers`.")
        if fabric.device.type == "cpu":
            depthwise_in_float32(model)
        share_batch_statistics(model, fabric)
        freeze_unreached(model, objective.inputs, fabric)
        self.model: Final = model
        self.objective: Final = objective.to(fabric.device)
        self.optimizers: Final = list(optimizers)
        self.module, *self._stepping = fabric.setup(model, *optimizers)
        self.sums: Final = torch.zeros(len(objective.names) + 2, device=fabric.device)
        """Sums since the last line of the log: total, each term, then the number of steps; float32 [terms + 2]."""
        self._after_step: Final = tuple(after_step)
        steps = {f"after_step.{number}": hook for number, hook in enumerate(after_step) if isinstance(hook, nn.Module)}
        self._kept: Final = {**steps, **(kept or {})}
        for module in self._kept.values():
            module.to(fabric.device)
        self._trained: Final = [parameter for parameter in model.backbone.parameters() if parameter.requires_grad]
        self._fabric: Final = fabric

    def step(self, total: Tensor) -> None:
        """Take one step down the gradient of `total`, a scalar, with every optimiser; then call what comes after."""
        for optimizer in self._stepping:
            optimizer.zero_grad()
        self._fabric.backward(total)
        for optimizer in self._stepping:
            optimizer.step()
        for hook in self._after_step:
            hook()

    def begin_epoch(self, *, frozen: bool) -> None:
        """Put all into training mode; `frozen`: the backbone's weights and statistics stay as they are until the next.

        Raises `InputError` for a frozen one with several processes, which would wait for its gradients.
        """
        self.module.train()
        if frozen and self._fabric.world_size > 1:
            raise InputError("A frozen backbone (`frozen_epochs`) is for one process: start without torchrun.")
        for parameter in self._trained:
            parameter.requires_grad_(not frozen)
        if frozen:
            self.model.backbone.eval()
            for parameter in self._trained:
                parameter.grad = None

    @property
    def rate(self) -> float:
        """The learning rate of the first optimiser (of its first group)."""
        return float(self.optimizers[0].param_groups[0]["lr"])

    @rate.setter
    def rate(self, rate: float) -> None:
        for group in self.optimizers[0].param_groups:
            group["lr"] = rate

    def state_tensors(self) -> dict[str, Tensor]:
        """Return what a resumed training needs beside the model's weights, by names of its own, on the CPU.

        Raises `InputError` for an optimiser that keeps something else than tensors and numbers.
        """
        tensors = {"sums": self.sums} | self._module_tensors()
        for index, (optimizer, parameter) in enumerate(self._parameters()):
            for name, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor | int | float):
                    tensors |= _as_tensor(f"optimizer.{index}.{name}", value)
                elif value is not None:
                    raise InputError(
                        f"{type(optimizer).__name__} keeps {name} as a {type(value).__name__}, which no checkpoint "
                        "holds. Use another optimiser, or train without a folder."
                    )
        for index, (optimizer, group) in enumerate(self._groups()):
            for name, value in group.items():
                # What is no setting of the optimiser it counts itself; the rate may have been set by somebody else.
                changes = name == "lr" or name not in optimizer.defaults
                if changes and isinstance(value, Tensor | int | float):
                    tensors |= _as_tensor(f"group.{index}.{name}", value)
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    @torch.no_grad()
    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back, in place, what `state_tensors` returned; `LookupError` or `RuntimeError` if it does not fit."""
        left = dict(tensors)
        for name, value in ({"sums": self.sums} | self._module_tensors()).items():
            saved = left.pop(name)
            if saved.shape != value.shape:
                raise RuntimeError(f"{name} is {list(saved.shape)} in place of {list(value.shape)}")
            value.copy_(saved)
        parameters, groups = self._parameters(), self._groups()
        moments: dict[int, dict[str, object]] = {index: {} for index in range(len(parameters))}
        for name, tensor in left.items():
            plain = name.removeprefix(_NUMBER)
            found = tensor if plain == name else tensor.item()
            if match := _OF_PARAMETER.fullmatch(plain):
                index = int(match[1])
                moments[index][match[2]] = _like(parameters[index][1], found)
            elif match := _OF_GROUP.fullmatch(plain):
                groups[int(match[1])][1][match[2]] = found
            else:
                raise LookupError(f"{name} is not known")
        for optimizer in self.optimizers:
            mine = [index for index, (owner, _) in enumerate(parameters) if owner is optimizer]
            state = {position: moments[index] for position, index in enumerate(mine) if moments[index]}
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

    def _module_tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers of losses, hooks and what else is kept, by name."""
        modules: dict[str, nn.Module] = {**self._kept, "objective": self.objective.losses}
        return {
            f"{prefix}.{name}": tensor
            for prefix, module in modules.items()
            for name, tensor in module.state_dict().items()
        }

    def _groups(self) -> list[tuple[Optimizer, dict[str, Any]]]:
        """All groups of parameters with their optimiser."""
        return [(optimizer, group) for optimizer in self.optimizers for group in optimizer.param_groups]

    def _parameters(self) -> list[tuple[Optimizer, Tensor]]:
        """All parameters with their optimiser, in an order that depends on nothing but the optimisers."""
        return [(optimizer, parameter) for optimizer, group in self._groups() for parameter in group["params"]]


def _as_tensor(name: str, value: Tensor | float) -> dict[str, Tensor]:
    """Return a tensor under its name, and a number as a tensor of its own type under a name that says so."""
    if isinstance(value, Tensor):
        return {name: value}
    return {_NUMBER + name: torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)}


def _like(parameter: Tensor, value: Tensor | float) -> Tensor | float:
    """Lay a moment out as its parameter: fused optimisers walk both in memory order (channels_last)."""
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter).copy_(value)
