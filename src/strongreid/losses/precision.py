"""In which precision a loss is computed: at least float32, whatever the network around it runs in.

Squared distances of 2048 values overflow float16 and lose their differences in bfloat16. Half types are therefore
raised to float32 and autocast is switched off inside a loss; float64 stays float64.
"""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Raise float16 and bfloat16 to float32; float32 and float64 come back as they are. Any shape, differentiable."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def without_autocast(values: Tensor) -> torch.autocast:
    """Give the context that switches autocast off on the device of `values`."""
    return torch.autocast(device_type=values.device.type, enabled=False)
