"""Whatever is read, on figures and pages, stands out from its background: 4.5 : 1 at least, light and dark."""

import re
from importlib.resources import files

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from strongreid.reports.strips import QueryRow, Strip, strips_figure
from tests.reports.contrast import TEXT, contrast

CSS = (files("strongreid.reports") / "templates" / "page.css").read_text(encoding="utf-8")
CARD = "#fff"
"""Cards stay white in the dark: figures are drawn on white."""


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the well-known grey that just fails
    assert contrast("#ff0000", "#ffffff") == pytest.approx(4.00, abs=0.005)


def background_of(text: Text) -> object:
    """The colour of a text's own box, where it has one that is opaque, or the figure's white."""
    box = text.get_bbox_patch()
    return box.get_facecolor() if isinstance(box, FancyBboxPatch) and box.get_alpha() is None else "white"


def test_every_text_and_tick_of_every_figure_can_be_read(every_figure: list[Figure]) -> None:
    grey = np.full((3, 128, 64), 128, dtype=np.uint8)
    strips = strips_figure([QueryRow(grey, {"network": Strip([grey] * 2, [True, False], 0.5)}, "occluded")], "Found")
    read = 0
    for figure in (*every_figure, strips):
        figure.draw_without_rendering()
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text():
                read += 1
                assert contrast(text.get_color(), background_of(text)) >= TEXT, text.get_text()
        for tick in [
            tick for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_ticklines()
        ]:
            assert contrast(tick.get_color(), "white") >= TEXT
    assert read > 100


def scheme(name: str) -> dict[str, str]:
    """The colours of the page's light or dark scheme; the dark one changes what it names."""
    found = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    assert len(found) == 2
    colors = dict(re.findall(r"--(\w+): (#\w+)", found[0]))
    return colors if name == "light" else colors | dict(re.findall(r"--(\w+): (#\w+)", found[1]))


@pytest.mark.parametrize("name", ["light", "dark"])
def test_every_text_colour_of_the_page_can_be_read(name: str) -> None:
    colors = scheme(name)
    rules = re.findall(r"([^{};/]+)\{([^{}]*?(?<![-\w])color: ([^;]+);[^{}]*)\}", CSS)
    assert len(rules) > 15
    for selector, body, value in rules:
        color = colors[value[6:-1]] if value.startswith("var(--") else value
        own = re.search(r"background: (#\w+)", body)
        for background in [own[1]] if own else [colors["paper"], colors["faint"]]:
            if ".card" in selector:
                background = CARD
            assert contrast(color, background) >= TEXT, f"{selector}: {value} on {background}"
