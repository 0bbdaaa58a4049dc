"""The audit log: whatever is done to its lines is found, whatever a crash leaves is said, many may write at once."""

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.gallery.audit import AuditLog, read_log, verify_log
from strongreid.gallery.audit_line import START


def log_of(path: Path, lines: int = 6) -> list[bytes]:
    """A log of searches, and its lines."""
    log = AuditLog(path)
    for number in range(lines):
        log.write("search", f"user {number % 2}", {"shown": [[f"key {number}", number / 7]], "name": "ä</script>\n"})
    log.close()
    return path.read_bytes().splitlines(keepends=True)


def test_each_line_holds_the_hash_of_the_line_before_and_its_own(tmp_path: Path) -> None:
    before = START
    for number, line in enumerate(log_of(tmp_path / "audit.jsonl"), start=1):
        said = json.loads(line)
        content, _, rest = line.partition(b',"hash":"')
        assert said["number"] == number
        assert said["before"] == before
        assert said["hash"] == hashlib.sha256(content).hexdigest() == rest[:64].decode()
        before = said["hash"]
    checked = verify_log(tmp_path / "audit.jsonl", kept=before)
    assert (checked.lines, checked.problems, checked.last) == (6, (), before)
    assert [line.who for line in read_log(tmp_path / "audit.jsonl")] == ["user 0", "user 1"] * 3


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return log_of(tmp_path_factory.mktemp("log") / "audit.jsonl")


def problems_of(path: Path, content: bytes, kept: str | None = None) -> tuple[str, ...]:
    path.write_bytes(content)
    return verify_log(path, kept=kept).problems


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_other_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    content = bytearray(b"".join(lines))
    index = data.draw(st.integers(0, len(content) - 1))
    content[index] ^= data.draw(st.integers(1, 255))
    assert problems_of(tmp_path_factory.getbasetemp() / "changed.jsonl", bytes(content))


@settings(deadline=None, max_examples=200)
@given(order=st.lists(st.integers(0, 5), max_size=9))
def test_any_choice_of_the_lines_but_a_beginning_is_found(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], order: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "order.jsonl"
    found = problems_of(path, b"".join(lines[index] for index in order))
    assert bool(found) == (order != list(range(len(order))))
    kept = json.loads(lines[-1])["hash"]
    assert bool(problems_of(path, path.read_bytes(), kept)) == (order != list(range(6)))


def test_it_is_said_which_line_and_what_happened_to_it(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "audit.jsonl"
    (changed,) = problems_of(path, b"".join(lines).replace(b'"who":"user 0"', b'"who":"user 9"', 1))
    assert changed.startswith("Line 1 was changed")
    (removed,) = problems_of(path, b"".join(lines[:2] + lines[3:]))
    assert removed.startswith("Line 3 says that it is number 4")
    (end,) = problems_of(path, b"".join(lines)[:-10])
    assert end.startswith("Line 6 has no end")
    rows = problems_of(path, b"hello\n" * 40)
    assert len(rows) == 20
    assert verify_log(path).more == 20
    assert problems_of(path, b"x" * 3_000_000)
    assert problems_of(path, b"") == ()
    assert "was kept" in problems_of(path, b"", "0" * 64)[0]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_line_that_a_crash_tore_is_taken_off_and_said(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    whole = data.draw(st.integers(0, 5))
    torn = lines[whole][: data.draw(st.integers(1, len(lines[whole]) - 1))]
    path = tmp_path_factory.getbasetemp() / "torn.jsonl"
    path.write_bytes(b"".join(lines[:whole]) + torn)
    log = AuditLog(path)
    assert log.torn == len(torn)
    log.write("search", "anna", {})
    log.close()
    assert verify_log(path).problems == ()
    kept = list(read_log(path))
    assert len(kept) == whole + 2
    assert kept[whole].event == "torn line"
    assert kept[whole].details == {"bytes": len(torn), "text": torn[:2000].decode()}


def test_nothing_is_written_after_a_last_line_that_was_tampered_with(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(lines).replace(b"key 5", b"key 6"))
    with pytest.raises(InputError, match=r"was changed.*audit verify"):
        AuditLog(path)
    assert path.read_bytes().count(b"\n") == 6


def test_a_log_that_is_cut_while_in_use_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    log.write("search", "anna", {})
    os.truncate(path, 10)
    with pytest.raises(OSError, match="cut off while it was in use"):
        log.write("search", "anna", {})
    log.close()


@pytest.mark.parametrize("what", ["removed", "moved", "replaced", "damaged"])
def test_nothing_is_taken_for_written_that_is_not_in_the_log(tmp_path: Path, lines: list[bytes], what: str) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    log.write("search", "anna", {})
    if what == "damaged":
        with path.open("ab") as stream:
            stream.write(b"what is no line\n")
    elif what == "removed":
        path.unlink()
    else:
        path.rename(tmp_path / "old.jsonl")
    if what == "replaced":
        path.write_bytes(b"".join(lines))
    there = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(OSError, match=r"moved or removed|is no line of an audit log"):
        log.write("search", "ben", {})
    log.close()
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == there


def test_what_the_disk_does_not_take_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    log.write("search", "anna", {})
    write, calls = os.write, list[int]()

    def full(descriptor: int, data: bytes) -> int:
        calls.append(descriptor)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:7])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        log.write("search", "anna", {})
    monkeypatch.undo()
    log.write("search", "ben", {})
    log.close()
    assert [line.who for line in read_log(path)] == ["anna", "ben"]
    assert verify_log(path).problems == ()


def test_many_writers_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    shared, own = AuditLog(path), [AuditLog(path) for _ in range(3)]  # files of their own, as processes have

    def write(log: AuditLog, who: str) -> None:
        for number in range(40):
            log.write("search", who, {"number": number})

    writers = [(shared, f"shared {name}") for name in range(3)] + [(log, f"own {id(log)}") for log in own]
    threads = [threading.Thread(target=write, args=one) for one in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in (shared, *own):
        log.close()
    checked = verify_log(path)
    assert (checked.lines, checked.problems) == (6 * 40, ())
    written = [(line.who, line.details["number"]) for line in read_log(path)]
    for _, who in writers:
        assert [number for name, number in written if name == who] == list(range(40))


def test_a_link_and_a_folder_are_no_log(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("link", "."):
        with pytest.raises(InputError, match="cannot be written"):
            AuditLog(tmp_path / name)
    with pytest.raises(InputError, match="Name an audit log"):
        verify_log(tmp_path / "none")
