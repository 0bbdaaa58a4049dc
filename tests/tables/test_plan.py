"""What fills a table: trainings and measurements are found again by what they depend on, and by nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongreid import build
from strongreid.cli import main
from strongreid.config import ADDED_FIELDS, Config
from strongreid.config_sections import DataConfig, SetConfig
from strongreid.drawn import draw_people
from strongreid.errors import InputError
from strongreid.evaluation import Reranking
from strongreid.files import dotted
from strongreid.recipes import read_config, recipe_path
from strongreid.recipes.values import read_run_config, with_values
from strongreid.tables import cost
from strongreid.tables.plan import Direction, Measurement, _hash, _learned, _training, plan_sweep, row_config
from strongreid.tables.spec import ResultTable, Row, read_table

FIRST = read_run_config(Path(__file__).parents[1] / "recipes" / "first_config.yaml")


def test_trainings_of_the_first_version_are_found_again() -> None:
    """Whoever added a field and sees this fail: name it in ADDED_FIELDS, with what it was before it was there."""
    assert _hash(_learned(FIRST)) == "44881e8649ed"


def test_a_field_that_came_later_counts_once_it_has_another_value() -> None:
    assert not (dotted(_learned(FIRST)).keys() & ADDED_FIELDS.keys()) - {"batch.domain_balanced"}
    changed = with_values(FIRST, {"objective.triplet.weight": 0.5})
    assert _hash(_learned(changed)) != _hash(_learned(FIRST))
    back = with_values(changed, {"objective.triplet.weight": ADDED_FIELDS["objective.triplet.weight"]})
    assert _hash(_learned(back)) == _hash(_learned(FIRST))


def test_trainings_of_drawn_people_from_before_they_were_called_so_are_found_again(drawn: Path, tmp_path: Path) -> None:
    config = read_config(recipe_path("bag_of_tricks_small"), [f"--data.root={drawn}", f"--output={tmp_path}"])
    data = build.build_data(config)
    new = _training(config, data)
    assert new.folder.name.startswith("drawn-seed0-")
    earlier = tmp_path / new.folder.name.replace("drawn", "market1501")
    earlier.mkdir()
    found = _training(config, data)
    assert (found.folder, found.config.name) == (earlier, earlier.name)


@pytest.mark.parametrize(
    ("name", "value", "counts"),
    [
        ("schedule.base_rate", 2e-5, True),
        ("seed", 13, True),
        ("runtime.precision", "bf16-mixed", True),
        ("runtime.log_every", 3, False),
        ("runtime.checkpoint_every", 3, False),
        ("evaluation.metric", "euclidean", False),
        ("evaluation.every_epochs", 3, False),
        ("name", "other", False),
        ("output", "elsewhere", False),
        ("data.root", "elsewhere", False),
    ],
)
def test_a_training_is_known_by_what_changes_what_is_learned(name: str, value: Any, counts: bool) -> None:
    assert (_hash(_learned(with_values(FIRST, {name: value}))) != _hash(_learned(FIRST))) == counts


def planned(drawn: Path, output: Path, *rows: Row) -> list[Measurement]:
    data = DataConfig(root=drawn)
    table = ResultTable("mine", rows)
    return list(plan_sweep(table, [Direction("people", data, data)], output, scale="cpu").measurements)


def test_rows_that_are_ranked_in_other_ways_share_a_training_and_no_measurement(drawn: Path, tmp_path: Path) -> None:
    ways = [None, Reranking(), Reranking(k1=10), Reranking(distance_weight=0.5)]
    items = planned(drawn, tmp_path, *(Row(str(number), reranking=way) for number, way in enumerate(ways)))
    assert len({item.training.folder for item in items}) == 1
    assert len({item.file for item in items}) == len(ways)


def test_a_row_that_trains_on_more_images_has_a_training_of_its_own(drawn: Path, tmp_path: Path) -> None:
    more = draw_people(tmp_path / "more", train_people=3, test_people=2, images_per_person=4, seed=5, workers=1)
    joined = [SetConfig("market1501", more, label="more")]
    one, both = planned(drawn, tmp_path / "out", Row("one"), Row("both", values={"data.joined": joined}))
    assert one.training.folder != both.training.folder
    assert both.training.config.data.joined == joined
    assert both.test.data.root == drawn


def test_each_kind_of_network_is_timed_once(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = []

    def speed(config: Config, people: int) -> cost._Speed:
        timed.append(config.model.patch_stride)
        return cost._Speed(100, 64)

    monkeypatch.setattr(cost, "_speed", speed)
    rows = [Row(str(stride), values={"model.patch_stride": stride}) for stride in (16, 12)]
    rows += [Row("as before", start="12", values={"objective.triplet.margin": 0.5})]
    data = DataConfig(root=drawn)
    table = ResultTable("mine", tuple(rows))
    few = {"batch.people_per_batch": 4}
    directions = [Direction("people", data, data)]
    found = cost.estimate(plan_sweep(table, directions, tmp_path, scale="cpu", overrides=few))
    assert (len(found), timed) == (3, [16, 12])


def written(folder: Path, text: str) -> Path:
    (folder / "mine.yaml").write_text(text)
    return folder / "mine.yaml"


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ("set: {model.last_strid: 1}", "model.last_strid is no setting. Did you mean model.last_stride?"),
        ("set: {model.last_stride: 3}", "model.last_stride is 3. "),
        ("set: {schedule.base_rate: fast}", "schedule.base_rate is 'fast'; "),
        ("set: {model.image_size: [64]}", "model.image_size is [64]; "),
        ("set: {model: {last_stride: 1}}", "model is a section"),
        ("set: {schedule.epochs: 0}", "schedule.epochs is 0"),
        ("set: {model.neck: none}", "evaluation.feature"),
        ("set: {seed: 3}", "seed cannot be set by a row"),
        ("cpu: {output: x}", "output cannot be set by a row"),
        ("take: [model.colour]", "`take` names model.colour"),
    ],
)
def test_a_row_that_cannot_be_run_is_refused_with_file_row_and_field(
    row: str, part: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, f"rows: [{{name: good}}, {{name: my row, {row}}}]")
    words = [
        "reproduce",
        "own",
        f"--file={file}",
        f"--data.root={drawn}",
        "--scale=cpu",
        f"--output={tmp_path / 'out'}",
    ]
    assert main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{file}, row 'my row': " in said
    assert part in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("rows: [{name: a, reranking: {k3: 5}}]", "`reranking`.k3 is no setting"),
        ("rows: [{name: a, reranking: {k1: many}}]", "`reranking`.k1 is 'many'"),
        ("rows: [{name: a, reranking: {k1: 0}}]", "k1 is 0"),
        ("rows: [{name: a, reranking: 5}]", "`reranking` is 5"),
        ("rows: [{name: a, reranked: true}]", "'reranked', which is not known; .* Did you mean reranking?"),
        ("rows: [{name: a, from: [a]}]", "`from` is ['a']"),
        ("rows: [{name: first}, {name: b, from: frist}]", "Did you mean first?"),
        ("rows: [{name: 3}]", "`name` is 3"),
        ("rows: [a]", "row 1 is 'a'; it must be a mapping"),
        ("rows: {name: a}", "`rows` is {'name': 'a'}; it must be a list"),
        ("rows: [{name: a, set: [x]}]", "`set` is ['x']"),
        ("rows: [{name: a}]\nacross: maybe", "`across` is 'maybe'"),
        ("rows: [{name: a}]\ntitle: [x]", "`title` is ['x']"),
        ("rows: [{name: a}]\nrows: [{name: b}]", "twice"),
        ("a: &a [1]\nrows: [*a]", "alias"),
    ],
)
def test_a_table_that_is_not_of_the_form_is_refused_with_file_and_place(text: str, part: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises(InputError) as refused:
        read_table("own", file)
    assert str(file) in str(refused.value)
    assert re.search(part if ".*" in part else re.escape(part), str(refused.value))


def test_a_row_is_ranked_again_as_it_says(tmp_path: Path) -> None:
    rows = "rows: [{name: a, reranking: true}, {name: b, reranking: {k1: 10, distance_weight: 1}}, {name: c}]"
    table = read_table("own", written(tmp_path, rows))
    assert [row.reranking for row in table.rows] == [Reranking(), Reranking(k1=10, distance_weight=1.0), None]


def test_numbers_with_an_exponent_and_null_are_values(tmp_path: Path) -> None:
    text = "rows: [{name: a, set: {schedule.base_rate: 1e-3, objective.triplet.margin: null}}]"
    table = read_table("own", written(tmp_path, text))
    config = row_config(table, table.rows[0], "cpu")
    assert (config.schedule.base_rate, config.objective.triplet.margin) == (1e-3, None)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ROW = st.dictionaries(st.sampled_from(["name", "from", "take", "set", "cpu", "reranking", "paper"]), VALUES)
TABLE = st.dictionaries(st.sampled_from(["title", "source", "recipe", "set", "across"]), VALUES)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLE, st.lists(ROW | VALUES, max_size=3) | VALUES)
def test_whatever_stands_in_a_table_is_read_or_refused(tmp_path: Path, table: Any, rows: Any) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**table, "rows": rows}, allow_unicode=True), encoding="utf-8")
    try:
        found = read_table("own", file)
        for row in found.rows:
            row_config(found, row, "cpu")
    except InputError as error:
        refused = str(error)
    else:
        refused = str(file)
    assert str(file) in refused
