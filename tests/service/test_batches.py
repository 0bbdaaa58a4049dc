import threading
import time
from collections.abc import Sequence

import pytest
import torch

from strongreid.pixels import read_image
from strongreid.service.batches import MOST, Batches
from strongreid.service.metrics import Meter
from strongreid.service.searching import Asked, answer
from tests.service.conftest import Room


def test_requests_that_wait_are_answered_together_each_with_its_own() -> None:
    batches, go = list[int](), threading.Event()

    def answer(numbers: Sequence[int]) -> Sequence[int | Exception]:
        go.wait(5)
        batches.append(len(numbers))
        return [ValueError(number) if number % 7 == 0 else number * number for number in numbers]

    worker: Batches[int, int] = Batches(answer)
    first = worker.ask(1)
    time.sleep(0.05)
    others = [worker.ask(number) for number in range(2, 71)]
    go.set()
    assert first.result(5) == 1
    for number, future in enumerate(others, start=2):
        if number % 7:
            assert future.result(5) == number * number
        else:
            with pytest.raises(ValueError, match=str(number)):
                future.result(5)
    assert batches == [1, MOST, MOST, 5]
    worker.close()


def test_closing_answers_what_was_asked_and_an_error_is_that_of_all() -> None:
    def fail(numbers: Sequence[int]) -> Sequence[int | Exception]:
        raise ArithmeticError("broken")

    worker: Batches[int, int] = Batches(fail)
    asked = [worker.ask(number) for number in range(3)]
    worker.close()
    for future in asked:
        with pytest.raises(ArithmeticError):
            future.result(0)


def test_a_batch_finds_what_each_query_alone_finds(room: Room) -> None:
    meter = Meter()
    asked = [
        Asked(read_image(path, (64, 32)), 5 + row % 2, None, "track" if row % 3 else "image")
        for row, path in enumerate(room.paths[:9])
    ]
    together = answer(room.served, meter, asked)
    for one, hits in zip(asked, together, strict=True):
        (alone,) = answer(room.served, meter, [one])
        assert isinstance(hits, list)
        assert isinstance(alone, list)
        assert [hit.key for hit in hits] == [hit.key for hit in alone]
        differences = [abs(hit.distance - other.distance) for hit, other in zip(hits, alone, strict=True)]
        assert max(differences) < 1e-5


def test_a_query_that_cannot_be_answered_spoils_no_other(room: Room) -> None:
    pixels = read_image(room.paths[0], (64, 32))
    good, bad = answer(room.served, Meter(), [Asked(pixels, 3, None), Asked(pixels, 0, None)])
    assert isinstance(good, list)
    assert isinstance(bad, Exception)
    assert torch.equal(torch.tensor([hit.rank for hit in good]), torch.arange(1, 4))
