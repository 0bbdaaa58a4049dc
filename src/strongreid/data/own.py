"""Own data in folders, one for each person, and how people's names become numbers, in folders and tables alike.

Nothing more than images and people is needed. Whom a name or a number means does not depend on the order of files.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from strongreid.data.listing import LARGEST, LEVELS, Finding, Part, contents
from strongreid.data.reading import Reading
from strongreid.data.splitting import ROLES, drawn_split, own_reading, queries_of, uses_of
from strongreid.data.table import ImageTable
from strongreid.errors import InputError

JUNK = -1
"""Number of what is nobody: images that are left out, in folders and tables as in Market-1501."""
FEW_PEOPLE = 8
"""With fewer people it is asked whether they are people: three folders are train, val and test more often."""

_NEGATIVE = re.compile(r"-\d+")
_MARKET1501 = ("bounding_box_train", "bounding_box_test")
_NOBODY = re.compile(
    r"(cam|camera|view)([-_ ]?\d+|[-_ ][a-z])?|(c|ch|channel)[-_ ]?\d+|images?|imgs?|photos?|pictures?|crops?|frames?"
)
"""Names that cameras and collections have, not people."""

Wrong = Callable[[str, str], InputError]
"""Makes the error for a name, from the name and what it must be."""


def read_own_folder(root: Path, split_seed: int = 0) -> Reading:
    """Read a folder that holds one folder of images for each person, or folders such as train, query and gallery.

    A person's folder may hold further folders. Folders named by numbers keep them, -1 is junk; other names are numbered
    from 1 in sorted order. In place of query and gallery there may be test (or val), of which queries are drawn with
    `split_seed`. Cameras are not known. Raises `InputError` where there is no such folder.
    """
    if not root.is_dir():
        kind = "is a file; a table is read by the name `table`" if root.exists() else "does not exist"
        raise InputError(f"The folder {root} {kind}. Give the folder that holds a folder for each person.")
    folders = _folders(root)
    uses = _uses(folders)
    if not uses:
        refuse_no_people(root, folders)
    homes = {use: root / name for name, use in uses.items() if use != "unused"} or {"": root}
    names = {use: _folders(home) for use, home in homes.items()}
    numbers = people_numbers(
        (name for listed in names.values() for name in listed),
        lambda name, allowed: InputError(f"{root} holds the folder `{name}`; its name must be {allowed}."),
    )
    parts = {use: _scan(home, {name: numbers[name] for name in names[use]}) for use, home in homes.items()}
    if not uses:
        drawn = own_reading("folder", str(root), *drawn_split(parts[""], False, split_seed), known_cameras=False)
        return replace(drawn, people=named(numbers))
    how = "split as given"
    if "tested" in parts:
        how = f"{how}, queries drawn with seed {split_seed}"
        parts |= queries_of(parts.pop("tested"), False, split_seed)
    if left_out := [name for name in folders if uses.get(name, "unused") == "unused"]:
        note = Finding(str(root), f"folders that are not read: {', '.join(left_out)}", serious=False)
        parts["train"] = replace(parts["train"], findings=(*parts["train"].findings, note))
    return replace(own_reading("folder", str(root), parts, how, known_cameras=False), people=named(numbers))


def _uses(folders: Sequence[str]) -> dict[str, str]:
    """What each folder of a split serves for, by its name; empty where the folders are not those of a split."""
    names = [name for name in folders if name.lower() in ROLES]
    serves = uses_of(ROLES[name.lower()] for name in names)
    uses = {name: serves.get(ROLES[name.lower()], "unused") for name in names}
    used = sorted(use for use in uses.values() if use != "unused")
    # Beside train and test alone, other folders may as well be people who were left out by mistake.
    if used == ["gallery", "query", "train"] or (used == ["tested", "train"] and len(names) == len(folders)):
        return uses
    return {}


def _folders(home: Path) -> list[str]:
    """The names of the folders in `home`, of which there must be one."""
    names = [Path(folder).name for folder in contents(home).folders]
    if not names:
        raise InputError(f"{home} holds no folders. Give the folder that holds a folder of images for each person.")
    return names


def refuse_no_people(root: Path, names: Sequence[str]) -> None:
    """Raise `InputError` where the folders in `root` are plainly not people's."""
    parts = [name for name in names if name.lower() in (*ROLES, *_MARKET1501)]
    if parts:
        raise InputError(
            f"{root} holds {', '.join(f'`{name}`' for name in parts)}: parts of a split, not people. A split of one's "
            "own needs train, query and gallery (or train and test), each with a folder for each person; own data in "
            "Market-1501's folders and file names is read with the layout `market1501`; public sets are read by their "
            "own names (`strongreid data list`)."
        )
    if len(names) == 1:
        inner = root / names[0]
        for _ in range(LEVELS):
            below = contents(inner).folders
            inner = Path(below[0]) if len(below) == 1 else inner
        raise InputError(
            f"{root} holds one folder, {names[0]}, so there is one person only. If the people's folders lie in it, "
            f"give {inner}."
        )


