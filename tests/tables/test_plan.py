"""Names of trainings."""

from pathlib import Path

from strongreid import build
from strongreid.recipes import read_config, recipe_path
from strongreid.tables.plan import _training


def test_trainings_of_drawn_people_from_before_they_were_called_so_are_found_again(drawn: Path, tmp_path: Path) -> None:
    config = read_config(recipe_path("bag_of_tricks_small"), [f"--data.root={drawn}", f"--output={tmp_path}"])
    data = build.build_data(config)
    new = _training(config, data)
    assert new.folder.name.startswith("drawn-seed0-")
    earlier = tmp_path / new.folder.name.replace("drawn", "market1501")
    earlier.mkdir()
    found = _training(config, data)
    assert (found.folder, found.config.name) == (earlier, earlier.name)
