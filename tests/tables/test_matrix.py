"""The matrix: which trainings and cells there are, what a missing set leaves, and that it is filled by one command."""

import json
import re
from pathlib import Path

import pytest

from strongreid.cli import main
from strongreid.config_sections import DataConfig
from strongreid.drawn import draw_people
from strongreid.errors import InputError
from strongreid.recipes import read_config, recipe_path
from strongreid.tables.matrix import matrix_directions, trained_on
from strongreid.tables.plan import row_config
from strongreid.tables.spec import ResultTable, Row, read_table

SETS = ("drawn 0", "drawn 1", "cuhk01")


def test_each_set_and_each_two_are_trained_on_and_the_others_tested() -> None:
    found = {name: DataConfig(root=Path(name)) for name in SETS}
    directions = matrix_directions(SETS, found)
    cells = {direction.cell for direction in directions}
    expected = {((one,), other) for one in SETS for other in SETS if one != other}
    expected |= {
        (("drawn 0", "drawn 1"), "cuhk01"),
        (("drawn 0", "cuhk01"), "drawn 1"),
        (("drawn 1", "cuhk01"), "drawn 0"),
    }
    assert cells == expected
    assert len(directions) == len(expected) == 9
    for direction in directions:
        assert direction.cell is not None
        chosen, tested = direction.cell
        assert [direction.train.root, *(one.root for one in direction.train.joined)] == [Path(name) for name in chosen]
        assert direction.test.root == Path(tested)
        assert not direction.test.joined


def test_a_set_that_is_not_there_leaves_its_cells() -> None:
    found = {name: DataConfig(root=Path(name)) for name in SETS[:2]}
    assert [one.cell for one in matrix_directions(SETS, found)] == [
        (("drawn 0",), "drawn 1"),
        (("drawn 1",), "drawn 0"),
    ]
    assert len(trained_on(SETS)) == 6
    assert trained_on(SETS[:2]) == [("drawn 0",), ("drawn 1",)]


@pytest.mark.parametrize(("scale", "end"), [("paper", ""), ("cpu", "_small")])
def test_its_rows_are_the_two_recipes(scale: str, end: str) -> None:
    table = read_table("generalise")
    for row, name in zip(table.rows, ("bag_of_tricks", "generalise"), strict=True):
        assert row_config(table, row, scale) == read_config(recipe_path(name + end))  # type: ignore[arg-type]


def test_the_recipe_differs_from_the_bag_of_tricks_in_what_it_says() -> None:
    for end in ("", "_small"):
        found, bag = (read_config(recipe_path(name + end)) for name in ("generalise", "bag_of_tricks"))
        assert found.model.backbone == f"{bag.model.backbone}_ibn_a"
        assert found.augment.erase_probability == 0
        assert min(found.augment.colour_jitter) > 0
        assert found.batch.domain_balanced
        assert 0 < found.schedule.averaging < 1


@pytest.mark.parametrize("matrix", [("drawn one",), ("drawn 0", "drawn 0")])
def test_impossible_sets_are_refused(matrix: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="`matrix` has"):
        ResultTable("own", (Row("one"),), matrix=matrix)


