from pathlib import Path

import numpy as np
import pytest


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
