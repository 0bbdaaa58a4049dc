from pathlib import Path

import numpy as np
from PIL import Image

from strongreid.reports.strips import Strip, draw_strips


def test_right_and_wrong_images_are_framed_green_and_red(tmp_path: Path) -> None:
    grey = np.full((3, 128, 64), 128, dtype=np.uint8)
    strip = Strip("model", grey, [grey, grey], [True, False])
    draw_strips([[strip]], tmp_path / "strips.png", title="Found")
    pixels = np.asarray(Image.open(tmp_path / "strips.png").convert("RGB")).astype(int)
    green = (np.abs(pixels - (26, 152, 80)).max(axis=2) < 12).nonzero()[1]
    red = (np.abs(pixels - (215, 48, 39)).max(axis=2) < 12).nonzero()[1]
    assert len(green) > 100
    assert len(red) > 100
    assert green.max() < red.min()
