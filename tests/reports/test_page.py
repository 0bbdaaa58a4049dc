"""The page as text: nothing that comes from outside is ever taken for HTML. `test_page_in_browser.py` opens it."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from strongreid.reports.page import (
    Headline,
    Headlines,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    Tile,
    TileRow,
    Tiles,
    write_page,
)

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> & {{ 7 * 7 }} {% raw %}"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def page_of_everything(text: str) -> list[Section]:
    """Every kind of block, with `text` wherever a text can be."""
    picture = Picture(PIXEL, text, text, wide=True)
    return [
        Section(text, [Headlines([Headline(text, text, text, (0.1, 0.2, 0.3))]), Text(text)], text),
        Section(text, [Table([text, text], [[text, text]] * 2, text)], text),
        Section(text, [Table([text, text], [[text, text]], text, "text", folded=text, title=text)]),
        Section(text, [Pictures([picture, picture])], text),
        Section(text, [Pictures([picture]), Tiles([TileRow(text, text, [Tile(picture, "right", text)] * 30)], text)]),
        Section(text, [Tiles([TileRow(text, text, [Tile(picture, "left_out", text)])], text, compact=True)]),
        Section(text, [Tiles([TileRow(text, text, [Tile(text, "wrong", text), Tile(text, "query", text)])], text)]),
    ]


class Elements(HTMLParser):
    """Collects the names of elements and of attributes, and the page's text."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_hostile_texts_are_text_wherever_they_stand(tmp_path: Path) -> None:
    write_page(tmp_path / "plain.html", "plain", "plain", page_of_everything("plain"))
    write_page(tmp_path / "hostile.html", HOSTILE, HOSTILE, page_of_everything(HOSTILE))
    plain, hostile = Elements(), Elements()
    plain.feed((tmp_path / "plain.html").read_text())
    hostile.feed((tmp_path / "hostile.html").read_text())
    assert "script" not in plain.names
    assert (hostile.names, hostile.attributes) == (plain.names, plain.attributes)
    assert sum(HOSTILE in part for part in hostile.text) == sum(part.count("plain") for part in plain.text) > 60


def test_the_page_forbids_the_browser_to_load_anything(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", "t", "s", page_of_everything("x"))
    text = (tmp_path / "page.html").read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    rules = dict(rule.split(" ", 1) for rule in unescape(policy).split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert set(rules) == {"default-src", "img-src", "style-src", "base-uri", "form-action"}
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert not re.search(r"https?://|url\(|@import", text)


def test_each_section_has_an_address_of_its_own_that_the_contents_name(tmp_path: Path) -> None:
    titles = ["Result", "result!", "日本", "日本", "Result", "section-2", "<a b>"]
    write_page(tmp_path / "page.html", "t", "s", [Section(title, []) for title in titles])
    text = (tmp_path / "page.html").read_text()
    anchors = re.findall(r'<section id="([^"]+)"', text)
    assert len(set(anchors)) == len(titles) == len(anchors)
    assert re.findall(r'<a href="#([^"]+)"', text) == anchors
    assert anchors[0] == "result"
    assert all(re.fullmatch("[a-z0-9-]+", anchor) for anchor in anchors)


def test_a_file_name_that_is_no_unicode_is_spelt_out(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    write_page(tmp_path / "page.html", name, "s", [Section("x", [Text(name)])])
    assert "caf\\udce9.jpg" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_made_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(path, "first", "s", [])
    with pytest.raises(TypeError):
        write_page(path, "second", "s", [Section("x", [Headlines([Headline("a", "b", span=(0.1, None, 0.2))])])])  # type: ignore[arg-type]
    assert "first" in path.read_text()
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_a_table_without_a_head_has_none(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", "t", "s", [Section("x", [Table(["", ""], [["a", "b"]])])])
    assert "<thead>" not in (tmp_path / "page.html").read_text()
