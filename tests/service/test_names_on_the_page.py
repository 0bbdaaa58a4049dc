"""The page with people, cameras and tracks that a table names: galleries keep a number of 19 digits for each name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strongreid.gallery import Gallery
from strongreid.gallery.audit import AuditLog
from strongreid.names import FIRST_OF_NAMES
from strongreid.service.app import create_app
from tests.reports.browser import PHONE, Browser, chromium
from tests.service.conftest import MODEL, USERS, Room
from tests.service.running import running
from tests.service.test_page import WIDE, Page

LONG = FIRST_OF_NAMES + 12_345_678_901


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_long_numbers_neither_widen_a_tile_nor_are_shown_rounded(
    width: int, browser: Browser, room: Room, tmp_path: Path
) -> None:
    gallery = Gallery.open(str(tmp_path / "gallery"))
    gallery.add(room.features[:8], model=MODEL, person=[3] * 8, camera=[LONG] * 8, track=range(LONG, LONG + 8))
    app = create_app(replace(room.served, gallery=gallery), USERS, AuditLog(tmp_path / "audit.jsonl"))
    with running(app) as address:
        page = Page(browser, address, width)
        page.give(room.paths[0].read_bytes())
        page.click("#search")
        page.wait("document.querySelectorAll('.tile').length === 8")
        script = "return [...document.querySelectorAll('.tile')].map((one) => [one.scrollWidth, one.clientWidth])"
        sizes = page.driver.execute_script(script)
        assert all(needed <= there for needed, there in sizes), sizes
        said = page.driver.execute_script("return document.querySelector('.tile').innerText")
        assert "person 3" in said
        assert "track" not in said
