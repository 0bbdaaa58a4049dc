"""Writing a set of drawn people: the plan, drawn by all cores, atomically.

Each image is a pure function of (seed, domain, person, camera, index), so it does not matter which process draws it.
The processes are fresh interpreters that run `worker.py`: they need neither torch nor the caller's main module, so
they start in a fraction of a second, and scripts and notebooks need no guard.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from strongreid.drawn.camera import CAMERAS
from strongreid.drawn.picture import is_occluded
from strongreid.drawn.plan import SPLITS, Sheet, make_plan
from strongreid.drawn.worker import Job, draw_file
from strongreid.errors import InputError
from strongreid.files import atomic_folder, read_json, write_json

VERSION = 2
"""Version of the generator: it grows whenever the same seed gives other pictures."""
_NOTE = "These people are drawn by a program. They are not real people, and no photograph was used."


def draw_people(
    folder: Path,
    *,
    train_people: int = 110,
    test_people: int = 80,
    images_per_person: int = 8,
    distractors: int = 120,
    junk: int = 40,
    seed: int = 0,
    domain: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw a set of people in Market-1501's layout, with its counts in `drawn.json`; return its folder.

    Images are JPEGs, 128 pixels high and 64 wide. The same arguments and library versions give the same bytes,
    whatever `workers` is.

    - `folder`: where; it must not exist, or be empty.
    - `train_people`, `test_people`: how many people; those of training and test are disjoint.
    - `images_per_person`: mean number of images of a person (at least 4); it varies by two.
    - `distractors`, `junk`: further images in the gallery, of person 0 and of person -1.
    - `seed`: who the people are and how each image came about.
    - `domain`: which cameras, scenes and clothes; 0 is the default, any other number is another world.
    - `workers`: number of processes, by default one a core; 1 draws in this process.
    - `progress`: called with (images done, images in all).

    Raises `InputError` if the folder is in use or a count is impossible.
    """
    folder = Path(folder)
    if seed < 0 or domain < 0:
        raise InputError(f"seed is {seed} and domain is {domain}; both must be 0 or more.")
    plan = make_plan(train_people, test_people, images_per_person, distractors, junk, seed)
    _make_free(folder)
    with atomic_folder(folder) as partial:
        for split in SPLITS:
            (partial / split).mkdir()
        _draw_all(partial, plan, seed, domain, _worker_count(workers, len(plan)), progress)
        write_json(partial / "drawn.json", _summary(plan, seed, domain))
    return folder


def occluded_queries(folder: Path) -> set[str]:
    """Return the file names of the queries in a drawn set before whose person something stands.

    Each is painted once more to find out. Empty where another version of the painter drew them.
    """
    drawn = read_json(folder / "drawn.json")
    if drawn.get("version") != VERSION:
        return set()
    found = set()
    for name in sorted(entry.name for entry in (folder / "query").glob("*.jpg")):
        person, camera, frame, _ = name.split("_")  # as `plan` writes it: an image's index ends its frame
        where = int(person), int(camera[1]) - 1, int(frame) % 100
        if is_occluded(drawn["seed"], drawn["domain"], *where):
            found.add(name)
    return found


def _make_free(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    elif folder.exists():
        found = "a folder with files in it" if folder.is_dir() else "a file"
        raise InputError(f"{folder} is {found}. Name a folder that does not exist yet, or empty this one first.")


def _worker_count(workers: int | None, images: int) -> int:
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; give 1 or more, or leave it out for one a core.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Below a few hundred images, starting processes takes longer than drawing.
    return workers if workers is not None else max(1, min(cores, 16, images // 200))


def _draw_all(
    folder: Path, plan: list[Sheet], seed: int, domain: int, workers: int, progress: Callable[[int, int], None] | None
) -> None:
    jobs = [
        Job(str(folder / sheet.split / sheet.name), seed, domain, sheet.number, sheet.camera, sheet.index, sheet.junk)
        for sheet in plan
    ]
    # Closed at once when `progress` raises, so that no process still writes into a folder that is being removed.
    with closing((draw_file(job) for job in jobs) if workers == 1 else _draw_in_processes(jobs, workers)) as files:
        for done, _ in enumerate(files, start=1):
            if progress is not None:
                progress(done, len(plan))


def _draw_in_processes(jobs: list[Job], workers: int) -> Generator[str, None, None]:
    """Let processes draw the jobs and yield once for each finished file.

    All of them write to one pipe, a line a file; it ends when the last process has ended.
    """
    read_end, write_end = os.pipe()
    children: list[subprocess.Popen[str]] = []
    try:
        command = [sys.executable, str(Path(__file__).with_name("worker.py"))]
        for _ in range(workers):
            children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=write_end, text=True))  # noqa: PERF401
        os.close(write_end)
        with os.fdopen(read_end) as finished:
            for start, child in enumerate(children):
                assert child.stdin is not None
                json.dump([asdict(job) for job in jobs[start::workers]], child.stdin)
                child.stdin.close()
            yield from finished
        failed = [child.wait() for child in children]
        if any(failed):
            raise RuntimeError(f"A process that drew people ended with exit codes {failed}; its traceback is above.")
    finally:
        for child in children:
            child.kill()
            child.wait()


def _summary(plan: list[Sheet], seed: int, domain: int) -> dict[str, Any]:
    return {
        "note": _NOTE,
        "generator": "strongreid.drawn",
        "version": VERSION,
        "seed": seed,
        "domain": domain,
        "cameras": CAMERAS,
        "splits": {split: _counts([sheet for sheet in plan if sheet.split == split]) for split in SPLITS},
    }


def _counts(sheets: list[Sheet]) -> dict[str, int]:
    return {
        "images": len(sheets),
        "people": len({sheet.person for sheet in sheets if sheet.person > 0}),
        "cameras": len({sheet.camera for sheet in sheets}),
        "distractors": sum(sheet.person == 0 for sheet in sheets),
        "junk": sum(sheet.person == -1 for sheet in sheets),
    }
