from pathlib import Path

import pytest

from strongreid.cli import main
from tests.tables.sweeps import sweep_words


@pytest.fixture(scope="session")
def filled(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two seeds that was not disturbed; copy it to change it."""
    output = tmp_path_factory.mktemp("sweep") / "out"
    assert main(sweep_words(drawn, output, "--seeds", "0", "1")) == 0
    return output
