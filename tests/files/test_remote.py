"""Files behind addresses: fetched whole, bounded, and only from where a table may send us."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from strongreid.errors import InputError
from strongreid.files import fetch, local_path, require_schemes, scheme_of


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    system.pipe_file("/room/person.jpg", b"0123456789")
    yield system
    system.rm("/room", recursive=True)


@pytest.mark.usefixtures("memory")
def test_a_file_comes_whole_or_not_at_all() -> None:
    assert fetch("memory://room/person.jpg") == b"0123456789"
    assert fetch("memory://room/person.jpg", most=10) == b"0123456789"
    with pytest.raises(InputError, match="more than 9 bytes"):
        fetch("memory://room/person.jpg", most=9)
    with pytest.raises(InputError, match=r"There is no memory://room/other\.jpg"):
        fetch("memory://room/other.jpg")


def test_a_web_server_is_read_where_the_library_is(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="fsspec reads http:// with aiohttp, which is not installed")
    (tmp_path / "person.jpg").write_bytes(b"01234")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        assert fetch(f"{address}/person.jpg") == b"01234"
        with pytest.raises(InputError, match="There is no http"):
            fetch(f"{address}/none.jpg")
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.mark.parametrize(
    "address",
    [
        "simplecache::s3://bucket/x.jpg",
        "simplecache://x",
        "zip://person.jpg::memory://x.zip",
        "github://owner:name@main/x.jpg",
        "sftp://host/x.jpg",
        "reference://x",
        "file://host/x.jpg",
        "local:///etc/passwd",
    ],
)
def test_other_addresses_are_not_fetched(address: str) -> None:
    with pytest.raises(InputError):
        fetch(address)
    if scheme_of(address):
        with pytest.raises(InputError, match="is not fetched"):
            require_schemes(["person.jpg", address])


def test_a_library_that_is_missing_is_named() -> None:
    missing = [scheme for scheme in ("gs", "az", "s3") if not _installed(scheme)]
    for scheme in missing:
        with pytest.raises(InputError, match=f"{scheme}://... is fetched through fsspec, which says"):
            require_schemes([f"{scheme}://bucket/person.jpg"])
    require_schemes(["memory://room/person.jpg", "room/person.jpg", "/room/person.jpg"])


def _installed(scheme: str) -> bool:
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError:
        return False
    return True


def test_addresses_and_paths_are_told_apart() -> None:
    assert scheme_of("s3://bucket/x.jpg") == "s3"
    assert [scheme_of(path) for path in ("x.jpg", "/x/y.jpg", "a/s3://b", "c:/x.jpg", "//x", "://x")] == [None] * 6
    assert local_path("file:///x/y.jpg") == "/x/y.jpg"
    assert [local_path(path) for path in ("s3://x/y", "x/y", "file://host/x")] == ["s3://x/y", "x/y", "file://host/x"]
