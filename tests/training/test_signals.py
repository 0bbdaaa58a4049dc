"""Signals that ask a training to stop: the first is kept, the second ends at once, an ignored one stays ignored."""

import signal
import threading
from collections.abc import Iterator

import pytest

from strongreid.training.signals import STOPPING, Stopped, stop_requests, stopped_by_signals


class SecondError(Exception):
    """What the handlers of these tests raise in place of ending the process."""


@pytest.fixture
def handlers() -> Iterator[None]:
    """Handlers of the test's own for all signals, and the former ones after it."""

    def raises(number: int, frame: object) -> None:
        raise SecondError(number)

    before = {number: signal.signal(number, raises) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", STOPPING)
@pytest.mark.parametrize("second", STOPPING)
@pytest.mark.usefixtures("handlers")
def test_the_first_signal_is_kept_and_the_second_goes_where_it_always_went(
    first: signal.Signals, second: signal.Signals
) -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    with stop_requests() as asked:
        assert asked() is None
        signal.raise_signal(first)
        assert asked() == first
        with pytest.raises(SecondError, match=str(int(second))):
            signal.raise_signal(second)
    assert [signal.getsignal(number) for number in STOPPING] == before


@pytest.mark.usefixtures("handlers")
def test_handlers_are_put_back_when_nothing_or_something_happens() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    with stop_requests():
        assert all(signal.getsignal(number) not in before for number in STOPPING)
    assert [signal.getsignal(number) for number in STOPPING] == before
    with pytest.raises(RuntimeError), stop_requests():
        raise RuntimeError
    assert [signal.getsignal(number) for number in STOPPING] == before


@pytest.mark.parametrize("ignored", STOPPING)
@pytest.mark.usefixtures("handlers")
def test_a_signal_that_was_ignored_stays_ignored(ignored: signal.Signals) -> None:
    signal.signal(ignored, signal.SIG_IGN)
    with stop_requests() as asked:
        signal.raise_signal(ignored)
        assert asked() is None
        assert signal.getsignal(ignored) == signal.SIG_IGN


@pytest.mark.usefixtures("handlers")
def test_under_torchrun_which_passes_signals_on_the_echo_is_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with stop_requests() as asked:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert asked() == signal.SIGTERM
        now = 110.0
        with pytest.raises(SecondError):
            signal.raise_signal(signal.SIGTERM)


def test_outside_of_the_main_thread_signals_are_left_alone() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    found: list[object] = []

    def work() -> None:
        with stop_requests() as asked:
            found.extend([asked(), [signal.getsignal(number) for number in STOPPING]])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert found == [None, before]


def test_the_exit_code_is_what_a_shell_reports() -> None:
    assert [Stopped(number).exit_code for number in STOPPING] == [130, 143, 129]
    assert issubclass(Stopped, KeyboardInterrupt)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("handlers")
def test_a_signal_that_would_end_the_process_ends_the_block_and_one_more_the_process(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_DFL)
    with pytest.raises(Stopped) as stop, stopped_by_signals():
        try:
            signal.raise_signal(number)
        finally:
            assert signal.getsignal(number) == signal.SIG_DFL
    assert stop.value.exit_code == 128 + number
    with stopped_by_signals(), stop_requests() as asked:  # a training keeps it
        signal.raise_signal(number)
        assert asked() == number
    assert signal.getsignal(number) == signal.SIG_DFL
    for kept in (signal.SIG_IGN, signal.default_int_handler):
        signal.signal(number, kept)
        with stopped_by_signals():
            assert signal.getsignal(number) == kept
        assert signal.getsignal(number) == kept
