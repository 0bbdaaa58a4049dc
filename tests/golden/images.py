"""Deterministic test images, integer arithmetic only (same bytes everywhere)."""

import numpy as np

PLAIN = (11, 12)  # seeds; drawn at exactly the model's input size
CHAIN = ((1, 128, 64), (2, 301, 139))  # seed, height, width: one is enlarged, one is shrunk


def image(seed, height, width):
    """uint8 RGB, height x width x 3: folded ramps, four flat patches, pixel noise."""
    gen = np.random.PCG64(seed)
    y = np.arange(height)[:, None] * 1024 // height
    x = np.arange(width)[None, :] * 512 // width
    planes = []
    for a, b, c in (gen.random_raw(9) % np.uint64(512)).astype(np.int64).reshape(3, 3):
        ramp = (y * (a + 64) + x * (b + 64)) // 256 + c
        planes.append(np.abs(ramp % 510 - 255))
    out = np.stack(planes, 2)
    for top, left, tall, wide, *rgb in (gen.random_raw(28) % np.uint64(256)).astype(np.int64).reshape(4, 7):
        inside = (y >= top * 3) & (y < top * 3 + tall + 128) & (x >= left) & (x < left + wide // 2 + 64)
        out[inside] = out[inside] // 4 + np.array(rgb) * 3 // 4
    noise = (gen.random_raw(height * width * 3) % np.uint64(41)).astype(np.int64) - 20
    return np.clip(out + noise.reshape(out.shape), 0, 255).astype(np.uint8)


def plain(height, width):
    return [image(s, height, width) for s in PLAIN]


def chain():
    return [image(*c) for c in CHAIN]
