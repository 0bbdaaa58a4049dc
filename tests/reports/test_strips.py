from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from strongreid.reports.drawing import RIGHT, WRONG
from strongreid.reports.strips import DPI, STEP, QueryRow, Strip, draw_strips, strips_figure

GREY = np.full((3, 128, 64), 128, dtype=np.uint8)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def pixels_of(path: Path, color: str) -> np.ndarray:
    """Columns of the pixels that have a colour, rising."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    wanted = [int(color[start : start + 2], 16) for start in (1, 3, 5)]
    return np.sort((np.abs(pixels - wanted).max(axis=2) < 12).nonzero()[1])


def test_right_and_wrong_images_have_frames_of_their_colours_in_order(tmp_path: Path) -> None:
    row = QueryRow(GREY, {"model": Strip([GREY, GREY], [True, False], 0.5)})
    draw_strips([row], tmp_path / "strips.png", title="Found")
    green, red = (pixels_of(tmp_path / "strips.png", color) for color in (RIGHT, WRONG))
    assert len(green) > 300
    assert len(red) > 300
    assert green.max() < red.min()
    assert abs((red.min() - green.min()) - STEP * DPI) < 3


def test_right_and_wrong_are_told_apart_without_colours() -> None:
    figure = strips_figure([QueryRow(GREY, {"model": Strip([GREY] * 3, [True, False, True], 0.5)})], "Found")
    (axes,) = figure.axes
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)][1:]
    assert [frame.get_linestyle() == "-" for frame in frames] == [True, False, True]
    marks = [text.get_text() for text in axes.texts if text.get_text() in ("✓", "✗")]
    assert marks == ["✓", "✗", "✓"]


def test_each_network_has_a_column_and_each_query_its_precision_and_label() -> None:
    found, nobody = Strip([GREY] * 6, [False] * 6, 0.256), Strip([GREY], [False], float("nan"))
    rows = [
        QueryRow(GREY, {"$before_": found, "after": found}, "occluded"),
        QueryRow(GREY, {"$before_": nobody, "after": found}),
    ]
    figure = strips_figure(rows, "Found")
    shown = texts(figure)
    assert shown.count("AP 26 %") == 3
    assert shown.count("no match") == 1
    assert shown.count("occluded") == 1
    assert {"$before_", "after", "Found", "1", "6"} <= set(shown)
    assert "7" not in shown
    by_name = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert by_name["$before_"][0] < by_name["after"][0]


def test_twelve_queries_and_three_networks_lie_beside_each_other_and_nothing_overlaps() -> None:
    strip = Strip([GREY] * 6, [True] * 6, 1.0)
    names = ["untrained", "standard baseline", "bag of tricks"]
    figure = strips_figure([QueryRow(GREY, dict.fromkeys(names, strip), "occluded") for _ in range(12)], "Found")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [image.get_window_extent() for image in axes.images]
    assert len(boxes) == 12 * (1 + 3 * 6)
    boxes += [text.get_window_extent() for text in axes.texts if text.get_text() not in ("", "✓", "✗")]
    bounds = np.array([[box.x0, box.y0, box.x1, box.y1] for box in boxes])
    assert (bounds[:, :2] >= 0).all()
    assert (bounds[:, 2] <= figure.bbox.x1).all()
    assert (bounds[:, 3] <= figure.bbox.y1).all()
    apart = (bounds[:, None, :2] >= bounds[None, :, 2:] - 0.5).any(axis=2)  # one begins where the other ends
    assert (apart | apart.T | np.eye(len(bounds), dtype=bool)).all()
    assert min(text.get_fontsize() for text in axes.texts) >= 7


def test_rows_of_nothing_found_are_drawn(tmp_path: Path) -> None:
    empty = Strip([], [], float("nan"))
    draw_strips([QueryRow(GREY, {"n" * 99: empty}, "caf\udce9")], tmp_path / "strips.png", title="日本")
    with Image.open(tmp_path / "strips.png") as image:
        assert image.width > image.height > 100