def _scan(home: Path, people: dict[str, int]) -> Part:
    beside = contents(home)
    paths, person, unread = list[str](), list[int](), beside.unread
    findings = [Finding(path, "the image lies beside the people's folders, not in one") for path in beside.images]
    junk, deeper = 0, list[str]()
    for name, number in people.items():
        found = contents(home / name, deep=True)
        unread = unread + found.unread
        if number == JUNK:
            junk += len(found.images)
            continue
        if not found.images:
            findings.append(Finding(str(home / name), "the folder holds no images", serious=False))
        deeper += [path for path in found.images if os.path.dirname(path) != os.path.join(home, name)]  # noqa: PTH118, PTH120
        paths += found.images
        person += [number] * len(found.images)
    if not paths:
        findings.append(Finding(str(home), "there are no images"))
    if deeper:
        problem = (
            f"{len(deeper)} images lie in folders inside the people's folders, the first of them here: each is taken "
            f"for the person whose folder is directly in {home}, and no camera is taken from a folder's name (a table "
            "has a column for it)"
        )
        findings.append(Finding(deeper[0], problem, serious=False))
    findings += doubts(str(home), [name for name, number in people.items() if number != JUNK])
    table = ImageTable(tuple(paths), np.array(person, dtype=np.int64), np.zeros(len(paths), dtype=np.int64))
    return Part(str(home), table, junk, tuple(findings), Counter(unread))


def doubts(source: str, names: Sequence[str]) -> list[Finding]:
    """What makes one doubt that `names` are people's: worth knowing, no fault."""
    shown = ", ".join(f"`{name}`" for name in names[:FEW_PEOPLE])
    nobody = [name for name in names if name.lower() in ROLES or _NOBODY.fullmatch(name.lower())]
    findings = []
    if nobody:
        problem = f"`{nobody[0]}` is not named like a person, but like a camera, a part of a split or a collection; "
        findings.append(Finding(source, f"{problem}it is taken for one person", serious=False))
    if 0 < len(names) < FEW_PEOPLE:
        count = f"are only {len(names)} people" if len(names) > 1 else "is only one person"
        problem = f"there {count} ({shown}); is each of them one person?"
        findings.append(Finding(source, problem, serious=False))
    return findings


def people_numbers(names: Iterable[str], wrong: Wrong) -> dict[str, int]:
    """Numbers of people's names, as `numbers_of`; -1, in any spelling, is `JUNK`, and other negative numbers wrong."""
    people, numbers = list[str](), dict[str, int]()
    for name in sorted(set(names)):
        if _NEGATIVE.fullmatch(name) is None:
            people.append(name)
        elif name[1:].lstrip("0") == "1":
            numbers[name] = JUNK
        else:
            raise wrong(name, "a number from 0 on, a name, or -1 for junk")
    return numbers | numbers_of(people, wrong)


def numbers_of(names: Iterable[str], wrong: Wrong) -> dict[str, int]:
    """Numbers of names: their own if all are numbers, else 1, 2, ... in sorted order.

    Raises what `wrong` makes for a number that no column can hold, and for what is written in two ways: a number (0003,
    3), or a name of the same letters (an umlaut is one character or two, which depends on the machine that wrote it).
    """
    different = sorted(set(names))
    own: dict[str, int] = {}
    spelling: dict[int, str] = {}
    letters: dict[str, str] = {}
    for name in different:
        if letters.setdefault(unicodedata.normalize("NFC", name), name) != name:
            raise wrong(name, "written in one way: it stands there in two forms of Unicode (NFC and NFD) as well")
        if name.isdecimal():
            digits = name.lstrip("0") or "0"
            if len(digits) > len(str(LARGEST)) or int(digits) > LARGEST:
                raise wrong(name, f"at most {LARGEST}")
            own[name] = int(digits)
            if spelling.setdefault(own[name], name) != name:
                raise wrong(name, f"written in one way: `{spelling[own[name]]}` is the same number")
    return own if len(own) == len(different) else {name: number for number, name in enumerate(different, start=1)}


def named(numbers: Mapping[str, int]) -> dict[int, str]:
    """Return the name that each number stands for, as the data write it; junk has none."""
    return {number: name for name, number in numbers.items() if number != JUNK}
