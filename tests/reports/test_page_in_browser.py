"""The page in headless Chromium, at the width of a phone and of a desktop, with every block and hostile texts."""

from pathlib import Path

import pytest

from strongreid.reports.page import write_page
from tests.reports.browser import DESKTOP, PHONE, Browser
from tests.reports.test_page import HOSTILE, page_of_everything

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
