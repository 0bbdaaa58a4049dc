"""Images in any of the ways in which `embed` takes them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from strongreid import embed
from strongreid.errors import InputError
from strongreid.models import ReIDModel


@pytest.fixture(scope="module")
def model() -> ReIDModel:
    torch.manual_seed(0)
    return ReIDModel(backbone="resnet10_small", people=3, image_size=(64, 32))


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 20, 3), dtype=np.uint8)


def test_files_pil_images_and_arrays_give_the_same_features(model: ReIDModel, tmp_path: Path) -> None:
    Image.fromarray(pixels(0)).save(tmp_path / "0.png")
    with Image.open(tmp_path / "0.png") as opened:
        ways = [tmp_path / "0.png", str(tmp_path / "0.png"), opened, Image.fromarray(pixels(0)), pixels(0), opened]
        found = embed(model, ways, batch_size=2)
    assert found.shape == (6, model.width)
    for row in found:
        torch.testing.assert_close(row, found[0], rtol=1e-5, atol=1e-5)
    reversed_colours = embed(model, [pixels(0)[..., ::-1]])[0]
    assert (reversed_colours - found[0]).abs().max() > 1e-3
    both = np.stack([pixels(0), pixels(1)])
    torch.testing.assert_close(embed(model, both), embed(model, list(both)))


def test_a_photograph_is_embedded_upright(model: ReIDModel, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels(0)).save(tmp_path / "phone.png", exif=exif)
    upright = np.ascontiguousarray(np.rot90(pixels(0), -1))
    torch.testing.assert_close(embed(model, [tmp_path / "phone.png"]), embed(model, [upright]), rtol=1e-5, atol=1e-5)


def test_one_image_without_brackets_and_what_is_no_image_are_refused(model: ReIDModel, tmp_path: Path) -> None:
    for one in ("a.jpg", Path("a.jpg"), Image.fromarray(pixels(0)), pixels(0)):
        with pytest.raises(InputError, match="brackets"):
            embed(model, one)
    with pytest.raises(InputError, match=r"Image 1: .*uint8 \[H, W, 3\]"):
        embed(model, [pixels(0), pixels(0).astype(np.float32)])
    with pytest.raises(InputError, match=r"Image 0: .*mode is F"):
        embed(model, [Image.new("F", (4, 8))])
    with pytest.raises(InputError, match="batch size"):
        embed(model, [pixels(0)], batch_size=0)
