"""Commands that messages name: a shell reads them as they were meant."""

import shlex
from pathlib import Path

import pytest

from strongreid.errors import command_line


@pytest.mark.parametrize("name", ["own", "my run [1]", "a'b", "$HOME", "~", "-lead", "--name", "a;b", "ü", "#1"])
def test_a_command_can_be_pasted(name: str) -> None:
    program, *words = shlex.split(command_line("report", Path(name), "--data.root", Path("runs") / name))
    assert program == "strongreid"
    assert words[0] == "report"
    assert [Path(words[1]), Path(words[3])] == [Path(name), Path("runs") / name]
    assert not words[1].startswith("-")
