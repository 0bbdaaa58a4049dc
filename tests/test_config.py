"""Settings: every recipe loads, tricks are one field each, and what cannot work is refused by the field's name."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from strongreid.config import Config, as_plain
from strongreid.errors import InputError
from strongreid.files import dotted
from strongreid.recipes import RECIPES, read_config, recipe_path
from strongreid.recipes.values import with_values

NAMES = sorted(path.stem for path in RECIPES.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_loads_and_says_what_it_reproduces(name: str) -> None:
    read_config(recipe_path(name))
    head = recipe_path(name).read_text().split("model:")[0]
    for word in ("Reproduces:", "Command: strongreid train --recipe " + name, "Cost:", "Needs:"):
        assert word in head


def test_a_written_configuration_reads_back_the_same(tmp_path: Path) -> None:
    config = read_config(recipe_path("bag_of_tricks"), ["--seed=3", "--data.root=/some/where", "--output=out"])
    written = tmp_path / "config.yaml"
    written.write_text(yaml.safe_dump(as_plain(config)))
    assert read_config(written) == config


def test_the_bag_of_tricks_is_the_papers() -> None:
    config = read_config(recipe_path("bag_of_tricks"))
    assert (config.model.backbone, config.model.weights, config.model.image_size) == (
        "resnet50",
        "imagenet",
        (256, 128),
    )
    assert (config.model.last_stride, config.model.neck, config.model.stem_relu) == (1, "bnneck", True)
    assert (config.augment.flip_probability, config.augment.padding) == (0.5, 10)
    assert (config.augment.erase_probability, config.augment.erase_fill) == (0.5, "reference")
    assert (config.batch.people_per_batch, config.batch.images_per_person) == (16, 4)
    assert config.objective.identity.label_smoothing == 0.1
    assert config.objective.triplet.margin == 0.3
    assert (config.objective.center.weight, config.objective.center.rate) == (0.0005, 0.5)
    assert (config.schedule.epochs, config.schedule.warmup_epochs) == (120, 10)
    assert (config.schedule.milestones, config.schedule.base_rate) == ((40, 70), 3.5e-4)
    assert config.schedule.weight_decay == 5e-4
    assert (config.evaluation.feature, config.evaluation.metric) == ("necked", "cosine")


@pytest.mark.parametrize("size", ["", "_small"])
def test_the_standard_baseline_is_the_bag_of_tricks_without_its_six_tricks(size: str) -> None:
    baseline = as_plain(read_config(recipe_path(f"standard_baseline{size}")))
    tricks = as_plain(read_config(recipe_path(f"bag_of_tricks{size}")))
    assert flat(baseline).keys() == flat(tricks).keys()
    different = {name: value for name, value in flat(baseline).items() if value != flat(tricks)[name]}
    assert different == {
        "schedule.warmup_epochs": 0,
        "augment.erase_probability": 0.0,
        "objective.identity.label_smoothing": 0.0,
        "model.last_stride": 2,
        "model.neck": "none",
        "objective.center.weight": 0.0,
        "evaluation.feature": "pooled",
        "evaluation.metric": "euclidean",
    }


def test_cpu_recipes_differ_in_the_tricks_alone_and_warm_up_for_the_papers_share_of_the_epochs() -> None:
    paper = read_config(recipe_path("bag_of_tricks")).schedule
    baseline, tricks = (
        read_config(recipe_path(f"{name}_small")).schedule for name in ("standard_baseline", "bag_of_tricks")
    )
    assert replace(tricks, warmup_epochs=0) == baseline
    assert tricks.warmup_epochs / tricks.epochs == paper.warmup_epochs / paper.epochs


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("--model.neck=none", "evaluation.feature"),
        ("--schedule.epochs=60", "schedule.milestones"),
        ("--schedule.warmup_epochs=121", "schedule.warmup_epochs"),
        ("--schedule.milestones=[70,40]", "schedule.milestones"),
        ("--schedule.epochs=0", "schedule."),
        ("--schedule.base_rate=0", "schedule.base_rate"),
        ("--batch.people_per_batch=1", "batch.people_per_batch"),
        ("--batch.images_per_person=1", "batch.images_per_person"),
        ("--augment.erase_probability=1.5", "augment.erase_probability"),
        ("--augment.padding=-1", "augment.padding"),
        ("--objective.identity.label_smoothing=1", "objective.identity.label_smoothing"),
        ("--objective.center.weight=-1", "objective.center.weight"),
        ("--objective.identity.weight=-1", "objective.identity.weight"),
        ("--objective.triplet.weight=.inf", "objective.triplet.weight"),
        ("--model.image_size=[8,8]", "model.image_size"),
        ("--model.last_stride=3", "model.last_stride"),
        ("--model.nek=none", "model.nek"),
        ("--model.nec=none", "model.nec"),
        ("--schedule.epochs=many", "schedule.epochs"),
        ("--name=../elsewhere", "name"),
        ("--seed=-1", "seed"),
    ],
)
def test_what_cannot_work_is_refused_by_the_name_of_the_field(override: str, field: str) -> None:
    with pytest.raises(InputError, match=field.replace(".", r"\.")):
        read_config(recipe_path("bag_of_tricks"), [override])


def test_each_loss_can_be_switched_off_but_not_all_of_them() -> None:
    losses = ("identity", "triplet", "center")
    recipe = recipe_path("bag_of_tricks")
    for kept in losses:
        read_config(recipe, [f"--objective.{name}.weight=0" for name in losses if name != kept])
    with pytest.raises(InputError, match=r"objective\.identity\.weight, .* are all 0"):
        read_config(recipe, [f"--objective.{name}.weight=0" for name in losses])
    alone = ["--objective.triplet.weight=0", "--batch.images_per_person=1"]
    read_config(recipe, alone)
    with pytest.raises(InputError, match=r"batch\.people_per_batch"):
        read_config(recipe, [*alone, "--batch.people_per_batch=1"])


def test_an_unknown_field_in_a_file_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("model:\n  backbon: resnet50\n")
    with pytest.raises(InputError, match="backbon"):
        read_config(recipe)


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="bag_of_tricks_small"):
        recipe_path("bag_of_trick")


def flat(values: dict[str, object], above: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{above}{name}.")
        else:
            found[above + name] = value
    return found


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -float("inf"), 1e300, 10**12, -(10**12)])
def test_no_number_is_infinite_or_beyond_any_use(value: float) -> None:
    plain = dotted(as_plain(Config()))
    for name, now in plain.items():
        numbers = (now if isinstance(now, list) else [now]) or [0]
        if name not in ("seed", "data.split_seed") and all(type(number) in (int, float) for number in numbers):
            if isinstance(value, float) and any(isinstance(number, int) for number in numbers):
                continue  # of another type
            with pytest.raises(InputError, match=name.replace(".", r"\.")):
                with_values(Config(), {name: [value] * len(numbers) if isinstance(now, list) else value})
