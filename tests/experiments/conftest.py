from pathlib import Path

import numpy as np
import pytest

from strongreid.cli import main
from tests.experiments.sweeps import sweep_words


@pytest.fixture(scope="session")
def filled(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two seeds that was not disturbed; copy it to change it."""
    output = tmp_path_factory.mktemp("sweep") / "out"
    assert main(sweep_words(drawn, output, "--seeds", "0", "1")) == 0
    return output


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Query and gallery features of any model, as files."""
    images = np.random.default_rng(3)
    paths = tmp_path / "query.npz", tmp_path / "gallery.npz"
    for path, count in zip(paths, (40, 90), strict=True):
        person = images.integers(0, 12, count)
        features = np.eye(12)[person] + 0.7 * images.normal(size=(count, 12))
        np.savez(path, features=features, person=person, camera=images.integers(0, 3, count))
    return paths
