"""What training changes, in one object: it takes a step, and a checkpoint asks it what must be saved.

Optimisers, losses and hooks come from the caller; nothing here knows which they are. Numbers and tensors that they keep
are saved with the checkpoint under names of their own, so that a resumed training goes on bit for bit.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from strongreid.errors import InputError
from strongreid.losses import Objective
from strongreid.models import ReIDModel
from strongreid.training.processes import freeze_unreached, share_batch_statistics

AfterStep = Callable[[], object]
"""Called after each step. One that is a module, as an average of the weights, is saved with the checkpoint."""

_MOMENT = re.compile(r"optimizer\.(\d+)\.(.+)")
_NUMBER = "number."
"""What the names of plain numbers begin with, to tell them from tensors of one value."""


class Learner:
    """A model, its objective and its optimisers, on the device of a launched `fabric`; all are changed in place.

    Args:
        fabric: device, precision and processes; launched, if there are several.
        model: the network.
        objective: the losses.
        optimizers: one or more; the first is the one whose rate is set and logged.
        after_step: called after each step, in that order.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: ReIDModel,
        objective: Objective,
        optimizers: Sequence[Optimizer],
        after_step: Sequence[AfterStep] = (),
    ) -> None:
        if not optimizers:
            raise InputError("Training needs at least one optimiser in `optimizers`.")
        share_batch_statistics(model, fabric)
        freeze_unreached(model, objective.inputs, fabric)
        self.model: Final = model
        self.objective: Final = objective.to(fabric.device)
        self.optimizers: Final = list(optimizers)
        self.module, *self._stepping = fabric.setup(model, *optimizers)
        self.sums: Final = torch.zeros(len(objective.names) + 2, device=fabric.device)
        """Sums since the last line of the log: total, each term, then the number of steps; float32 [terms + 2]."""
        self._after_step: Final = [
            hook.to(fabric.device) if isinstance(hook, nn.Module) else hook for hook in after_step
        ]
        for hook in after_step:
            if isinstance(hook, nn.Module):
                hook.to(fabric.device)
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
        numbers: dict[str, float] = {}
        for index, (optimizer, parameter) in enumerate(self._parameters()):
            for name, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{index}.{name}"] = value
                elif isinstance(value, int | float):
                    numbers[f"optimizer.{index}.{name}"] = value
                elif value is not None:
                    raise InputError(
                        f"{type(optimizer).__name__} keeps {name} as a {type(value).__name__}, which no checkpoint "
                        "holds. Use another optimiser, or train without a folder."
                    )
        numbers |= {name: group[key] for name, group, key in self._group_numbers()}
        for name, number in numbers.items():
            kind = torch.float64 if isinstance(number, float) else None
            tensors[_NUMBER + name] = torch.tensor(number, dtype=kind)
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
        for name, group, key in self._group_numbers():
            if _NUMBER + name in left:  # not in the first checkpoints of this format
                group[key] = left.pop(_NUMBER + name).item()
        parameters = list(self._parameters())
        moments: dict[int, dict[str, object]] = {index: {} for index in range(len(parameters))}
        for name, tensor in left.items():
            match = _MOMENT.fullmatch(name.removeprefix(_NUMBER))
            if match is None:
                raise LookupError(f"{name} is not known")
            index = int(match[1])
            moments[index][match[2]] = (
                tensor.item() if name.startswith(_NUMBER) else _like(parameters[index][1], tensor)
            )
        for optimizer in self.optimizers:
            mine = [index for index, (owner, _) in enumerate(parameters) if owner is optimizer]
            state = {place: moments[index] for place, index in enumerate(mine) if moments[index]}
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

    def _module_tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers of losses and hooks, by name."""
        modules = {f"after_step.{number}": hook for number, hook in enumerate(self._after_step)}
        modules["objective"] = self.objective.losses
        return {
            f"{prefix}.{name}": tensor
            for prefix, module in modules.items()
            if isinstance(module, nn.Module)
            for name, tensor in module.state_dict().items()
        }

    def _parameters(self) -> list[tuple[Optimizer, Tensor]]:
        """All parameters with their optimiser, in an order that depends on nothing but the optimisers."""
        return [
            (optimizer, parameter)
            for optimizer in self.optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        ]

    def _group_numbers(self) -> list[tuple[str, dict[str, float], str]]:
        """What changes in optimisers' groups, as name, group and key: the rate, and what is no setting of theirs."""
        return [
            (f"group.{number}.{place}.{key}", group, key)
            for number, optimizer in enumerate(self.optimizers)
            for place, group in enumerate(optimizer.param_groups)
            for key, value in group.items()
            if isinstance(value, int | float) and (key == "lr" or key not in optimizer.defaults)
        ]


def _like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """Lay a moment out as its parameter: fused optimisers walk both in memory order (channels_last)."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
