"""From a configuration to objects: losses are switched by their weights, and errors of parts name the settings."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strongreid import build
from strongreid.config import Config
from strongreid.data import ImageTable
from strongreid.errors import InputError
from strongreid.pixels import read_image
from strongreid.recipes.values import with_values


@pytest.mark.parametrize(
    "off", [(), ("identity",), ("triplet",), ("center",), ("identity", "center"), ("triplet", "center")]
)
def test_a_loss_of_weight_0_is_left_out(off: tuple[str, ...]) -> None:
    config = with_values(Config(), {f"objective.{name}.weight": 0.0 for name in off})
    objective = build.build_objective(config, people=3, dim=4)
    assert objective.names == tuple(name for name in ("identity", "triplet", "center") if name not in off)


def test_weights_reach_the_terms() -> None:
    weights = {"objective.identity.weight": 0.5, "objective.triplet.weight": 2.0}
    terms = build.build_objective(with_values(Config(), weights), people=3, dim=4).terms
    assert {name: term.weight for name, term in terms.items()} == {"identity": 0.5, "triplet": 2.0, "center": 1.0}


def test_errors_of_parts_name_the_settings() -> None:
    config = with_values(Config(), {"model.backbone": "resnetv2_50", "model.weights": None})
    with pytest.raises(InputError, match=r"Use `model\.last_stride` 2 with it"):
        build.build_model(config, people=3)
    table = ImageTable(tuple("abcd"), np.array([1, 1, 2, 2]), np.zeros(4, np.int64))
    with pytest.raises(InputError, match=r"`batch\.people_per_batch` is 16, but"):
        build.build_sampler(config, table)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_interpolation_reaches_the_decoded_images_and_the_model(interpolation: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)).save(path)
    table = ImageTable((str(path),), np.array([1]), np.array([1]))
    values = {"model.backbone": "resnet10_small", "model.weights": None, "model.image_size": (64, 32)}
    config = with_values(Config(), {**values, "model.interpolation": interpolation, "data.cache": tmp_path / "packs"})
    needed = build.build_bytes_to_pack(config, [table])
    packed = build.build_packed(config, table)
    assert [file.stat().st_size for file in (tmp_path / "packs").glob("*.npy")] == [needed]
    model = build.build_model(config, people=2)
    assert model.interpolation == interpolation
    assert np.array_equal(packed[np.array([0])][0].numpy(), read_image(path, (64, 32), model.interpolation))
