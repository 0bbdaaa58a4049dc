"""Addresses of galleries that are not there yet, in whatever keeps their rows."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

SERVER = """
import sys
from milvus import MilvusServer
server = MilvusServer()
server.set_base_dir(sys.argv[1])
server.start()
print(server.listen_port, flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Milvus server, which runs on this machine for as long as the tests do."""
    pytest.importorskip("pymilvus", reason="Milvus is an extra of its own")
    if find_spec("milvus") is None:
        pytest.skip("no Milvus server is here: pip install --no-deps milvus")
    words = [sys.executable, "-c", SERVER, str(tmp_path_factory.mktemp("milvus"))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            _, said = process.communicate()
            pytest.skip(f"the Milvus server does not start: {said.decode()[-300:]}")
        yield f"http://127.0.0.1:{int(port)}"
        process.communicate()


@pytest.fixture(params=["lance", "milvus lite", "milvus server"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "milvus server":
        server: str = request.getfixturevalue("milvus_server")
        client = import_module("pymilvus").MilvusClient(server)
        for collection in client.list_collections():
            client.drop_collection(collection)
        client.close()
        return server
    if request.param == "milvus lite":
        pytest.importorskip("pymilvus", reason="Milvus is an extra of its own")
        pytest.importorskip("milvus_lite", reason="Milvus Lite does not come for every system")
    return str(tmp_path / ("gallery" if request.param == "lance" else "gallery.db"))


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "gallery")
