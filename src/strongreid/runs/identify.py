"""Open-set identification with a run, a model without one, or features of any model: `open_set` of their test sets."""

from dataclasses import replace
from pathlib import Path

from strongreid.config_sections import SetConfig
from strongreid.reports.console import Console
from strongreid.runs.evaluate import prepare_other
from strongreid.runs.evaluate_features import EmbeddedTest, Protocol, load_test
from strongreid.runs.folder import Run
from strongreid.runs.open_set import OpenSet, OpenSetProtocol, open_set
from strongreid.runs.test_sets import prepare_own_tests
from strongreid.runs.used_model import UsedModel
from strongreid.runs.without_a_run import embed_test


def identify_run(
    run: Run, protocol: OpenSetProtocol, console: Console, other: SetConfig | None = None
) -> dict[str, OpenSet]:
    """Identify with the last weights of a run on each set that it is tested on, by name; `other`: on that set alone."""
    tests = prepare_own_tests(run, console) if other is None else [prepare_other(run, other, console)]
    model = run.model()
    return {
        test.name: _open_set(replace(test.embed(model, console), threshold=model.threshold), protocol, console)
        for test in tests
    }


def identify_model(
    used: UsedModel, tested: SetConfig, protocol: OpenSetProtocol, console: Console
) -> dict[str, OpenSet]:
    """Identify with a model on a set; the result by the set's name."""
    test, embedded = embed_test(used, tested, Protocol(protocol.metric, protocol.same_camera), console)
    return {test.name: _open_set(embedded, protocol, console)}


def identify_files(query: Path, gallery: Path, protocol: OpenSetProtocol, console: Console) -> dict[str, OpenSet]:
    """Identify with features of any model: two .npz files with the arrays features, person and camera."""
    test = load_test(query, gallery, Protocol(protocol.metric, protocol.same_camera))
    return {"features": _open_set(test, protocol, console)}


def _open_set(test: EmbeddedTest, protocol: OpenSetProtocol, console: Console) -> OpenSet:
    """Say what makes figures doubtful, and measure them."""
    test.warn(console, Protocol(protocol.metric, protocol.same_camera, by=protocol.by))
    return open_set(test, console, protocol)
