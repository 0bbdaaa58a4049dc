"""Headless Chromium for tests: opens a page from disk and tells what went wrong, and what it asked of the network."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PHONE, DESKTOP = 390, 1280
"""Widths in CSS pixels."""
SWITCHES = (
    "--headless",
    "--no-sandbox",  # CI runs as root, where Chromium refuses its sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Seen:
    """What a browser made of a page."""

    errors: list[str]
    """Messages of the console, of any level."""
    requests: list[str]
    """Addresses that were asked for, but for the page itself and what lies in it."""
    text: str
    """The visible text."""
    width: int
    """Width of the window that the page has, in CSS pixels."""
    needed: int
    """Width that the page takes: more than `width` where it scrolls sideways."""
    own_scrolling: int
    """How many boxes scroll sideways inside themselves."""
    wide_tables: int
    """How many of them hold a table."""
    scripts: int
    """How many script elements there are."""
    broken_pictures: int
    """How many pictures could not be shown."""
    smallest_text: float
    """The smallest font size of any text, in CSS pixels."""
    background: str
    """The page's colour."""
    colors: list[tuple[str, str]]
    """Each colour of a text with the colour behind it, as the browser writes them, such as "rgb(0, 0, 0)"."""


class Browser:
    """One headless Chromium."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    @property
    def driver(self) -> webdriver.Chrome:
        """Selenium's driver, for pages that are used rather than looked at."""
        return self._driver

    def resize(self, width: int, *, dark: bool = False) -> None:
        """Give the window a width in CSS pixels, and a theme."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})

    def measure(self) -> dict[str, Any]:
        """Return what `MEASURE` says of the page that is open."""
        measured: dict[str, Any] = self._driver.execute_script(MEASURE)
        return measured

    def look(self, page: Path, width: int, *, dark: bool = False) -> Seen:
        """Open a page from disk at a width in CSS pixels."""
        self.resize(width, dark=dark)
        self._driver.get("about:blank")
        self._driver.get_log("browser")
        self._driver.get_log("performance")
        self._driver.get(page.as_uri())
        found = self.measure()
        events = [json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        outside = [url for url in asked if url != page.as_uri() and not url.startswith("data:")]
        errors = [entry["message"] for entry in self._driver.get_log("browser")]
        return Seen(errors=errors, requests=outside, **found)

    def printed(self, page: Path) -> list[str]:
        """Print a page on A4 and return the text of each sheet, in reading order; skips where poppler is not there."""
        if shutil.which("pdftotext") is None:
            pytest.skip("there is no pdftotext here: apt-get install poppler-utils")
        self._driver.get(page.as_uri())
        paper = {"paperWidth": 8.27, "paperHeight": 11.69}
        printed = base64.b64decode(self._driver.execute_cdp_cmd("Page.printToPDF", paper)["data"])
        command = ["pdftotext", "-layout", "-", "-"]
        text = subprocess.run(command, input=printed, stdout=subprocess.PIPE, check=True).stdout.decode()
        return text.removesuffix("\f").split("\f")


MEASURE = """
const root = document.documentElement;
const sizes = [];
const colors = new Set();
function note(box, pseudo) {
  let behind = box;
  while (behind && getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
  const back = behind ? getComputedStyle(behind).backgroundColor : 'rgb(255, 255, 255)';
  colors.add(getComputedStyle(box, pseudo).color + '|' + back);
}
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const box = walk.currentNode.parentElement;
  if (walk.currentNode.textContent.trim() && box.getClientRects().length) {
    sizes.push(parseFloat(getComputedStyle(box).fontSize));
    note(box, null);
    if (getComputedStyle(box, '::before').content !== 'none') note(box, '::before');
  }
}
return {
  text: document.body.innerText,
  width: root.clientWidth,
  needed: root.scrollWidth,
  own_scrolling: [...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).length,
  wide_tables: [...document.querySelectorAll('.scroll:has(table)')].filter(box => box.scrollWidth > box.clientWidth)
    .length,
  scripts: document.scripts.length,
  broken_pictures: [...document.images].filter(image => !image.complete || !image.naturalWidth).length,
  smallest_text: Math.min(...sizes),
  background: getComputedStyle(document.body).backgroundColor,
  colors: [...colors].map(pair => pair.split('|')),
};
"""


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Start Chromium with its profile below `folder`; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("there is no Chromium with its driver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in (*SWITCHES, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(started)
    finally:
        started.quit()
