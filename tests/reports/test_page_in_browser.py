"""The page in headless Chromium, at the width of a phone and of a desktop, and printed: every block, hostile texts."""

import re
from pathlib import Path

import pytest

from strongreid.reports.page import Picture, Pictures, Section, Table, Text, Tile, TileRow, Tiles, write_page
from tests.reports.browser import DESKTOP, PHONE, Browser
from tests.reports.contrast import TEXT, contrast
from tests.reports.test_page import HOSTILE, PIXEL, page_of_everything

LONG = "a-name-without-any-place-to-break-it-" * 12


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "<b>page.html"
    write_page(path, HOSTILE + LONG, LONG, page_of_everything(HOSTILE) + page_of_everything(LONG))
    return path


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_a_page_of_everything_is_sound(browser: Browser, page: Path, width: int) -> None:
    seen = browser.look(page, width)
    assert seen.errors == []
    assert seen.requests == []
    assert seen.scripts == 0
    assert seen.broken_pictures == 0
    assert abs(seen.width - width) < 20, "the emulated width was not taken"
    assert seen.needed <= seen.width, "the page scrolls sideways"
    assert seen.own_scrolling >= 1, "long strips must scroll in their own box"
    assert seen.smallest_text >= 8 / 0.75, "text below 8 points"
    assert HOSTILE in seen.text


def test_the_page_follows_the_reader_s_theme(browser: Browser, page: Path) -> None:
    light, dark = (browser.look(page, DESKTOP, dark=dark).background for dark in (False, True))
    brightness = [sum(int(part) for part in color[4:-1].split(",")) for color in (light, dark)]
    assert brightness[0] > 600
    assert brightness[1] < 150


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out_from_what_is_behind_it(browser: Browser, page: Path, dark: bool) -> None:
    colors = browser.look(page, DESKTOP, dark=dark).colors
    assert len(colors) >= 6  # text, soft text, links, marks, captions on cards, and on paper
    for text, behind in colors:
        one, other = ([int(part) / 255 for part in re.findall(r"\d+", color)] for color in (text, behind))
        assert len(one) == len(other) == 3, "a colour that lets through what is behind it cannot be judged here"
        assert contrast(one, other) >= TEXT, f"{text} on {behind}"


PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="430" height="{}"/>'


def long_page(filling: int) -> list[Section]:
    """Every kind of block below a heading, again and again; `filling` lines of text shift them over the sheets."""
    figures = [Picture(f"data:image/svg+xml,{PICTURE.format(300)}", "", f"Figure {part}") for part in "ab"]
    single = [Picture(f"data:image/svg+xml,{PICTURE.format(440)}", "", "Single")]
    tiles = [Tile(Picture(PIXEL, "x"), "right", "1\nperson 1\ncam. 1") for _ in range(13)]
    sections = [Section("START", [Text(f"filling {line}") for line in range(filling)])]
    for number in range(3):
        sections += [
            Section(f"HEADING {number} figures", [Pictures(figures)], "LEAD " + "of some words " * 20),
            Section(f"HEADING {number} single", [Pictures(single)], "LEAD " + "of some words " * 20),
            Section(f"HEADING {number} tiles", [Tiles([TileRow("NAME", "NOTE", tiles)] * 3, "SUBHEADING")], "LEAD"),
            Section(f"HEADING {number} compact", [Tiles([TileRow("", "NOTE", tiles[:2])] * 8, "SUBHEADING", True)]),
            Section(f"HEADING {number} table", [Table(["COLUMN", "COLUMN"], [["cell", "cell"]] * 30)], "LEAD"),
        ]
    return sections


@pytest.mark.parametrize("filling", range(0, 27, 2))
def test_printed_no_heading_ends_a_sheet_and_figures_stand_side_by_side(
    browser: Browser, tmp_path: Path, filling: int
) -> None:
    write_page(tmp_path / "long.html", "Title", "subtitle", long_page(filling))
    sheets = browser.printed(tmp_path / "long.html")
    assert len(sheets) > 3
    assert sum(sheet.count("HEADING") for sheet in sheets) == 15 + 6  # SUBHEADING is one
    for sheet in sheets:
        last = sheet.rstrip().splitlines()[-1].strip()
        assert not re.match(r"HEADING|SUBHEADING|LEAD|NAME|NOTE|COLUMN|.*of some words", last), last
        assert sheet.count("Figure a") == sheet.count("Figure b")
    assert "Contents" not in "".join(sheets)


def test_this_browser_would_see_a_script_an_outside_request_and_a_wide_page(browser: Browser, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(
        "<body><p style='width: 3000px; font-size: 5px'>wide</p><img src='http://127.0.0.1:9/x.png'>"
        "<script>throw new Error('wrong')</script></body>"
    )
    seen = browser.look(broken, DESKTOP)
    assert any("wrong" in error for error in seen.errors)
    assert seen.requests == ["http://127.0.0.1:9/x.png"]
    assert seen.scripts == seen.broken_pictures == 1
    assert seen.needed > seen.width
    assert seen.smallest_text == 5
