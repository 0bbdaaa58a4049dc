"""Small sets of two views: an image of each person in either, and a split of the people by seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from strongreid.data.layouts import Benchmark, Pairs
from strongreid.data.listing import Finding, Part, find_root, scan_folder
from strongreid.data.table import ImageTable, stacked

SPLIT_STREAM = 0x2CA
"""Second word of the generator's key: keeps the split apart from other draws with the same seed."""


def scan_pairs(spec: Benchmark, layout: Pairs, root: Path, split_seed: int) -> dict[str, Part]:
    """Read such a set; `root` is the folder that holds both folders.

    Half of the people whom both views show, drawn with `split_seed`, train, the others test: their images in `query`
    are looked for in `gallery`, which keeps those whom it alone shows. Whom only the queries' folder shows is left out.
    """
    root = find_root(root, (layout.query, layout.gallery), spec.title)
    named = "(?P<camera>" in layout.names.pattern
    cameras = spec.cameras if named else None
    query, gallery = (scan_folder(root / folder, layout.names, cameras) for folder in (layout.query, layout.gallery))
    if not named:
        query, gallery = (_of_camera(part, camera) for part, camera in ((query, 1), (gallery, 2)))
    both = np.setdiff1d(np.intersect1d(query.table.person, gallery.table.person), [0])
    if layout.shared is not None:
        both = both[both <= layout.shared]
    rng = np.random.Generator(np.random.Philox(key=[split_seed, SPLIT_STREAM]))
    learned = rng.permutation(both)[: len(both) // 2]
    asked = query.table.select(np.isin(query.table.person, np.setdiff1d(both, learned)))
    findings = query.findings + gallery.findings
    if not findings and len(both) < 2:
        findings = (Finding(str(root), "both folders show fewer than 2 people; a split needs at least 2"),)
    return {
        "train": Part(f"{query.source} and {gallery.source}", _joined(query, gallery, learned), 0, findings),
        "query": Part(query.source, asked, unread=query.unread),
        "gallery": Part(
            gallery.source, gallery.table.select(~np.isin(gallery.table.person, learned)), unread=gallery.unread
        ),
    }


def _of_camera(part: Part, camera: int) -> Part:
    table = part.table
    return replace(part, table=ImageTable(table.path, table.person, np.full_like(table.person, camera)))


def _joined(query: Part, gallery: Part, people: np.ndarray) -> ImageTable:
    """The images of some people in both folders, without the numbers of frames."""
    tables = [part.table.select(np.isin(part.table.person, people)) for part in (query, gallery)]
    return replace(stacked(tables), frame=None)
