"""The README's first commands, run as they are written, on a folder of drawn pictures: what a new user does first."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from strongreid.drawn import draw_people

README = Path(__file__).parents[1] / "README.md"


def first_commands() -> list[str]:
    """The block of commands below "Your photographs"."""
    section = README.read_text(encoding="utf-8").split("## Your photographs")[1].split("\n## ")[0]
    block = re.search(r"```\n(strongreid .*?)```", section, flags=re.DOTALL)
    assert block is not None
    return block[1].strip().splitlines()


def folder_of_people(folder: Path, work: Path) -> None:
    """A folder for each of 30 drawn people, with the pictures of all cameras in it."""
    drawn = draw_people(work / "drawn", train_people=30, test_people=0, images_per_person=6, distractors=0, junk=0)
    for picture in sorted((drawn / "bounding_box_train").glob("*.jpg")):
        own = folder / picture.name[:4]
        own.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, own / picture.name)


def test_a_new_user_s_first_commands_run_as_written(tmp_path: Path) -> None:
    commands = first_commands()
    assert len(commands) == 4
    folder_of_people(tmp_path / "people", tmp_path)
    environment = {
        **os.environ,
        "COLUMNS": "80",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for command in commands:
        ended = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
        assert "Traceback" not in ended.stderr
        assert "Next: strongreid" in ended.stderr, command
        assert "\x1b" not in ended.stderr  # nothing for terminals in a pipe
    assert (tmp_path / "runs" / "own" / "report.html").is_file()
    assert {entry.name for entry in tmp_path.iterdir()} == {"drawn", "people", "runs"}
