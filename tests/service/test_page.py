"""The page in headless Chromium, on a phone and on a desktop: the whole way, by mouse and by keyboard."""

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from strongreid.gallery.audit import AuditLog, read_log
from strongreid.service.app import create_app
from tests.reports.browser import PHONE, Browser, chromium
from tests.reports.contrast import TEXT, contrast
from tests.service.conftest import ANNA, BEN, USERS, Room
from tests.service.running import running

WIDE = 1400
NAME = "<img src=x onerror=window.ran=1>.jpg"
"""Of the photograph that is dropped."""
DROP = """
const [content, name, kind] = arguments;
const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name, { type: 'image/png' }));
const event = kind === 'paste'
  ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true })
  : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
document.getElementById('drop').dispatchEvent(event);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def address(room: Room, tmp_path: Path) -> Iterator[str]:
    app = create_app(room.served, USERS, AuditLog(tmp_path / "audit.jsonl"), two_person=True)
    with running(app) as found:
        yield found


class Page:
    """What a user does on the page."""

    def __init__(self, browser: Browser, address: str, width: int, token: str = ANNA) -> None:
        self.driver, self.address = browser.driver, address
        browser.resize(width)
        self.driver.get("about:blank")
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(f"{address}/#token={token}")
        self.wait("!document.getElementById('work').hidden")

    def wait(self, condition: str) -> None:
        WebDriverWait(self.driver, 20, 0.02).until(lambda driver: driver.execute_script(f"return {condition}"))

    def give(self, picture: bytes, kind: str = "drop") -> None:
        self.driver.execute_script(DROP, base64.b64encode(picture).decode(), NAME, kind)
        self.wait("!document.getElementById('search').disabled")

    def click(self, selector: str) -> None:
        element = self.driver.find_element(By.CSS_SELECTOR, selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def search(self) -> None:
        self.click("#search")
        self.wait("document.getElementById('status').textContent.startsWith('The ')")
        self.wait("[...document.images].every((image) => !image.src || image.complete)")

    def slide(self, threshold: float) -> None:
        self.driver.execute_script(
            "const one = document.getElementById('threshold'); one.value = arguments[0];"
            "one.dispatchEvent(new Event('input'))",
            threshold,
        )

    def assert_sound(self) -> None:
        """Nothing went wrong, nothing was asked elsewhere, nothing in names ran, nothing scrolls sideways."""
        assert self.driver.get_log("browser") == []
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        assert len(asked) > 5
        assert [url for url in asked if not url.startswith((self.address, f"blob:{self.address}", "data:"))] == []
        assert not [url for url in asked if ANNA in url or BEN in url]
        count = "document.querySelectorAll('{}').length".format
        state = f"return [window.ran, {count('script:not([src])')}, {count('img[src=x]')}]"
        assert self.driver.execute_script(state) == [None, 0, 0]
        wide, room = self.driver.execute_script(
            "const root = document.documentElement; return [root.scrollWidth, root.clientWidth]"
        )
        assert wide <= room, "the page scrolls sideways"


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_the_whole_way_drop_filter_threshold_confirm(
    browser: Browser, address: str, room: Room, tmp_path: Path, width: int
) -> None:
    page = Page(browser, address, width)
    page.give(room.paths[4].read_bytes())
    page.click("#cameras label:nth-child(2)")  # not camera 1
    page.search()
    cameras = page.texts("#strip .camera")
    assert len(cameras) == 20
    assert set(cameras) == {"0", "2"}
    page.wait("[...document.querySelectorAll('#strip img')].filter((image) => image.naturalWidth > 0).length === 20")

    distances = [float(text) for text in page.texts("#strip .distance")]
    assert distances == sorted(distances)
    assert "1.6 %" in page.texts("#rate")[0]  # the calibrated rate
    for threshold in (distances[5] + 1e-3, 1e-4):
        page.slide(threshold)
        same = len(page.driver.find_elements(By.CSS_SELECTOR, "#strip .tile.same"))
        assert same == sum(distance < threshold for distance in distances)
    assert "0.4 %" in page.texts("#rate")[0]  # the lowest that was measured

    page.click("#strip .tile:nth-child(2) > button:last-child")
    page.wait("document.getElementById('compare').open")
    page.wait(
        "document.getElementById('compare-query').naturalWidth && document.getElementById('compare-hit').naturalWidth"
    )
    page.click("#confirm")
    page.wait("!document.getElementById('compare').open")
    page.wait("!document.getElementById('waiting').hidden")
    assert "a second person is needed" in page.texts("#strip .tile:nth-child(2) .confirmed")[0]
    page.assert_sound()

    other = Page(browser, address, width, BEN)
    assert other.texts("#waiting .confirmed") == ["Confirmed by anna"]
    other.click("#waiting .look")
    other.wait(
        "document.getElementById('compare-query').naturalWidth && document.getElementById('compare-hit').naturalWidth"
    )
    other.click("#confirm")
    other.wait("document.getElementById('waiting').hidden")
    assert other.texts("#status") == ["Confirmed by anna, ben."]
    other.assert_sound()
    confirmed = [
        (line.who, line.details["counts"]) for line in read_log(tmp_path / "audit.jsonl") if line.event == "confirm"
    ]
    assert confirmed == [("anna", False), ("ben", True)]


def test_a_pasted_frame_is_searched_by_a_drawn_and_by_a_typed_box(browser: Browser, address: str, room: Room) -> None:
    person = Image.open(room.paths[6])
    frame, written = Image.new("RGB", (640, 360), "gray"), io.BytesIO()
    frame.paste(person, (300, 100))
    frame.save(written, "PNG")
    page = Page(browser, address, WIDE)
    page.give(written.getvalue(), "paste")
    canvas = page.driver.find_element(By.ID, "picture")
    scale = canvas.size["width"] / 640
    left, top = 300 - 320, 100 - 180
    ActionChains(page.driver).move_to_element_with_offset(
        canvas, left * scale, top * scale
    ).click_and_hold().move_by_offset(person.width * scale, person.height * scale).release().perform()
    drawn = [int(page.driver.find_element(By.ID, f"box-{side}").get_attribute("value") or 0) for side in "xywh"]
    assert max(abs(one - other) for one, other in zip(drawn, (300, 100, *person.size), strict=True)) <= 3
    page.click("#about-picture summary")
    for side, value in zip("xywh", (300, 100, *person.size), strict=True):
        field = page.driver.find_element(By.ID, f"box-{side}")
        field.clear()
        field.send_keys(str(value), Keys.TAB)
    page.search()
    assert page.texts("#strip .distance")[0] == "0.000"
    page.assert_sound()


def test_by_keyboard_alone_and_named_for_those_who_cannot_see(browser: Browser, address: str, room: Room) -> None:
    page = Page(browser, address, WIDE)
    page.driver.find_element(By.ID, "file").send_keys(str(room.paths[0].absolute()))  # what the system's dialog gives
    page.wait("!document.getElementById('search').disabled")
    page.driver.find_element(By.ID, "person").send_keys(Keys.ENTER)
    page.wait("document.activeElement.id === 'found'")
    keys = ActionChains(page.driver)
    for _ in range(3):  # the slider, how it was measured, the first picture
        keys.send_keys(Keys.TAB)
    keys.send_keys(Keys.ARROW_RIGHT, Keys.ENTER).perform()
    page.wait("document.getElementById('compare').open")
    assert "distance" in page.texts("#compare-caption")[0]
    ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
    page.wait("!document.getElementById('compare').open")
    nameless = page.driver.execute_script(
        "return [...document.querySelectorAll('button, input, select, output')].filter((one) =>"
        " !one.textContent.trim() && !one.ariaLabel && !(one.labels && one.labels.length)).map((one) => one.outerHTML)"
    )
    assert nameless == []


def test_what_the_service_refuses_is_said_on_the_page(browser: Browser, address: str) -> None:
    page = Page(browser, address, PHONE)
    page.give(b"no picture at all")
    page.click("#search")
    page.wait("document.getElementById('status').classList.contains('wrong')")
    assert "is no picture" in page.texts("#status")[0]
    assert NAME in page.texts("#picture-note")[0]
    assert page.driver.execute_script("return window.ran") is None


def test_a_wrong_token_is_said_and_a_typed_one_signs_in(browser: Browser, address: str) -> None:
    page = Page(browser, address, PHONE)
    page.click("#sign-out")
    page.wait("document.activeElement.id === 'token'")
    for typed, text in (("wrong-" + BEN, "This token is nobody"), (BEN, "")):
        page.driver.find_element(By.ID, "token").send_keys(typed, Keys.ENTER)
        page.wait(f"document.getElementById('sign-in-problem').textContent.startsWith('{text}')")
    page.wait("document.getElementById('about').textContent.endsWith('signed in as ben')")
    assert page.driver.execute_script("return location.href").endswith("/")


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out_from_what_is_behind_it(browser: Browser, address: str, room: Room, dark: bool) -> None:
    page = Page(browser, address, WIDE)
    page.give(room.paths[0].read_bytes())
    page.search()
    browser.resize(WIDE, dark=dark)
    colors = browser.measure()["colors"]
    assert len(colors) >= 6
    for text, behind in colors:
        one, other = ([int(part) / 255 for part in re.findall(r"\d+", color)] for color in (text, behind))
        assert contrast(one, other) >= TEXT, f"{text} on {behind}"
