"""Deterministic numbers for a state dict, from nothing but key, shape and dtype.

Only integer draws of numpy's PCG64 bit generator (a stable stream) and IEEE arithmetic
are used, so every machine and numpy version gives the same bits.
"""

import hashlib
import math

import numpy as np
import torch


def _raw(key, count):
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    return np.random.PCG64(seed).random_raw(count)


def uniform(key, count, low, high):
    return low + (high - low) * ((_raw(key, count) >> np.uint64(11)) * 2.0**-53)


def normal(key, count, std):
    """Sum of the four 16-bit pieces of each draw: bell-shaped, mean 0, exact everywhere."""
    total = _raw(key, count).view(np.uint16).reshape(count, 4).sum(1, dtype=np.int64)
    return (total - 131070) * (std / math.sqrt((65536.0**2 - 1) / 3))


def window_index(side):
    """Swin's relative_position_index for a side x side window (a formula, not a weight)."""
    y, x = np.divmod(np.arange(side * side), side)
    return (y[:, None] - y + side - 1) * (2 * side - 1) + x[:, None] - x + side - 1


def tensor(key, shape, dtype="float32"):
    last = key.rsplit(".", 1)[-1]
    n = math.prod(shape)
    if last == "num_batches_tracked":
        return torch.ones(shape, dtype=torch.int64)
    if last == "relative_position_index":
        return torch.from_numpy(window_index(math.isqrt(shape[0])))
    if last == "running_var":
        v = uniform(key, n, 0.5, 1.5)
    elif last == "running_mean" or last.endswith("bias"):
        v = normal(key, n, 0.1)
    elif n == 1 and last == "p":  # GeM exponent
        key = "_pool.0.p" if key.endswith("_pool.0.p") else key  # one module shared by all branches
        v = uniform(key, n, 2.8, 3.4)
    elif last in ("pixel_mean", "pixel_std"):  # ImageNet's, times 255 (buffers of old fast-reid)
        v = 255.0 * np.array([0.485, 0.456, 0.406] if last == "pixel_mean" else [0.229, 0.224, 0.225])
    elif last in (
        "cls_token",
        "pos_embed",
        "sie_embed",
        "cv_embed",
        "class_embedding",
        "positional_embedding",
        "cls_ctx",
        "token_prefix",
        "token_suffix",
    ):
        v = normal(key, n, 0.3)
    elif last == "relative_position_bias_table":
        v = normal(key, n, 0.5)
    elif len(shape) <= 1:  # weights of normalisation layers
        small = key.endswith(("bn3.weight", "conv3.bn.weight"))  # end of a residual branch
        v = uniform(key, n, 0.1, 0.5) if small else uniform(key, n, 0.5, 1.5)
    else:  # convolutions and linear layers
        cubic = key.endswith((".theta.weight", ".phi.weight", ".g.weight"))  # non-local block
        v = normal(key, n, (0.05 if cubic else 1.0) * math.sqrt(2.0 / math.prod(shape[1:])))
    return torch.from_numpy(v.astype(np.float32)).reshape(shape).to(getattr(torch, dtype))


def fill(layout):
    """{key: (shape, dtype)} -> {key: tensor}, same order."""
    return {k: tensor(k, tuple(s), d) for k, (s, d) in layout.items()}