@pytest.mark.parametrize(
    ("matrix", "more", "part"),
    [
        ("drawn 0", [], "has 'drawn 0' alone; it needs two sets or more"),
        ("market1501, msmt17", [], "of its sets, market1501, msmt17, there is none here"),
        ("market1501, msmt17", ["--data.name=market1501"], "there is market1501 here, and each cell takes two"),
        ("drawn 0, market1501", [], "there is drawn 0 here, and each cell takes two. One of market1501 can be given"),
        ("drawn 0, drawn 1", ["--data.name=folder"], "takes drawn people alone, not folder: leave out --data.name"),
    ],
)
def test_a_matrix_without_a_cell_that_can_be_filled_is_refused_before_anything_is_drawn(
    matrix: str, more: list[str], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(f"matrix: [{matrix}]\nrows: [{{name: a}}]\n")
    words = ["reproduce", "own", f"--file={tmp_path / 'own.yaml'}", f"--output={tmp_path / 'out'}"]
    if more:
        more = [*more, f"--data.root={tmp_path}"]
    assert main([*words, *more]) == 2
    assert part in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_row_starts_from_one_thing() -> None:
    with pytest.raises(InputError, match="not both"):
        ResultTable("own", (Row("one"), Row("two", start="one", recipe="generalise")))


def test_it_is_filled_by_one_command_with_what_there_is(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for world in (0, 1):
        (tmp_path / f"drawn-{world}").symlink_to(drawn)
    words = ["reproduce", "generalise", f"--output={tmp_path}", "--epochs=1", "--model.image_size=[64,32]"]
    more = ["--batch.people_per_batch=4", "--batch.images_per_person=2", "--rows", "1", "2"]
    assert main([*words, *more]) == 0
    said = capsys.readouterr().err
    (page,) = tmp_path.glob("generalise-*/report.html")
    text = page.read_text()
    for part in ("Matrix", "missing", "drawn 0 + drawn 1", "cuhk01"):
        assert part in text
    assert "missing" in said
    written = (page.parent / "table.md").read_text()
    assert "bag of tricks: mAP (rank-1), tested on" in written
    _, gained = written.split("generalise: mAP (rank-1), gain over bag of tricks (* more than chance), tested on")
    table = json.loads((page.parent / "table.json").read_text())
    assert [row["name"] for row in table["rows"]] == ["bag of tricks", "generalise"] * 2
    for row in table["rows"][1::2]:
        gain = row["mean_ap_difference"]["value"]
        assert re.search(rf"\d \({100 * row['rank_1'][0]:.1f}\), {re.escape(f'{100 * gain:+.1f}')}\*? \|", gained)
    assert main([*words, "--data.name=folder", f"--data.root={drawn}"]) == 2
    assert "takes cuhk01, not" in capsys.readouterr().err
    assert main([*words, "--other.name=folder", f"--other.root={drawn}"]) == 2
    assert "a matrix has its sets" in capsys.readouterr().err


def test_a_matrix_of_one_s_own_trains_on_each_two_sets_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"train_people": 5, "test_people": 3, "images_per_person": 4, "distractors": 0, "junk": 0}
    for world, folder in enumerate(("drawn-0", "drawn-1", "third")):
        draw_people(tmp_path / folder, seed=world, domain=world, workers=1, **counts)
    (tmp_path / "own.yaml").write_text(
        "matrix: [drawn 0, drawn 1, folder]\nrecipe: generalise\nrows:\n  - name: all of it\n"
    )
    words = ["reproduce", "own", f"--file={tmp_path / 'own.yaml'}", f"--output={tmp_path}", "--scale=cpu", "--epochs=1"]
    data = ["--data.name=folder", f"--data.root={tmp_path / 'third'}", "--data.layout=market1501"]
    small = ["--model.image_size=[64,32]", "--batch.people_per_batch=4", "--batch.images_per_person=2"]
    assert main([*words, *data, *small]) == 0
    (table,) = tmp_path.glob("own-*/table.json")
    rows = json.loads(table.read_text())["rows"]
    assert {row["direction"] for row in rows} == {
        *("drawn 0 -> drawn 1", "drawn 0 -> folder", "drawn 1 -> drawn 0", "drawn 1 -> folder", "folder -> drawn 0"),
        *("folder -> drawn 1", "drawn 0 + drawn 1 -> folder", "drawn 0 + folder -> drawn 1"),
        "drawn 1 + folder -> drawn 0",
    }
    assert all(len(row["mean_ap"]) == 1 for row in rows)
    assert len({name for row in rows for name in row["trainings"]}) == 6
    lines = (table.with_suffix(".md")).read_text().splitlines()
    (pair,) = [line for line in lines if line.startswith("| drawn 0 + drawn 1 | ")]
    assert pair.split(" | ")[1:3] == ["-", "-"]
    assert "missing" not in "\n".join(lines[:12])
    assert "all of it: mAP (rank-1), tested on" in capsys.readouterr().err
