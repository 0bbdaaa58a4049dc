"""Workers: the same bits for any number of them, nobody's settings changed, and an end that is quick."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from strongreid.evaluation import Embeddings, Reranking, average_query_expansion, evaluate, nearest, verify
from strongreid.evaluation.ground_truth import MatchIndex
from strongreid.evaluation.search import search
from strongreid.evaluation.workers import Task, full_precision, run
from strongreid.reports.confusions import hardest_pairs

CPU = torch.device("cpu")
COUNTS = (1, 2, 5)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def images(seed: int, count: int, width: int = 48) -> Embeddings:
    """Images of 40 people; one in ten is a copy of another, one in ten is junk."""
    rng = np.random.default_rng(seed)
    person = rng.integers(0, 40, count)
    features = np.random.default_rng(0).normal(size=(40, width))[person] + 1.5 * rng.normal(size=(count, width))
    features[rng.integers(0, count, count // 10)] = features[rng.integers(0, count, count // 10)]
    person[rng.integers(0, count, count // 10)] = -1
    return Embeddings(features, person, rng.integers(0, 3, count))


QUERY, GALLERY = images(1, 400), images(2, 1_500)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("offset", [0, 100])
def test_any_number_of_workers_gives_the_same_bits(metric: Any, offset: float) -> None:
    query, gallery = (Embeddings(part.features + offset, part.person, part.camera) for part in (QUERY, GALLERY))
    found = []
    for count in COUNTS:
        torch.set_num_threads(count)
        plain = evaluate(query, gallery, metric=metric, memory_mb=4)
        reranked = evaluate(query, gallery, metric=metric, reranking=Reranking(), memory_mb=4)
        verified = verify(query, gallery, metric=metric, memory_mb=4)
        found.append(
            [
                plain.match_rank,
                reranked.match_rank,
                verified.threshold,
                verified.false_match_rate,
                nearest(query, gallery, 7, metric=metric, memory_mb=4),
                average_query_expansion(query, gallery, metric=metric, memory_mb=4).features.numpy(),
                np.array([(pair.query, pair.gallery) for pair in hardest_pairs(query, gallery, 9, metric=metric).same]),
            ]
        )
    for one, other in pairwise(found):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_distances_themselves_are_the_same_bits_and_copies_tie() -> None:
    truth = MatchIndex(QUERY, GALLERY, "include")
    found = []
    for count in COUNTS:
        torch.set_num_threads(count)
        blocks = search(QUERY, [GALLERY], truth, lambda block: block.distances.clone(), metric="cosine", memory_mb=2)
        assert len(blocks) > 3
        found.append(torch.cat(blocks, dim=1).numpy())
    for one, other in pairwise(found):
        np.testing.assert_array_equal(one, other)
    same = np.unique(GALLERY.features.numpy(), axis=0, return_inverse=True)[1].reshape(-1)
    kept = GALLERY.person != -1
    for value in np.unique(same):
        assert len(np.unique(found[0][(same == value) & kept], axis=0)) <= 1


def test_operations_of_workers_are_single_threaded_and_in_other_threads() -> None:
    torch.set_num_threads(3)
    seen = search(
        QUERY,
        [GALLERY],
        MatchIndex(QUERY, GALLERY, "include"),
        lambda block: (torch.get_num_threads(), torch.is_grad_enabled(), threading.current_thread().name),
        metric="cosine",
        memory_mb=1,
    )
    assert {item[:2] for item in seen} == {(1, False)}
    assert all(name.startswith("strongreid-worker") for _, _, name in seen)


def threads_of_a_new_thread() -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_the_callers_threads_are_as_before_and_so_are_those_of_threads_to_come() -> None:
    torch.set_num_threads(3)
    evaluate(QUERY, GALLERY)
    assert (torch.get_num_threads(), threads_of_a_new_thread()) == (3, 3)

    def fail(done: int, total: int) -> None:
        raise RuntimeError("from the caller's thread")

    with pytest.raises(RuntimeError, match="from the caller's thread"):
        evaluate(QUERY, GALLERY, memory_mb=1, progress=fail)
    assert (torch.get_num_threads(), threads_of_a_new_thread()) == (3, 3)


def test_evaluating_in_several_threads_at_once_changes_nobodys_settings_nor_results() -> None:
    torch.set_num_threads(2)
    expected = evaluate(QUERY, GALLERY).match_rank
    precision = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    together = threading.Barrier(6)

    def work(number: int) -> tuple[Any, int]:
        together.wait()
        found = [evaluate(QUERY, GALLERY, memory_mb=40).match_rank for _ in range(1 + number % 3)]
        return found[-1], torch.get_num_threads()

    with ThreadPoolExecutor(6) as pool:
        for found, threads in pool.map(work, range(6)):
            np.testing.assert_array_equal(found, expected)
            assert threads == 2
    assert (torch.get_num_threads(), threads_of_a_new_thread()) == (2, 2)
    assert torch.backends.mkldnn.matmul.fp32_precision == precision  # type: ignore[attr-defined]


def test_precision_stays_full_until_the_last_thread_has_left() -> None:
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with full_precision(CPU):
            entered.set()
            leave.wait(30)

    other = threading.Thread(target=stay)
    with full_precision(CPU):
        other.start()
        entered.wait(30)
    assert matmul.fp32_precision == "ieee"
    leave.set()
    other.join()
    assert matmul.fp32_precision == before


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["task", "caller"])
def test_an_exception_ends_the_work_at_once_and_leaves_no_thread(count: int, error: Any, where: str) -> None:
    torch.set_num_threads(count)
    begun = []

    def task(number: int) -> list[Task]:
        begun.append(number)
        time.sleep(0.001)
        if where == "task" and number == 3:
            raise error("stop")
        return []

    def after_each() -> None:
        if where == "caller" and len(begun) >= 3:
            raise error("stop")

    with pytest.raises(error, match="stop"), full_precision(CPU):
        run([lambda number=number: task(number) for number in range(2_000)], CPU, after_each)  # type: ignore[misc]
    assert len(begun) < 2_000
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("strongreid-worker")]
    assert (torch.get_num_threads(), threads_of_a_new_thread()) == (count, count)


@pytest.mark.parametrize("count", COUNTS)
def test_tasks_that_tasks_return_are_run_as_well(count: int) -> None:
    torch.set_num_threads(count)
    done, after = [], []

    def task(number: int) -> list[Task]:
        done.append(number)
        return [lambda child=child: task(child) for child in (2 * number, 2 * number + 1) if child < 100]  # type: ignore[misc]

    with full_precision(CPU):
        run([lambda: task(1)], CPU, lambda: after.append(threading.current_thread()))
    assert sorted(done) == list(range(1, 100))
    assert after == [threading.main_thread()] * 99


@pytest.mark.parametrize("reranking", [None, Reranking(3, 2)])
def test_progress_rises_in_the_callers_thread(reranking: Reranking | None) -> None:
    torch.set_num_threads(3)
    steps: list[tuple[int, int]] = []
    seen = set()

    def progress(done: int, total: int) -> None:
        steps.append((done, total))
        seen.add(threading.current_thread())

    evaluate(QUERY, GALLERY, reranking=reranking, memory_mb=1, progress=progress)
    assert seen == {threading.main_thread()}
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
    assert len(steps) > 3
