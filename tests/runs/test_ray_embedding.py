"""What a worker of Ray is given, does and returns, without Ray: what one process does, from anywhere, in any order.

(Ray itself: `tests/cli/test_embed_on_ray.py`.)
"""

import io
import os
import random
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from PIL import Image

from strongreid.cli import COMMANDS
from strongreid.data.pictures import Pictures, read_pictures
from strongreid.errors import InputError
from strongreid.gallery import Gallery
from strongreid.models import embed
from strongreid.reports.console import Console
from strongreid.runs.embed import Choices
from strongreid.runs.enrol import EmbeddedRows, Enrolment, enrol
from strongreid.runs.ray_embedding import PART, Worker, _parts, _read, embedded_on_ray
from strongreid.runs.used_model import UsedModel, load_model

GUIDE = Path(__file__).parents[2] / "docs" / "cluster.md"
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def used(trained: Path) -> UsedModel:
    return load_model(trained)


@pytest.fixture
def files(drawn: Path) -> list[Path]:
    return sorted((drawn / "bounding_box_test").glob("*.jpg"))[:7]


@pytest.fixture
def bucket(files: list[Path]) -> Iterator[str]:
    """The pictures at another address, and one that is none."""
    system = fsspec.filesystem("memory")
    for file in files:
        system.pipe_file(f"/bucket/{file.name}", file.read_bytes())
    system.pipe_file("/bucket/none.jpg", b"no picture")
    yield "memory://bucket"
    system.rm("/bucket", recursive=True)


def worked(pictures: Pictures, rows: list[int], used: UsedModel, thumbnails: bool = False) -> list[EmbeddedRows]:
    worker = Worker(used, len(pictures), thumbnails)
    return [_read(worker(part)) for part in _parts(pictures, rows)]


def test_addresses_and_paths_give_the_model_s_features(
    files: list[Path], bucket: str, used: UsedModel, tmp_path: Path
) -> None:
    listed = [*(f"{bucket}/{file.name}" for file in files), *(f"file://{file}" for file in files), *files]
    (tmp_path / "crops.csv").write_text(
        "\n".join(["path", *map(str, listed), f"{bucket}/none.jpg", f"{bucket}/no", ""])
    )
    pictures = read_pictures(tmp_path / "crops.csv")
    (done,) = worked(pictures, list(range(len(pictures))), used, thumbnails=True)
    assert done.rows == list(range(len(listed)))
    expected = embed(used.network, files).numpy()  # type: ignore[arg-type]
    assert np.abs(done.features - np.tile(expected, (3, 1))).max() < 1e-5
    assert all(small is not None and Image.open(io.BytesIO(small)).format == "JPEG" for small in done.thumbnails)
    assert list(done.problems) == [len(listed), len(listed) + 1]
    assert f"The image {bucket}/none.jpg cannot be decoded" in done.problems[len(listed)]
    assert f"There is no {bucket}/no" in done.problems[len(listed) + 1]


def test_boxes_are_cut_out_of_frames_wherever_they_lie(
    files: list[Path], bucket: str, used: UsedModel, tmp_path: Path
) -> None:
    boxes = [(0, 0, 20, 40), (5, 10, 30, 60), (-4, -4, 20, 40), (9999, 0, 5, 5)]
    rows = [f"{path},{','.join(map(str, box))}" for box in boxes for path in (files[0], f"{bucket}/{files[0].name}")]
    (tmp_path / "boxes.csv").write_text("\n".join(["path,x,y,w,h", *rows, ""]))
    (done,) = worked(read_pictures(tmp_path / "boxes.csv"), list(range(8)), used)
    assert done.rows == list(range(6))
    assert np.array_equal(done.features[::2], done.features[1::2])
    assert [f"{files[0].name}, which has" in problem for problem in done.problems.values()] == [True, True]


def test_names_that_no_text_can_hold(files: list[Path], used: UsedModel, tmp_path: Path) -> None:
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    Path(strange).write_bytes(files[0].read_bytes())
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "none").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).write_bytes(b"no picture")
    pictures = read_pictures(tmp_path)
    (done,) = worked(pictures, [0, 1], used)
    assert [pictures.images.path[row] for row in done.rows] == [strange]
    assert ["cannot be decoded" in problem for problem in done.problems.values()] == [True]


def test_a_part_holds_the_rows_that_are_asked_for(used: UsedModel, tmp_path: Path) -> None:
    (tmp_path / "crops.csv").write_text("\n".join(["path", *(f"{row}.jpg" for row in range(3 * PART)), ""]))
    rows = list(range(1, 3 * PART, 2))
    parts = _parts(read_pictures(tmp_path / "crops.csv"), rows)
    assert [len(part) for part in parts] == [PART, PART // 2]
    assert [row for part in parts for row in part["row"].to_pylist()] == rows
    done = _read(Worker(used, len(rows), False)(parts[1].slice(0, 3)))
    assert (done.rows, list(done.problems)) == ([], rows[PART : PART + 3])
    assert done.features.shape == (0, used.network.width)


def test_what_is_wrong_with_the_model_is_said_once(files: list[Path], trained: Path, tmp_path: Path) -> None:
    broken = load_model(trained)
    with torch.no_grad():
        next(broken.network.parameters()).fill_(float("nan"))  # type: ignore[union-attr]
    (tmp_path / "crops.csv").write_text("\n".join(["path", *map(str, files), ""]))
    with pytest.raises(InputError, match="is not finite"):
        worked(read_pictures(tmp_path / "crops.csv"), [0, 1], broken)


def test_addresses_that_are_not_fetched_are_refused_before_ray_starts(used: UsedModel, tmp_path: Path) -> None:
    (tmp_path / "crops.csv").write_text("path\nx.jpg\nsftp://host/x.jpg\n")
    pictures = read_pictures(tmp_path / "crops.csv")
    with pytest.raises(InputError, match=r"sftp://host/x\.jpg begins with sftp://"):
        next(embedded_on_ray(pictures, [0], used, False, print))


@pytest.mark.parametrize("seed", range(3))
def test_the_order_in_which_rows_are_done_does_not_matter(
    files: list[Path], used: UsedModel, tmp_path: Path, seed: int
) -> None:
    rows = [f"{file},{number},{number % 3},2026-11-01T12:0{number}" for number, file in enumerate(files)]
    (tmp_path / "crops.csv").write_text("\n".join(["path,person,camera,time", *rows, "none.jpg,1,1,2026-11-01", ""]))

    def shuffled(pictures: Pictures, rows: list[int]) -> Generator[EmbeddedRows]:
        order = random.Random(seed).sample(rows, len(rows))
        for start in range(0, len(order), 3):
            yield from worked(pictures, order[start : start + 3], used)

    held = []
    for name, embed_rows in (("one", None), ("other", shuffled)):
        gallery = Gallery.open(tmp_path / name)
        done = enrol(
            tmp_path / "crops.csv",
            gallery,
            used,
            Enrolment(),
            Choices(skip_bad=True),
            QUIET,
            "",
            embed_rows,
        )
        assert (done.added, done.known) == (7, 0)
        columns = ("path", "person", "camera", "time")
        rows_of = [zip(*(getattr(part, column).tolist() for column in columns), strict=True) for part in gallery.rows()]
        held.append(sorted(row for part in rows_of for row in part))
    assert held[0] == held[1]


def test_the_guide_s_commands_are_commands() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    ours = [line.split()[1:] for line in lines if line.startswith("strongreid")]
    assert len(ours) == 3
    for words in ours:
        COMMANDS[words[0]].prepare(words[1:])
