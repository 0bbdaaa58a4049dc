"""Tables: every row of every table gives valid settings, holds the paper's figures, and says what it changes."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from strongreid.cli.tables import as_in_paper
from strongreid.config import as_plain
from strongreid.config_sections import DataConfig
from strongreid.errors import InputError
from strongreid.runs.compare import differences
from strongreid.tables.fill import data_directions
from strongreid.tables.plan import plan_sweep, row_config
from strongreid.tables.spec import read_table, table_names


@pytest.mark.parametrize("scale", ["paper", "cpu"])
@pytest.mark.parametrize("name", table_names())
def test_every_row_of_every_table_gives_valid_settings(name: str, scale: str) -> None:
    table = read_table(name)
    for row in table.rows:
        row_config(table, row, scale)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", ["paper", "cpu"])
def test_each_trick_changes_its_own_fields_and_the_last_row_is_the_bag_of_tricks(scale: str) -> None:
    table = read_table("tricks")
    settings = [as_plain(row_config(table, row, scale)) for row in table.rows]  # type: ignore[arg-type]
    changed = [set(differences(pair)) for pair in pairwise(settings)]
    assert changed == [
        {"schedule.warmup_epochs"},
        {"augment.erase_probability"},
        {"objective.identity.label_smoothing"},
        {"model.last_stride"},
        {"model.neck", "evaluation.feature", "evaluation.metric"},
        {"objective.center.weight"},
        set(),
    ]
    bag = read_table_config("bag_of_tricks", scale)
    assert differences([settings[-1], bag]) == {}


def read_table_config(recipe: str, scale: str) -> dict[str, object]:
    from strongreid.recipes import read_config, recipe_path

    return as_plain(read_config(recipe_path(f"{recipe}_small" if scale == "cpu" else recipe)))


def test_bnneck_needs_two_trainings_that_the_table_of_tricks_has_too() -> None:
    """`f without BNNeck` is the row + last stride 1, and f_t and f_i are of the row + BNNeck."""
    tricks, bnneck = read_table("tricks"), read_table("bnneck")
    learned = []
    for table, name in (
        (tricks, "+ last stride 1"),
        (bnneck, "f without BNNeck, Euclidean"),
        (tricks, "+ BNNeck"),
        (bnneck, "f_t, cosine"),
        (bnneck, "f_i, Euclidean"),
    ):
        plain = as_plain(row_config(table, table.row(name), "cpu"))
        plain.pop("evaluation")
        learned.append(plain)
    assert learned[0] == learned[1]
    assert learned[2] == learned[3] == learned[4]
    assert learned[1] != learned[2]


def test_the_batches_are_the_papers_ten() -> None:
    table = read_table("batch")
    sizes = []
    for row in table.rows:
        batch = row_config(table, row, "paper").batch
        sizes.append((batch.people_per_batch, batch.images_per_person))
        assert row.name == f"{batch.people_per_batch} x {batch.images_per_person}"
    assert sizes == [(8, 3), (8, 4), (8, 6), (8, 8), (16, 3), (16, 4), (16, 6), (16, 8), (32, 3), (32, 4)]


def test_the_papers_figures_carry_their_mark() -> None:
    tricks = read_table("tricks")
    last = tricks.row("+ re-ranking").paper["market1501"]
    assert (last.rank_1, last.mean_ap, last.mark) == (95.4, 94.2, "R")
    assert {row.paper["market1501"].mark for row in read_table("batch").rows} == {"N", "?"}
    ours = [row.name for row in read_table("bnneck").rows if not row.paper]
    assert ours == ["f without BNNeck, cosine"]  # the paper has no such row
    assert last.text == "95.4 (94.2) [R]"
    assert read_table("size").row("256 x 128").paper["market1501"].text == "93.8 [?] (83.7 [N])"


def test_another_number_of_epochs_keeps_the_fractions() -> None:
    table = read_table("tricks")
    schedule = row_config(table, table.row("+ center loss"), "cpu", 48).schedule
    assert (schedule.epochs, schedule.warmup_epochs, schedule.milestones) == (48, 4, (36, 44))
    first = row_config(table, table.row("standard baseline"), "cpu", 48).schedule
    assert (first.epochs, first.warmup_epochs, first.milestones) == (48, 0, (36, 44))


@pytest.mark.parametrize(("epochs", "milestone"), [(1, 1), (2, 2)])
def test_rows_can_be_trained_for_a_few_epochs_in_which_milestones_fall_together(epochs: int, milestone: int) -> None:
    table = read_table("tricks")
    schedule = row_config(table, table.rows[-1], "cpu", epochs).schedule
    assert (schedule.epochs, schedule.warmup_epochs, schedule.milestones) == (epochs, 1, (milestone,))


@pytest.mark.parametrize("scale", ["paper", "cpu"])
def test_the_table_in_the_documentation_is_valid(scale: Literal["paper", "cpu"], tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "tables.md").read_text()
    (example,) = re.findall("```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "smoothing.yaml").write_text(example)
    table = read_table("own", tmp_path / "smoothing.yaml")
    rows = [row_config(table, row, scale) for row in table.rows]
    assert [row.objective.identity.label_smoothing for row in rows] == [0.0, 0.1, 0.1, 0.1]
    assert [row.objective.center.weight for row in rows] == [0.0005, 0.0005, 0.0, 0.0]


def directions(name: str, other: str | None = None, *, as_in_paper: bool = True) -> list[tuple[str, str, bool]]:
    data, *others = (DataConfig(one, Path(f"sets/{index}")) for index, one in enumerate((name, other)) if one)
    second = others[0] if others else None
    found = data_directions(data, second, papers_settings=as_in_paper)
    return [(direction.label, direction.paper, direction.like_paper) for direction in found]


def test_only_the_papers_own_sets_and_settings_are_set_against_its_figures() -> None:
    assert directions("dukemtmc_reid") == [("dukemtmc_reid", "dukemtmc_reid", True)]
    assert directions("dukemtmc_reid", as_in_paper=False) == [("dukemtmc_reid", "dukemtmc_reid", False)]
    assert directions("cuhk01") == [("cuhk01", "market1501", False)]
    there, back = "market1501 -> dukemtmc_reid", "dukemtmc_reid -> market1501"
    assert directions("dukemtmc_reid", "market1501") == [(back, back, True), (there, there, True)]
    assert directions("market1501", "cuhk01") == [
        ("market1501 -> cuhk01", there, False),
        ("cuhk01 -> market1501", back, False),
    ]
    assert directions("market1501", "market1501") == [("0 -> 1", there, False), ("1 -> 0", back, False)]


@pytest.mark.parametrize(
    ("scale", "epochs", "settings", "expected"),
    [
        ("paper", None, [], True),
        ("paper", None, ["runtime.precision", "model.weights"], True),
        ("paper", None, ["schedule.base_rate"], False),
        ("paper", 60, [], False),
        ("cpu", None, [], False),
    ],
)
def test_what_counts_as_trained_like_the_paper(
    scale: str, epochs: int | None, settings: list[str], expected: bool
) -> None:
    assert as_in_paper(scale, epochs, settings) == expected


def test_the_length_is_not_changed_where_the_table_sets_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("rows: [{name: a, set: {schedule.epochs: 60, schedule.milestones: [9]}}]")
    table = read_table("own", tmp_path / "mine.yaml")
    with pytest.raises(InputError, match=r"--epochs .*schedule\.epochs, schedule\.milestones"):
        plan_sweep(table, [], tmp_path, scale="cpu", seeds=[0], epochs=3)
    with pytest.raises(InputError, match=r"--epochs and --schedule\.epochs"):
        plan_sweep(read_table("tricks"), [], tmp_path, scale="cpu", epochs=3, overrides={"schedule.epochs": 4})


def test_what_is_set_for_all_rows_stands_as_written_beside_another_length() -> None:
    table = read_table("tricks")
    found = row_config(table, table.rows[-1], "cpu", 60, {"schedule.milestones": (20, 35)}).schedule
    assert (found.epochs, found.warmup_epochs, found.milestones) == (60, 5, (20, 35))  # the recipe: 2 of 24


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("rows: []", "no rows"),
        ("rows: [{name: a, sets: {seed: 1}}]", "sets"),
        ("rows: [{set: {seed: 1}}]", "no name"),
        ("rows: [{name: a}, {name: a}]", "two rows"),
        ("rows: [{name: a, from: b}, {name: b}]", "no row above"),
        ("rows: [{name: a, paper: {market1501: [1, 2, X]}}]", "mark"),
        ("rows: [{name: a, paper: {market1501: [1, 2, R, X]}}]", "mark"),
        ("rows: [{name: a, take: model.neck}]", "`take` is .* a list"),
        ("columns: 3", "columns"),
        ("[1, 2", "cannot be read"),
    ],
)
def test_a_table_of_ones_own_that_cannot_be_used_says_why(tmp_path: Path, text: str, part: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=part):
        read_table("own", file)


def test_unknown_fields_of_a_table_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("rows: [{name: a, set: {model.depth: 3}}, {name: b, take: [model.colour]}]")
    table = read_table("own", file)
    with pytest.raises(InputError, match=r"model\.depth"):
        row_config(table, table.rows[0], "cpu")
    with pytest.raises(InputError, match=r"model\.colour"):
        row_config(table, table.rows[1], "cpu")


def test_unknown_tables_and_misplaced_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tricks"):
        read_table("trix")
    with pytest.raises(InputError, match="--file"):
        read_table("own")
    with pytest.raises(InputError, match="belongs to the table own"):
        read_table("tricks", tmp_path / "mine.yaml")
