"""`strongreid serve` and `audit verify` as whole commands: refusals, a real start, a graceful stop."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from strongreid.cli import main
from strongreid.errors import InputError
from strongreid.gallery import Gallery
from strongreid.gallery.audit import AuditLog, read_log
from strongreid.models import Calibrated, ReIDModel, embed, write_calibrated
from strongreid.models.fingerprint import model_fingerprint
from strongreid.service.server import listen

GUIDE = Path(__file__).parents[2] / "docs" / "service.md"
ANNA, BEN = "anna-has-a-long-token", "ben-has-another-token"


@pytest.fixture(scope="module")
def here(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model in `runs/own`, its gallery and users; read it, and write only logs."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "runs").mkdir()
    network = ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32)).eval()
    network.save(folder / "runs" / "own" / "model.safetensors")
    write_calibrated(folder / "runs" / "own", Calibrated(0.2, 0.01, 0.9, "drawn"))
    paths = sorted((drawn / "query").glob("*.jpg"))
    Gallery.open(folder / "gallery").add(embed(network, paths), model=model_fingerprint(network), camera=1)
    (folder / "users.txt").write_text(f"anna:{ANNA}\nben:{BEN}\n")
    (folder / "users.txt").chmod(0o600)
    (folder / "person.jpg").write_bytes(paths[0].read_bytes())
    return folder


def start(here: Path, *words: str, **environment: str) -> tuple[subprocess.Popen[str], str, str]:
    """Start a service at a free port; its process, its address and what it said until then."""
    command = [
        sys.executable,
        "-m",
        "strongreid",
        "serve",
        "--gallery",
        "gallery",
        "--model",
        "runs/own",
        "--port",
        "0",
    ]
    process = subprocess.Popen(
        [*command, *words], cwd=here, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    said = ""
    assert process.stderr is not None
    for line in process.stderr:
        said += line
        if found := re.search(r"http://\S+", line):
            return process, found[0], said
    raise AssertionError(said)


def test_a_service_starts_answers_and_finishes_what_runs_when_it_is_stopped(here: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(b'{"number":1,"ti')
    process, url, said = start(here, "--audit", str(log), "--two_person", STRONGREID_TOKEN=f"anna:{ANNA} ben:{BEN}")
    assert "Gallery: gallery, " in said
    assert "was torn" in said
    assert ANNA not in said
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {BEN}"}, timeout=60, verify=False) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        about = client.get("/about").json()
        assert (about["who"], about["confirmations"]) == ("ben", 2)
        picture = (here / "person.jpg").read_bytes()

        def slowly() -> Iterator[bytes]:
            yield picture[:500]
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            yield picture[500:]

        answer = client.post("/search", content=slowly(), headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == 200
    assert answer.json()["hits"][0]["verdict"] == "same person"
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert "Stopped; what ran was finished" in rest
    assert {line.details.get("gallery") for line in read_log(log)} == {None, str(here / "gallery")}
    assert [line.event for line in read_log(log)] == ["torn line", "start", "search", "stop"]
    assert main(["audit", "verify", str(log)]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gallery", "nothing"], "There is no gallery at nothing"),
        (["--gallery", "users.txt"], "is no folder"),
        (["--gallery", "gallery", "--model", "other.safetensors"], "features of another model"),
        (["--gallery", "gallery", "--host", "0.0.0.0"], "its users need tokens"),
        (["--gallery", "gallery", "--two_person"], "at least two users"),
        (["--gallery", "gallery", "--token_file", "none.txt"], "There is no none.txt"),
        (["--gallery", "gallery", "--token_file", "person.jpg"], "is no text in UTF-8"),
        (["--gallery", "gallery", "--port", "70000"], "0 to 65535"),
        (["--gallery", "gallery", "--host", "203.0.113.9", "--token_file", "users.txt"], "Nothing can listen"),
        (["--gallery", "gallery", "--at_once", "0"], "must be above 0"),
        (["--gallery", "gallery", "--seconds", "-1"], "must be above 0"),
        (["--gallery", "gallery", "--audit", "gallery"], "is a folder"),
        ([], "--gallery"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    monkeypatch.chdir(here)
    if "other.safetensors" in words and not Path("other.safetensors").exists():
        ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32)).save("other.safetensors")
    model = [] if "--model" in words else ["--model", "runs/own"]
    assert main(["serve", *words, *model, "--port=0"] if "--port" not in words else ["serve", *words, *model]) == 2
    assert said in capsys.readouterr().err


def test_alone_on_a_machine_a_token_is_made_and_stands_in_the_address(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = list[Any]()

    def run(app: FastAPI, listening: socket.socket) -> None:
        listening.close()
        said = capsys.readouterr().err
        assert "audit.jsonl is not as it was written. Line 1 was changed" in said
        token = said.partition("#token=")[2].split()[0]
        with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as client:
            answers.extend(client.get(f"http://{host}/about") for host in ("localhost", "one.example", "elsewhere"))

    log = AuditLog(tmp_path / "audit.jsonl")
    for box in (5, {}, "whole"):  # what no service of ours has written
        log.write("confirm", "ben", {"gallery": str(here / "gallery"), "query": 1, "box": box, "key": []})
    log.close()
    log.path.write_bytes(log.path.read_bytes().replace(b'"who":"ben"', b'"who":"eve"', 1))
    monkeypatch.setattr("strongreid.runs.serve.run_server", run)
    monkeypatch.chdir(here)
    words = ["serve", "--gallery=gallery", "--model=runs/own", "--port=0", f"--audit={tmp_path / 'audit.jsonl'}"]
    assert main([*words, "--names", "one.example", "two.example"]) == 0
    assert answers[0].json()["who"] == "user"
    assert [answer.status_code for answer in answers] == [200, 200, 421]
    assert "Next: strongreid audit verify" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said() -> None:
    with closing(listen("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="Another program listens there"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_verify_prints_the_last_hash_and_names_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    for number in range(3):
        log.write("search", "anna", {"number": number})
    log.close()
    assert main(["audit", "verify", str(path)]) == 0
    said = capsys.readouterr().err
    assert f"Last hash: {log.last}" in said
    assert "cut off" in said
    assert main(["audit", "verify", str(path), "--kept", log.last]) == 0
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert main(["audit", "verify", str(path)]) == 0  # what the chain alone cannot show
    assert main(["audit", "verify", str(path), "--kept", log.last]) == 2
    path.write_bytes(path.read_bytes().replace(b'"number":0', b'"number":9'))
    capsys.readouterr()
    assert main(["audit", "verify", str(path)]) == 2
    assert "Line 1 was changed" in capsys.readouterr().err
    assert main(["audit", "verify", str(path), "--kept", "abc"]) == 2
    assert main(["audit", "verify", str(tmp_path / "none")]) == 2


def test_the_guide_s_commands_are_ours(capsys: pytest.CaptureFixture[str]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    served = [line.split()[1:] for line in commands if line.startswith("strongreid")]
    assert len(served) == 3
    for words in served:
        assert main([*words, "--help"]) == 0
        shown = capsys.readouterr().out
        assert [word for word in words if word.startswith("--") and word not in shown] == []
