"""Settings as values: overrides are checked, a run's config.yaml is read exactly, and older ones stay readable."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.config import ADDED_FIELDS, Config, as_plain
from strongreid.config_sections import DataConfig, SetConfig
from strongreid.errors import InputError
from strongreid.files import dotted
from strongreid.recipes import RECIPES, add_settings, read_config, recipe_path
from strongreid.recipes.parsing import given_values, new_parser
from strongreid.recipes.values import read_run_config, with_values

FIRST = Path(__file__).parent / "first_config.yaml"
"""A config.yaml as a training wrote it when it was first read exactly. It is never written anew: it stays readable."""


def written(folder: Path, config: Config) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(as_plain(config), sort_keys=False), encoding="utf-8")
    return folder / "config.yaml"


def test_values_replace_only_their_fields() -> None:
    base = Config()
    changed = with_values(base, {"model.last_stride": 2, "schedule.milestones": [30], "objective.triplet.margin": None})
    expected = {"model.last_stride": 2, "schedule.milestones": [30], "objective.triplet.margin": None}
    assert dotted(as_plain(changed)) == {**dotted(as_plain(base)), **expected}
    assert changed.schedule.milestones == (30,)
    assert with_values(base, {}) == base == Config()


def test_values_may_be_what_the_fields_hold_themselves() -> None:
    data = DataConfig("cuhk01", Path("sets"), joined=[SetConfig("veri776", Path("more"))])
    assert with_values(Config(), {"data": data}).data == data
    changed = with_values(Config(), {"data.joined": [{"name": "veri776", "root": "more"}], "output": Path("out")})
    assert changed.data.joined == data.joined
    assert changed.output == Path("out")
    assert with_values(Config(), {"augment.erase_probability": 0}).augment.erase_probability == 0.0


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("model.last_strid", 1, "model.last_strid is no setting. Did you mean model.last_stride?"),
        ("last_stride", 1, "Did you mean model.last_stride?"),
        ("model.backbone.depth", 3, "model.backbone.depth is no setting"),
        ("", 1, "is no setting"),
        ("model", {"last_stride": 1}, "model is a section"),
        ("model", 3, "model is 3; write a mapping of backbone"),
        ("model.last_stride", True, "model.last_stride is True. Write 1 or 2"),
        ("model.last_stride", 1.0, "model.last_stride is 1.0. Did you mean 1? Write 1 or 2"),
        ("model.image_size", [64, 32, 3], "write two whole numbers"),
        ("model.image_size", [64, 32.5], r"model.image_size[1] is 32.5; write a whole number"),
        ("model.weights", 3, "write text or null"),
        ("schedule.milestones", "40", "write [40]: a list of whole numbers"),
        ("schedule.base_rate", "1e-3", "write a number"),
        ("schedule.base_rate", 10**400, "write a number"),
        ("schedule.epochs", True, "write a whole number"),
        ("runtime.compile", 1, "write true or false"),
        ("data.root", 7, "write a path or null"),
        ("data.joined", [{"name": "cuhk01"}], "data.joined[0].root is missing"),
        ("data.tested", [{"name": "cuhk01", "root": "x", "labl": "y"}], "data.tested[0].labl is no setting"),
        ("evaluation.metric", "Cosine", "Did you mean cosine? Write cosine or euclidean"),
        ("schedule.epochs", 0, "schedule.epochs is 0; it must be 1 or more"),
    ],
)
def test_values_that_no_field_takes_are_refused_by_name(name: str, value: Any, part: str) -> None:
    with pytest.raises(InputError) as refused:
        with_values(Config(), {name: value})
    assert part in str(refused.value)


def test_combinations_are_checked_once_all_values_are_in() -> None:
    with_values(Config(), {"model.neck": "none", "evaluation.feature": "pooled"})
    with pytest.raises(InputError, match=r"evaluation\.feature"):
        with_values(Config(), {"model.neck": "none"})


def test_a_message_about_a_large_value_is_short() -> None:
    with pytest.raises(InputError) as refused:
        with_values(Config(), {"seed": ["x" * 10_000] * 10_000})
    assert len(str(refused.value)) < 500


def test_words_of_the_command_line_become_values_of_their_fields_types() -> None:
    words = ["--schedule.base_rate=1", "--model.weights=123", "--schedule.milestones=[1,2]", "--data.root=x"]
    expected = {
        "schedule.base_rate": 1.0,
        "model.weights": "123",
        "schedule.milestones": (1, 2),
        "data.root": Path("x"),
    }
    parser = add_settings(new_parser())
    assert given_values(parser, words) == expected
    more = given_values(parser, ["--data.joined+={name: cuhk01, root: b}", "--data.joined+={name: veri776, root: c}"])
    assert with_values(Config(), more).data.joined == [SetConfig("cuhk01", Path("b")), SetConfig("veri776", Path("c"))]
    assert given_values(parser, []) == {}
    with pytest.raises(InputError, match=r"schedule\.epoch"):
        given_values(parser, ["--schedule.epoch=3"])


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_what_a_run_writes_is_read_back_the_same(name: str, tmp_path: Path) -> None:
    config = with_values(read_config(recipe_path(name)), {"data.root": Path("a b"), "schedule.base_rate": 1e-5})
    assert read_run_config(written(tmp_path, config)) == config


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = FIRST.read_bytes()
    file = tmp_path / "config.yaml"
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(InputError) as refused:
            read_run_config(file)
        assert str(file) in str(refused.value), length
    file.write_bytes(whole)
    assert read_run_config(file).runtime.checkpoint_every == 15


def test_a_missing_field_is_refused_but_for_those_that_came_later() -> None:
    names = list(dotted(as_plain(Config())))
    assert {name for name in ADDED_FIELDS if "[]" not in name} <= set(names)
    assert names[-1] not in ADDED_FIELDS, "a file that was cut short lacks the last field"


def test_the_first_configuration_stays_readable(tmp_path: Path) -> None:
    """Whoever added a field to config.py and sees this fail: name it in ADDED_FIELDS, with what it was before."""
    config = read_run_config(FIRST)
    assert (config.name, config.seed, config.schedule.epochs, config.objective.triplet.margin) == (
        "exp[1]",
        12,
        120,
        None,
    )
    assert config.data.joined == [SetConfig("cuhk01", Path("b"), 3, "again")]
    content = yaml.safe_load(FIRST.read_text())
    for name in ADDED_FIELDS:  # an even earlier version
        section, field = name.rsplit(".", 1)
        dict_of(content, section).pop(field, None)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    earlier = dotted(as_plain(read_run_config(tmp_path / "config.yaml")))
    assert earlier == {**dotted(as_plain(config)), **{k: v for k, v in ADDED_FIELDS.items() if "[]" not in k}}


def dict_of(content: Any, section: str) -> Any:
    for part in section.split("."):
        content = content.get(part, {})
    return content


@pytest.mark.parametrize("name", ["exp[1]", "exp*", "exp?", "exp[!a]", "{a,b}", "~", "$HOME", "-1", "a b", "é\n"])
def test_a_folder_named_like_a_pattern_is_read_itself_and_not_its_sibling(name: str, tmp_path: Path) -> None:
    own = written(tmp_path / name, with_values(Config(), {"seed": 1}))
    for sibling in ("exp1", "expx", "exp", "a", "b"):
        written(tmp_path / sibling, with_values(Config(), {"seed": 2}))
    assert read_run_config(own).seed == 1
    own.unlink()
    with pytest.raises(InputError, match="no such file"):
        read_run_config(own)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "- 1\n",
        "model: 3\n",
        "no_such_setting: 1\n",
        "seed: &a 1\nname: *a\n",
        "seed: 1\nseed: 2\n",
        "a: [\n",
        "[" * 5000 + "\n",
        "{" * 5000 + "\n",
        "a: !!python/object/apply:os.system [ls]\n",
        "a: !!int ''\n",
        "a: !!timestamp x\n",
        "a: !!bool x\n",
        "a: " + "9" * 5000 + "\n",
        "a: 2024-13-45\n",
        "\x00\n",
        "a: \ud800\n",
    ],
)
def test_what_is_no_file_of_settings_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError) as refused:
        read_run_config(file)
    assert str(file) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2_000), st.binary(min_size=1, max_size=6))
def test_a_changed_file_never_ends_in_another_error(start: int, change: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(InputError):
        file = Path(shutil.copy(FIRST, folder))
        content = FIRST.read_bytes()
        file.write_bytes(content[:start] + change + content[start + len(change) :])
        assert isinstance(read_run_config(file), Config)
