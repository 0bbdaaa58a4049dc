"""Drawn people in small, once a session: every reader is tested on them, laid out as its set ships."""

import shutil
from pathlib import Path

import pytest

from strongreid.drawn import draw_people


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 50 images in Market-1501's layout. Read only: damage a copy (`drawn_copy`)."""
    folder = tmp_path_factory.mktemp("drawn") / "people"
    return draw_people(
        folder, train_people=4, test_people=3, images_per_person=5, distractors=4, junk=3, seed=1, workers=1
    )


@pytest.fixture
def drawn_copy(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "people"))
