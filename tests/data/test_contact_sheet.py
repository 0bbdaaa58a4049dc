from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid.data.contact_sheet import MARGIN, contact_sheet, sheet_format
from strongreid.data.table import ImageTable
from strongreid.errors import InputError


def plain_images(folder: Path, colours: dict[tuple[int, int, int], tuple[int, int, int]]) -> ImageTable:
    """One image of one colour for each (person, camera, number)."""
    paths = []
    for (person, camera, number), colour in colours.items():
        paths.append(str(folder / f"{person}_{camera}_{number}.png"))
        Image.new("RGB", (8, 16), colour).save(paths[-1])
    return ImageTable(tuple(paths), [key[0] for key in colours], [key[1] for key in colours])


def test_a_row_is_a_person_and_shows_every_camera_before_a_second_image(tmp_path: Path) -> None:
    colours = {
        (person, camera, number): (person * 50, camera * 50 + 7, number * 50 + 3)  # no grey, which is the text's colour
        for person in (1, 2, 3, 4)
        for camera in (1, 2, 3)
        for number in (1, 2, 3)
    }
    table = plain_images(tmp_path, colours)
    contact_sheet(table, tmp_path / "sheet.png", people=5, images=4, size=(16, 8))
    with Image.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    shown = {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()} & set(colours.values())
    for person in (1, 2, 3, 4):
        cameras = sorted(colour[1] for colour in shown if colour[0] == person * 50)
        assert len(cameras) == 4
        assert set(cameras) == {57, 107, 157}
    for colour in shown:
        rows, columns = np.nonzero((pixels == colour).all(-1))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1, len(rows)) == (16, 8, 128)
    tops = {colour: np.nonzero((pixels == colour).all(-1))[0].min() for colour in shown}
    assert len({(colour[0], top) for colour, top in tops.items()}) == 4


def test_the_same_seed_shows_the_same_people(tmp_path: Path) -> None:
    table = plain_images(tmp_path, {(person, 1, 1): (person, 0, 0) for person in range(1, 30)})
    sheets = []
    for seed in (0, 0, 1):
        contact_sheet(table, tmp_path / "sheet.png", people=3, seed=seed)
        sheets.append((tmp_path / "sheet.png").read_bytes())
    assert sheets[0] == sheets[1] != sheets[2]


def test_nobody_to_show_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody"):
        contact_sheet(plain_images(tmp_path, {}), tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("ending", [".psd", ".PSD", ".mpg", ".msp"])
def test_an_ending_that_cannot_be_written_is_refused_first(tmp_path: Path, ending: str) -> None:
    table, sheet = plain_images(tmp_path, {(1, 1, 1): (200, 9, 9)}), tmp_path / f"sheet{ending}"
    for refuse in (sheet_format, lambda path: contact_sheet(table, path)):
        with pytest.raises(InputError, match=rf"sheet{ending} ends in {ending}, but .* Name it \.png or \.jpg"):
            refuse(sheet)
    assert not sheet.exists()


def test_an_ending_names_the_format(tmp_path: Path) -> None:
    table = plain_images(tmp_path, {(1, 1, 1): (200, 9, 9)})
    for name, kind in (("a.JPG", "JPEG"), ("a.png", "PNG"), ("a.webp", "WEBP"), ("a", "PNG"), ("a.people", "PNG")):
        contact_sheet(table, tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.format == kind


def test_an_image_that_cannot_be_read_leaves_its_place_empty(tmp_path: Path) -> None:
    table = plain_images(tmp_path, {(1, 1, 1): (200, 9, 9), (1, 2, 1): (9, 200, 9), (1, 3, 1): (9, 9, 200)})
    Path(table.path[1]).write_bytes(b"no image")
    contact_sheet(table, tmp_path / "sheet.png", size=(16, 8))
    with Image.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    first, _, third = ((pixels == colour).all(-1) for colour in ((200, 9, 9), (9, 200, 9), (9, 9, 200)))
    assert first.sum() == third.sum() == 16 * 8
    places = [int(np.nonzero(shown)[1].min()) for shown in (first, third)]
    assert places[1] - places[0] == 2 * (8 + MARGIN)
    assert not (pixels == (9, 200, 9)).all(-1).any()
