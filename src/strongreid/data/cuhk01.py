"""CUHK01: 971 people, two cameras, two images each, and no published split (Li et al., ACCV 2012)."""

from pathlib import Path

import numpy as np

from strongreid.data.layouts import Names
from strongreid.data.listing import Finding, Part, find_root, scan_folder
from strongreid.data.table import ImageTable

_NAMES = Names(r"(?P<person>\d{4})(?P<camera>00)(?P<frame>[1-4])(?i:\.png)", "0001001.png, the image 001 to 004")
SPLIT_STREAM = 0xC01
"""Second word of the generator's key: keeps the split apart from other draws with the same seed."""


def scan_cuhk01(root: Path, split_seed: int) -> dict[str, Part]:
    """Read CUHK01; `root` is the folder that holds `campus`.

    Half of the people, drawn with `split_seed`, train (485 of 971), the others test: queries are the images of camera
    A (001 and 002), the gallery those of camera B (003 and 004), numbered 1 and 2 here. The split is a pure function
    of the seed and the people.
    """
    folder = find_root(root, ("campus",), "CUHK01") / "campus"
    whole = scan_folder(folder, _NAMES, None)
    frame = whole.table.frame
    assert frame is not None
    table = ImageTable(whole.table.path, whole.table.person, np.where(frame <= 2, 1, 2), frame=frame)
    people = table.people
    rng = np.random.Generator(np.random.Philox(key=[split_seed, SPLIT_STREAM]))
    learned = np.isin(table.person, rng.permutation(people)[: len(people) // 2])
    findings = whole.findings
    if not findings and len(people) < 2:
        findings = (Finding(str(folder), "there is one person only; a split needs at least 2"),)
    return {
        "train": Part(whole.source, table.select(learned), 0, findings, whole.unread),
        "query": Part(whole.source, table.select(~learned & (table.camera == 1))),
        "gallery": Part(whole.source, table.select(~learned & (table.camera == 2))),
    }
