"""`data`: list, check, draw, extract and pack data sets."""

from collections.abc import Callable
from pathlib import Path

from jsonargparse import ArgumentParser

from strongreid.cli.parsing import parser_of
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
    console.say(f"Drawn: {folder}. Train with --data.name market1501 --data.root {folder}")


def data_list() -> None:
    """List the known data sets: names, terms, where they are found, and what is not read."""
    from strongreid.reports.console import Console
    from strongreid.runs.datasets import list_known

    list_known(Console())


def data_check(name: str, root: Path, split_seed: int = 0, sheet: Path | None = None) -> None:
    """Check a data set before the first step: counts, people in train and test, corrupt and repeated images.

    Args:
        name: The data set; `strongreid data list` names the known ones.
        root: Its folder, for Market-1501 the one that holds bounding_box_train; for `table` the file.
        split_seed: Seed of the split, for sets that leave it to the user.
        sheet: File for a contact sheet, a picture of some people (.png or .jpg).
    """
    from strongreid.reports.console import Console
    from strongreid.runs import datasets

    if not datasets.check(name, root, split_seed, sheet, Console()):
        raise InputError(f"{root} is not ready for training; what to mend is listed above.")


def data_pack(
    name: str,
    root: Path,
    size: tuple[int, int] = (256, 128),
    cache: Path = Path("runs/packed"),
    split_seed: int = 0,
) -> None:
    """Decode and resize a data set's images ahead of training, on all cores.

    Args:
        name: The data set; `strongreid data list` names the known ones.
        root: Its folder; for `table` the file.
        size: Height and width in pixels: what model.image_size will be.
        cache: The folder to write to: what data.cache will be, by default `packed` in the output folder.
        split_seed: Seed of the split, for sets that leave it to the user.
    """
    from strongreid.reports.console import Console
    from strongreid.runs import datasets

    datasets.pack(name, root, size, cache, split_seed, Console())


def data_extract(name: str, root: Path) -> None:
    """Write CUHK03's images out of its .mat file.

    Args:
        name: cuhk03_detected or cuhk03_labeled.
        root: The folder that holds cuhk03_release.
    """
    from strongreid.reports.console import Console
    from strongreid.runs import datasets

    datasets.extract(name, root, Console())


DATA_COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "list": (data_list, "list the known data sets, their terms and where they are found"),
    "check": (data_check, "say whether a data set is ready, and what to mend if not"),
    "draw": (data_draw, "draw people in Market-1501's layout"),
    "extract": (data_extract, "write CUHK03's images out of its .mat file"),
    "pack": (data_pack, "decode and resize a data set ahead of training"),
}


def add_data_commands(parser: ArgumentParser) -> None:
    """Add each of `DATA_COMMANDS` to the parser of `data`, which must be a subcommand already."""
    commands = parser.add_subcommands(dest="data_command", required=True)
    for name, (command, purpose) in DATA_COMMANDS.items():
        commands.add_subcommand(name, parser_of(command), help=purpose)
