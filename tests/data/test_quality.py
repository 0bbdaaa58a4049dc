"""What is told of the quality of own images: by plain loops over pixels, and for images made poor on purpose."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from strongreid.data.check import CheckReport, check_data
from strongreid.data.looking import look
from strongreid.pixels import read_image


def grey(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).convert("L"))


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 20))
@settings(max_examples=50, deadline=None)
def test_sharpness_is_the_variance_of_the_laplacian(seed: int, height: int, width: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8)
    red, green, blue = pixels.astype(float)
    seen = 0.299 * red + 0.587 * green + 0.114 * blue
    values = [
        sum(seen[y + dy, x + dx] for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))) - 4 * seen[y, x]
        for y in range(1, height - 1)
        for x in range(1, width - 1)
    ]
    mean = sum(values) / max(len(values), 1)
    expected = sum((value - mean) ** 2 for value in values) / max(len(values), 1)
    assert look(pixels).sharpness == pytest.approx(expected, rel=1e-4)


def test_the_small_picture_is_the_mean_of_what_it_covers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 40), dtype=np.uint8)
    whole = grey(pixels).astype(float)
    small = look(pixels).small
    for y in range(16):
        for x in range(8):
            assert abs(small[y, x] - whole[4 * y : 4 * y + 4, 5 * x : 5 * x + 5].mean()) <= 1


@pytest.fixture
def people(drawn: Path, tmp_path: Path) -> list[Path]:
    """Drawn people as own data without loss, a folder each; the images by person."""
    images = []
    for path in sorted((drawn / "bounding_box_train").glob("*.jpg")):
        target = tmp_path / "people" / path.name[:4] / f"{path.stem}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).save(target)
        images.append(target)
    return images


def checked(people: list[Path]) -> tuple[CheckReport, list[str]]:
    report = check_data("folder", people[0].parents[1])
    return report, report.quality.sentences(report.images, report.people)


def test_sound_images_raise_nothing(people: list[Path]) -> None:
    report, said = checked(people)
    assert said == []
    assert len(report.images) == len(people)


def test_blurred_tiny_and_repeated_images_are_told_and_no_others(people: list[Path]) -> None:
    for path in people[1:3]:
        with Image.open(path) as image:
            blurred = image.filter(ImageFilter.GaussianBlur(2.5))
        blurred.save(path)
    with Image.open(people[5]) as image:
        small = image.resize((19, 60))
    small.save(people[5])
    copied = people[8].with_name(f"{people[8].stem}_again.png")
    pixels = read_image(people[8])
    Image.fromarray(np.ascontiguousarray(np.roll(pixels, 1, axis=2).transpose(1, 2, 0))).save(copied)
    report, said = checked(people)
    paths = report.images.path
    assert {paths[row] for row in report.quality.blurred} == {str(path) for path in people[1:3]}
    assert {paths[row] for row in report.quality.tiny} == {str(people[5])}
    assert [{paths[one], paths[two]} for one, two in report.quality.repeated] == [{str(people[8]), str(copied)}]
    assert len(said) == 3
    for sentence, words in zip(said, ("1 of", "2 of", "1 of"), strict=True):
        assert sentence.startswith(words)
    assert "--every" in said[2]
    assert report.ready


def test_people_of_one_camera_are_told_where_cameras_are_known(people: list[Path], tmp_path: Path) -> None:
    rows = [(path, path.parent.name, path.name.split("_c")[1][0]) for path in people]
    alone = sorted({row[1] for row in rows})[0]
    rows = [(path, who, "9" if who == alone else camera) for path, who, camera in rows]
    text = "\n".join(["path,person,camera", *(",".join(map(str, row)) for row in rows)])
    (tmp_path / "t.csv").write_text(text)
    report = check_data("table", tmp_path / "t.csv")
    seen = {who: {camera for _, person, camera in rows if person == who} for _, who, _ in rows}
    assert report.quality.one_camera == tuple(sorted(int(who) for who, cameras in seen.items() if len(cameras) == 1))
    assert int(alone) in report.quality.one_camera
    assert any(
        "have images of one camera only" in one for one in report.quality.sentences(report.images, report.people)
    )


def test_boxes_of_a_frame_are_judged_one_by_one(people: list[Path], tmp_path: Path) -> None:
    sharp = read_image(people[0])
    with Image.open(people[3]) as image:
        soft = np.asarray(image.filter(ImageFilter.GaussianBlur(3))).transpose(2, 0, 1)
    height, width = sharp.shape[1:]
    frame = np.zeros((3, height, 2 * width), dtype=np.uint8)
    frame[:, :, :width], frame[:, :, width:] = sharp, soft
    Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0))).save(tmp_path / "frame.png")
    boxes = [(0, 0, width, height), (width, 0, width, height), (0, 0, 15, 40), (width, 0, 900, height)]
    lines = [f"frame.png,{row},{row},{','.join(map(str, box))}" for row, box in enumerate(boxes)]
    (tmp_path / "t.csv").write_text("\n".join(["path,person,frame,x,y,w,h", *lines]))
    report = check_data("table", tmp_path / "t.csv")
    assert report.images.box is not None
    boxed = report.images.box.tolist()
    found = {name: {tuple(boxed[row]) for row in getattr(report.quality, name)} for name in ("tiny", "blurred")}
    assert found == {"tiny": {boxes[2]}, "blurred": {boxes[1], boxes[3]}}
