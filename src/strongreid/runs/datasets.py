"""Looking at data sets before any training: what is known, whether one is sound, decoding it ahead."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from strongreid import build
from strongreid.config_sections import SetConfig
from strongreid.data import BENCHMARKS, NOT_READ, PackedImages, bytes_to_pack, is_split_by_seed
from strongreid.data.check import CheckReport, PartReport, check_data
from strongreid.data.contact_sheet import contact_sheet, sheet_format
from strongreid.data.cuhk03 import extract_cuhk03
from strongreid.data.layouts import Counts, Cuhk03
from strongreid.data.listing import Finding
from strongreid.errors import InputError
from strongreid.reports.console import Console
from strongreid.runs.disk import tell_disk_need
from strongreid.runs.doubts import JudgedLabels, judge_labels, say_doubts, write_doubts
from strongreid.runs.used_model import UsedModel

SHOWN_FINDINGS = 50
"""Findings that are written out; the rest is counted."""
SHOWN_ALIKE = 5
"""Files with the same problem that are written out."""
_OWN = (
    ("drawn", "drawn people", "data draw DIR", "as drawn", "ready"),
    ("folder", "own folders, one a person", "your own", "split seed or folders", "ready"),
    ("folder", "own data, --layout market1501", "your own", "folders", "ready"),
    ("table", "own CSV or Parquet table", "your own", "split seed or column", "ready"),
)


def list_known(console: Console) -> None:
    """Write what can be read and how one comes by it, the public sets with terms and sources, and what is not read."""
    rows = [
        (
            spec.name,
            spec.title,
            spec.getting,
            "split seed" if is_split_by_seed(spec.name) else "published",
            "ready (.mat: data extract)" if isinstance(spec.layout, Cuhk03) else "ready",
        )
        for spec in BENCHMARKS.values()
    ]
    console.table("What can be read", ("name", "set", "to get it", "split by", "reader"), [*_OWN, *rows])
    for spec in BENCHMARKS.values():
        console.say(f"{spec.name}: {spec.terms} {spec.source}")
        for line in filter(None, (spec.url, spec.note)):
            console.say(f"    {line}")
    console.say("Columns of a table: path, person[, camera, split, frame, x, y, w, h, track, confidence].")
    console.say("Not read:")
    for line in NOT_READ:
        console.say(f"    {line}")


def check(
    one: SetConfig, sheet: Path | None, console: Console, used: UsedModel | None = None, page: Path | None = None
) -> bool:
    """Check a data set, write what was found and return whether it is ready for training.

    `used` judges the labels; `page` is written with what pictures have to settle.
    """
    if sheet is not None:
        sheet_format(sheet)
    with console.bar("Looking at images") as report:
        found = check_data(
            one.name, one.root, split_seed=one.split_seed, layout=one.layout, columns=one.columns, progress=report
        )
    _show(found, console)
    if sheet is not None and len(found.train):  # it need not be ready to be looked at
        contact_sheet(found.train, sheet)
        console.say(f"Contact sheet: {sheet}")
    if used is not None or page is not None:
        judged = _judged(found, used, console)
        if page is not None:
            write_doubts(page, found, judged)
            console.say(f"Page: {page}; open it in a browser.")
    console.say("ready" if found.ready else "Not ready: fix the errors listed above, then check again.")
    return found.ready


def _judged(found: CheckReport, used: UsedModel | None, console: Console) -> JudgedLabels | None:
    """Say what the model thinks of the labels; None where there is no model, or nobody to look at."""
    if used is None or not len(found.images):
        return None
    judged = judge_labels(found, used, console)
    say_doubts(judged, console)
    return judged


def pack(one: SetConfig, size: tuple[int, int], folder: Path, console: Console) -> None:
    """Decode and resize all images of a data set ahead of any training."""
    if min(size) < 32:
        raise InputError(f"--size is {size[0]} x {size[1]}; height and width must each be at least 32 pixels.")
    data = build.build_set(one)
    parts = {"training": data.train, "query": data.query, "gallery": data.gallery}
    tell_disk_need(bytes_to_pack(list(parts.values()), size, folder), folder, console)
    for title, table in parts.items():
        with console.bar(f"Decoding {title} images") as report:
            packed = PackedImages.build(table, size=size, folder=folder, progress=report)
        console.say(f"{title}: {len(packed)} images in {folder}")


def extract(name: str, root: Path, console: Console) -> None:
    """Write CUHK03's images out of its .mat file, in the layout that the reader takes."""
    match name:
        case "cuhk03_detected" | "cuhk03_labeled":
            boxes: Literal["detected", "labeled"] = "detected" if name == "cuhk03_detected" else "labeled"
        case _:
            raise InputError(f"Only cuhk03_detected and cuhk03_labeled need extracting, not {name!r}.")
    with console.bar("Extracting images") as report:
        extract_cuhk03(root, boxes, report)
    console.say(f"Extracted. Check it: strongreid data check {name} {root}")


def _show(found: CheckReport, console: Console) -> None:
    console.say(found.protocol)
    columns = ("part", "people", "images", "cameras", "junk", "images a person", "people by camera")
    console.table(found.title, columns, [_row(part, found.cameras) for part in found.parts])
    if any(part.junk for part in found.parts):
        console.say("Junk: images marked as nobody's, person -1. They are neither right nor wrong and are left out.")
    if found.sizes[0] != (0, 0):  # some image could be read
        sizes = [f"{height} x {width}" for height, width in found.sizes]
        console.say(f"Height x width in pixels: smallest {sizes[0]}, median {sizes[1]}, largest {sizes[2]}.")
    serious = [finding for finding in found.findings if finding.serious]
    notes = [finding for finding in found.findings if not finding.serious]
    for title, findings in (("Wrong", serious), ("Worth knowing", notes)):
        if findings:
            console.say(f"{title} ({len(findings)}):")
            lines = list(_lines(findings))
            for line in lines[:SHOWN_FINDINGS]:
                console.say(f"    {line}")
            if len(lines) > SHOWN_FINDINGS:
                console.say(f"    ... and {len(lines) - SHOWN_FINDINGS} more")

    if said := found.quality.sentences(found.images, found.people):
        console.say("Quality of the images:", *(f"    {sentence}" for sentence in said))


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Findings as lines; of many files with one problem the first few, so that they hide no other problem."""
    alike = Counter(finding.problem for finding in findings)
    told: Counter[str] = Counter()
    for finding in findings:
        told[finding.problem] += 1
        if told[finding.problem] <= SHOWN_ALIKE:
            yield str(finding)
        elif told[finding.problem] == SHOWN_ALIKE + 1:
            yield f"... and {alike[finding.problem] - SHOWN_ALIKE} more files: {finding.problem}"


def _row(part: PartReport, named: Mapping[int, str]) -> tuple[str, ...]:
    low, median, high = part.images_per_person
    cameras = " ".join(
        f"{named.get(camera, camera)}:{people}" for camera, people in sorted(part.people_per_camera.items())
    )
    counts = [_count(getattr(part.found, name), part.expected, name) for name in ("people", "images", "cameras")]
    return part.name, *counts, str(part.junk), f"{low}-{high}, median {median:g}", cameras


def _count(found: int | None, expected: Counts | None, name: str) -> str:
    """A count, and beside it the one that was published (or drawn), where one was."""
    if found is None:
        return "not known"
    published = getattr(expected, name) if expected is not None else None
    if published is None:
        return f"{found}"
    return f"{found} of {published}" if found == published else f"{found}, not {published}"
