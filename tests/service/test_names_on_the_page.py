"""The page with people, cameras and tracks that have names, and with the long numbers of names that were not kept."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strongreid.gallery import Gallery
from strongreid.gallery.audit import AuditLog
from strongreid.names import FIRST_OF_NAMES
from strongreid.pixels import read_image
from strongreid.service.app import create_app
from strongreid.service.uploads import small_jpeg
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


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_names_are_shown_and_filtered_by(width: int, browser: Browser, room: Room, tmp_path: Path) -> None:
    lobby, long = "<img src=x onerror=window.ran=1>", "w" * 512
    gallery = Gallery.open(str(tmp_path / "gallery"))
    columns = {"person": ["anna", "ben"] * 4, "camera": [lobby] * 4 + [long] * 4, "track": "t"}
    small = [small_jpeg(read_image(path)) for path in room.paths[:8]]
    gallery.add(room.features[:8], model=MODEL, thumbnail=small, **columns)
    app = create_app(replace(room.served, gallery=gallery), USERS, AuditLog(tmp_path / "audit.jsonl"))
    with running(app) as address:
        page = Page(browser, address, width)
        page.give(room.paths[0].read_bytes())
        page.search()
        assert set(page.texts("#strip .camera")) == {lobby, long}
        assert "person anna · track t" in page.texts(".facts p")
        script = "return [...document.querySelectorAll('.tile')].map((one) => [one.scrollWidth, one.clientWidth])"
        sizes = page.driver.execute_script(script)
        assert all(needed <= there for needed, there in sizes), sizes
        chips = page.texts("#cameras label")
        assert len(chips) == 2
        page.click(f"#cameras label:nth-child({1 + chips.index(next(one for one in chips if one.startswith('w')))})")
        page.driver.execute_script("document.getElementById('person').value = 'anna'")
        page.search()
        page.wait("document.querySelectorAll('.tile').length === 2")
        assert set(page.texts("#strip .camera")) == {lobby}
        page.click(".tile .look")
        page.wait("document.getElementById('compare').open")
        assert page.texts("#compare-caption")[0].startswith(f"Camera {lobby}, ")
        page.assert_sound()
