"""`data`: list, check, draw, extract and pack data sets."""

from functools import partial
from pathlib import Path
from typing import Literal

from strongreid.cli.any_model import NOT_ONNX, is_onnx, open_model, require_any_model
from strongreid.cli.checks import refuse_lone_folder, require_output_file, require_set
from strongreid.cli.command import Command
from strongreid.cli.options import reading_words
from strongreid.config_sections import SetConfig
from strongreid.errors import InputError


def data_draw(
    folder: Path,
    train_people: int = 110,
    test_people: int = 80,
    images_per_person: int = 8,
    seed: int = 0,
    domain: int = 0,
) -> None:
    """Draw people: a set of pictures in Market-1501's own layout, with its counts in drawn.json.

    Args:
        folder: The folder to make; it must not exist yet, or be empty.
        train_people: People to train on.
        test_people: Other people, to test with.
        images_per_person: Images of each of them, on average.
        seed: The same seed draws the same pictures.
        domain: Another domain has other cameras and other clothes.
    """
    from strongreid.drawn import draw_people
    from strongreid.reports.console import Console

    console = Console()
    with console.bar("Drawing people") as report:
        draw_people(
            folder,
            train_people=train_people,
            test_people=test_people,
            images_per_person=images_per_person,
            seed=seed,
            domain=domain,
            progress=report,
        )
    console.say(f"Drawn: {folder}.")
    console.suggest("train", "drawn", folder)


def data_list() -> None:
    """List the known data sets: names, terms, where they are found, and what is not read."""
    from strongreid.reports.console import Console
    from strongreid.runs.datasets import list_known

    console = Console()
    list_known(console)
    console.say("Next: strongreid data check NAME DIR")


def data_check(
    name: str,
    root: Path,
    split_seed: int = 0,
    sheet: Path | None = None,
    layout: Literal["market1501"] | None = None,
    columns: str = "",
    model: Path | None = None,
    page: Path | None = None,
) -> None:
    """Check a data set before the first step: counts, people in train and test, corrupt and repeated images.

    Args:
        name: The data set; `strongreid data list` names the known ones.
        root: Its folder, for Market-1501 the one that holds bounding_box_train; for `table` the file.
        split_seed: Seed of the split, for sets that leave it to the user.
        sheet: File for a contact sheet, a picture of some people (.png or .jpg).
        layout: market1501 for own data (`folder`) in Market-1501's folders and file names, with any cameras.
        columns: What a `table` calls its columns, where they have other names: person=pid,camera=camid.
        model: A run, a model file, hf:owner/name or an ONNX file that judges the labels: one person under two ids, two
            people under one.
        page: HTML file for what pictures have to settle: doubted labels side by side, blurred and tiny images.
    """
    require_set(name, root)
    require_output_file("--sheet", sheet, "people.png")
    require_output_file("--page", page, "doubts.html")
    if model is not None:
        require_any_model(model, NOT_ONNX)

    from strongreid.data import set_name
    from strongreid.reports.console import Console
    from strongreid.runs import datasets

    console = Console()
    one = SetConfig(name, root, split_seed, layout=layout, columns=columns)
    used = None if model is None else open_model(model, NOT_ONNX)
    if not datasets.check(one, sheet, console, used, page):
        raise InputError(f"{root} is not ready for training; what to fix is listed above.")
    if model is None or is_onnx(model):
        console.suggest("train", set_name(name, root), root, *reading_words(one))
    else:
        console.suggest("finetune", set_name(name, root), root, *reading_words(one), "--from", model)


def data_pack(
    name: str,
    root: Path,
    size: tuple[int, int] = (256, 128),
    cache: Path = Path("runs/packed"),
    split_seed: int = 0,
    layout: Literal["market1501"] | None = None,
    columns: str = "",
) -> None:
    """Decode and resize a data set's images ahead of training, on all cores.

    Args:
        name: The data set; `strongreid data list` names the known ones.
        root: Its folder; for `table` the file.
        size: Height and width in pixels: what model.image_size will be.
        cache: The folder to write to: what data.cache will be, by default `packed` in the output folder.
        split_seed: Seed of the split, for sets that leave it to the user.
        layout: market1501 for own data (`folder`) in Market-1501's folders and file names, with any cameras.
        columns: What a `table` calls its columns, where they have other names: person=pid,camera=camid.
    """
    require_set(name, root)

    from strongreid.data import set_name
    from strongreid.reports.console import Console
    from strongreid.runs import datasets

    console = Console()
    one = SetConfig(name, root, split_seed, layout=layout, columns=columns)
    datasets.pack(one, size, cache, console)
    decoded = ("--data.cache", cache, "--model.image_size", f"[{size[0]},{size[1]}]")
    console.suggest("train", set_name(name, root), root, *reading_words(one), *decoded)


def data_extract(name: str, root: Path) -> None:
    """Write CUHK03's images out of its .mat file.

    Args:
        name: cuhk03_detected or cuhk03_labeled.
        root: The folder that holds cuhk03_release.
    """
    from strongreid.reports.console import Console
    from strongreid.runs import datasets

    datasets.extract(name, root, Console())


DATASETS = {
    "data list": Command(
        data_list,
        "list the known data sets, their terms and where they are found",
        ("data list", "data check NAME DIR"),
    ),
    "data check": Command(
        data_check,
        "say whether a data set is ready, and what to fix if not",
        ("data check folder people", "data check table people.csv --model RUN --page doubts.html"),
        refuse=partial(refuse_lone_folder, command="data check"),
    ),
    "data draw": Command(
        data_draw, "draw people in Market-1501's layout", ("data draw people", "data draw people2 --seed 1 --domain 1")
    ),
    "data extract": Command(
        data_extract,
        "write CUHK03's images out of its .mat file",
        ("data extract cuhk03_labeled DIR", "data extract cuhk03_detected DIR"),
    ),
    "data pack": Command(
        data_pack,
        "decode and resize a data set ahead of training",
        ("data pack market1501 DIR", "data pack folder people --size [128,64]"),
        refuse=partial(refuse_lone_folder, command="data pack"),
    ),
}
