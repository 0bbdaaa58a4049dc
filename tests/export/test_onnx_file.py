"""Writing ONNX changes nothing of the process that it is done in."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from strongreid.export.onnx_file import quiet_tracing


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = logging.root.manager.disable
    yield
    logging.disable(before)


@pytest.mark.parametrize("disabled", [logging.NOTSET, logging.INFO, logging.ERROR])
@pytest.mark.parametrize("fails", [False, True])
def test_what_a_caller_has_silenced_stays_silent(disabled: int, fails: bool) -> None:
    logging.disable(disabled)
    graph: Any = None  # looked at only where tracing fails for what is traced
    try:
        with quiet_tracing(graph):
            assert logging.root.manager.disable == max(disabled, logging.WARNING)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert logging.root.manager.disable == disabled
