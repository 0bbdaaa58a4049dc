"""Small text files that anybody may have written: read exactly, or refused with file, line and remedy, and quickly."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from strongreid.errors import InputError
from strongreid.files import open_regular, read_json, read_text, read_yaml
from strongreid.files.reading import JSON_LIMIT, YAML_LIMIT

VALUES: dict[str, Any] = {"a": 1, "b": [1.5, None, True], "c": {"d": "é\n"}, "e": 1e-3}


@pytest.mark.parametrize(("read", "write"), [(read_json, json.dumps), (read_yaml, yaml.safe_dump)])
def test_plain_values_come_back_as_they_were_written(
    tmp_path: Path, read: Callable[[Path], dict[str, Any]], write: Callable[[object], str]
) -> None:
    path = tmp_path / "file"
    path.write_text(write(VALUES), encoding="utf-8")
    assert read(path) == VALUES
    path.write_text(write(VALUES), encoding="utf-8-sig")  # as some editors save it
    assert read(path) == VALUES


def test_yaml_reads_numbers_as_people_write_them_and_an_empty_file_as_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a: 1e-3\nb: 3.5e-4\nc: -2E5\nd: 12\ne: 1e\nf: e3\n")
    assert read_yaml(path) == {"a": 0.001, "b": 0.00035, "c": -200000.0, "d": 12, "e": "1e", "f": "e3"}
    path.write_text("# nothing yet\n")
    assert read_yaml(path) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{\n"a": }', "line 2 is no JSON"),
        (b'{"a": 1', "line 1 is no JSON"),
        (b'\n\n{"a": "\xff"}', "line 3 is no text in UTF-8"),
        (b'{"a": {"b": 1, "b": 2}}', "'b' stands there twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": 1e999}', "1e999 is too large"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not valid"),
        (b'{"a": ' + b"[" * 100_000, "not valid"),
        (b'{"a":' * 100_000, "not valid"),
        (b"[1]", "it holds a list"),
        (b"null", "it holds null"),
        (b"2", "it holds a number"),
        (b'"a"', "it holds a text"),
        (b"{}" + b" " * JSON_LIMIT, "more than 8,388,608 bytes"),
        (b"{" + b",".join(b'"k%d":1' % key for key in range(1_000_000)) + b"}", "more than 8,388,608 bytes"),
    ],
)
def test_json_that_is_not_as_it_should_be_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    refused(read_json, tmp_path / "file", content, reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: [1\nb: }", "line 2 is no YAML"),
        (b"a: 1\nb: \xff\n", "line 2 is no text in UTF-8"),
        (b"a: {b: 1, b: 2}", "'b' stands there twice"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\n", "aliases are not read"),
        (b"a: &a {b: 1}\nc:\n  <<: *a\n", "line 3 is no YAML (aliases"),
        (b"a: !!python/object:os.system x\n", "tags such as"),
        (b"a: !!int x\n", "tags such as"),
        (b"a: !!timestamp x\n", "tags such as"),
        (b"a: 2020-13-45\n", "it is no YAML"),
        (b"a: " + b"9" * 10_000, "it is no YAML"),
        (b"[" * 60 + b"]" * 60, "nested too deep"),
        (b"[" * 100_000, "no YAML"),
        (b"".join(b" " * depth + b"a:\n" for depth in range(60)), "line 51 is no YAML (it is nested too deep)"),
        (b"a: \x1b[31m", "it is no YAML"),
        (b"- a\n", "it holds a list"),
        (b"a", "it holds a text"),
        (b"1: a", "1 is no name"),
        (b"[a, b]: a", "no YAML"),
        (b"a: 1" + b" " * YAML_LIMIT, "more than 262,144 bytes"),
        (b"".join(b"k%d: 1\n" % key for key in range(1_000_000)), "more than 262,144 bytes"),
    ],
)
def test_yaml_that_is_not_as_it_should_be_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    refused(read_yaml, tmp_path / "file", content, reason)


def refused(read: Callable[..., object], path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(path, remedy="Copy it again.")
    said = str(caught.value)
    assert said.startswith(f"{path} cannot be read: ")
    assert reason in said
    assert said.endswith("Copy it again.")
    assert len(said) < len(str(path)) + 300


def test_what_is_no_regular_file_is_named_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("{}")
    cases = {
        tmp_path: "it is a folder",
        tmp_path / "fifo": "it is no regular file",
        Path(os.devnull): "it is no regular file",
        tmp_path / "loop": "too many levels of symbolic links",
        tmp_path / "nothing": "no such file or directory",
        tmp_path / "file" / "below": "not a directory",
        tmp_path / ("a" * 300): "file name too long",
        tmp_path / "a\0b": "null (byte|character)",
    }
    for path, reason in cases.items():
        with pytest.raises(InputError, match=reason):
            open_regular(path)


def test_permission_denied_is_called_by_its_name(tmp_path: Path, as_nobody: Callable[[Path], Any]) -> None:
    path = tmp_path / "file"
    path.write_text("{}")
    path.chmod(0)
    with as_nobody(tmp_path), pytest.raises(InputError, match="cannot be read: permission denied"):
        read_json(path)


def test_a_text_may_be_as_long_as_the_limit_and_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("é" * 5)
    assert read_text(path, limit=10) == "é" * 5
    with pytest.raises(InputError, match="more than 9 bytes"):
        read_text(path, limit=9)
