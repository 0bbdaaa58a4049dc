"""The page's files, as they lie in the package: no template, nothing from elsewhere, no script in the HTML."""

from functools import cache
from pathlib import Path
from typing import Final

from fastapi import Response

PAGE: Final = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "api.js": "text/javascript",
    "find.js": "text/javascript",
    "photograph.js": "text/javascript",
    "results.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""Files beside index.html, and their types."""


def page_answer(name: str = "index.html") -> Response:
    """Return one of the page's files."""
    return Response(_content(name), media_type=PAGE.get(name, "text/html"))


@cache
def _content(name: str) -> bytes:
    return (Path(__file__).parent / "page" / name).read_bytes()
