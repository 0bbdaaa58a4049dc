"""Several processes, one model: what makes a training the same whatever the number of its processes.

Each process holds an equal share of one global batch. The losses see all of it, so features are gathered with gradient;
so do the statistics of batch normalisation, which PyTorch takes from each process's share by default. Both need one
primitive, a sum over processes that gradients flow through: each process's gradient of it is the sum of all processes'.
As every process computes the whole loss, gradients come out as many times too large as there are processes, which
averaging over processes (DistributedDataParallel) takes back.
"""

from collections.abc import Set

import torch
import torch.distributed as distributed
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from strongreid.errors import InputError
from strongreid.losses.distance import at_least_float32
from strongreid.models import ReIDModel
from strongreid.models.backbones import ActivatedBatchNorm


def share(count: int, fabric: Fabric) -> slice:
    """Return this process's part of a global batch of `count` images, a multiple of the number of processes."""
    each = count // fabric.world_size
    return slice(fabric.global_rank * each, (fabric.global_rank + 1) * each)


def gather(values: Tensor, fabric: Fabric) -> Tensor:
    """Join the rows [B / processes, D] of all processes, in the order of `share`: [B, D], with gradient."""
    if fabric.world_size == 1:
        return values
    before, after = fabric.global_rank, fabric.world_size - fabric.global_rank - 1
    rows = len(values)
    return _sum_over_processes(F.pad(values, (0, 0, before * rows, after * rows)))  # adding zeros changes no bit


def share_batch_statistics(model: nn.Module, fabric: Fabric) -> None:
    """Replace every batch normalisation in `model` by one over all processes; parameters and their names stay.

    Doing it again changes nothing. `InputError` for a kind of batch normalisation of which that is not known to be the
    same.
    """
    if fabric.world_size == 1:
        return
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm) and not isinstance(child, GlobalBatchNorm | nn.SyncBatchNorm):
                setattr(parent, name, _over_processes(child, fabric.device))


def freeze_unreached(model: ReIDModel, features: Set[str], fabric: Fabric) -> None:
    """Freeze what no loss on `features` reaches: several processes would wait for its gradient, which never comes."""
    if fabric.world_size == 1 or "logits" in features:
        return
    model.classifier.requires_grad_(False)
    if "necked" not in features:
        model.neck.requires_grad_(False)


class GlobalBatchNorm(_BatchNorm):
    """Batch normalisation of [B, C, ...] over the equal shares of all processes, on any device.

    On GPUs PyTorch's SyncBatchNorm does the same, faster; it refuses CPUs.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Normalise as `torch.nn.BatchNorm2d` would the images of all processes together; same shape and type."""
        if not self.training:
            mean, variance, weight, bias = self.running_mean, self.running_var, self.weight, self.bias
            return F.batch_norm(values, mean, variance, weight, bias, eps=self.eps)
        wide = at_least_float32(values)
        dims = [dim for dim in range(values.ndim) if dim != 1]
        processes = distributed.get_world_size()
        mean = _sum_over_processes(wide.mean(dims, keepdim=True)) / processes
        centred = wide - mean
        variance = _sum_over_processes(centred.square().mean(dims, keepdim=True)) / processes
        self._remember(mean.detach().flatten(), variance.detach().flatten(), wide.numel() // wide.shape[1] * processes)
        shape = mean.shape
        normalised = centred * ((variance + self.eps).rsqrt() * self.weight.view(shape)) + self.bias.view(shape)
        return normalised.to(values.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as PyTorch does: with the unbiased variance of `count` values."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var.dtype), self.momentum)
        self.num_batches_tracked += 1


def _over_processes(norm: _BatchNorm, device: torch.device) -> nn.Module:
    """Build the normalisation over all processes that has the very parameters and buffers of `norm`."""
    then_activates = type(norm) is ActivatedBatchNorm
    known = then_activates or type(norm).forward is _BatchNorm.forward  # others may do something else
    if not (known and norm.affine and norm.track_running_stats and norm.momentum is not None):
        raise InputError(
            f"The network's {type(norm).__name__} cannot take its statistics over several processes. "
            "Train it in one process, or choose another `backbone`."
        )
    kind = nn.SyncBatchNorm if device.type == "cuda" else GlobalBatchNorm
    shared = kind(norm.num_features, eps=norm.eps, momentum=norm.momentum)
    shared.weight, shared.bias = norm.weight, norm.bias
    shared.running_mean, shared.running_var = norm.running_mean, norm.running_var
    shared.num_batches_tracked = norm.num_batches_tracked
    shared.training = norm.training
    if then_activates:
        shared.drop, shared.act = norm.drop, norm.act
        shared.register_forward_hook(lambda module, given, normalised: module.act(module.drop(normalised)))
    return shared


def _sum_over_processes(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)
    return total


class _Sum(torch.autograd.Function):
    """Sum over processes. What each of them does with the sum changes it for all, so gradients are summed too."""

    @staticmethod
    def forward(context: object, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return _sum_over_processes(gradient)
