"""What many tests need: a small set of drawn people, and the options of a training that takes seconds."""

import os
import signal

# Before PyTorch is loaded, here and in the processes that tests start: the cases are small, so more threads only wait
# for each other, and a run repeats bit for bit on one number of threads only. No GPU: the promises are the CPU's.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch

from strongreid.cli import main
from strongreid.drawn import draw_people
from strongreid.training.signals import STOPPING

SMALL = (
    "--model.image_size=[64,32]",
    "--batch.people_per_batch=4",
    "--batch.images_per_person=2",
    "--schedule.epochs=3",
    "--schedule.warmup_epochs=2",
    "--schedule.milestones=[2]",
    "--runtime.log_every=2",
    "--evaluation.every_epochs=1",
)
"""Overrides that make a recipe small enough for a test."""


def _of_the_process() -> dict[str, object]:
    cuda, cpu = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    return {
        "handlers of signals": [signal.getsignal(number) for number in STOPPING],
        "threads of torch": torch.get_num_threads(),
        "precision of products": (cuda.fp32_precision, cpu.fp32_precision),
        "gradients": torch.is_grad_enabled(),
        "folder": Path.cwd(),
    }


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """What a test changes of its process it puts back; otherwise another one fails, far from the cause."""
    before = _of_the_process()
    yield
    assert _of_the_process() == before


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small drawn set in Market-1501's layout; read it, never write to it."""
    folder = tmp_path_factory.mktemp("drawn") / "people"
    return draw_people(folder, train_people=10, test_people=6, images_per_person=6, distractors=4, junk=3, seed=7)


def small_training(drawn: Path, output: Path) -> list[str]:
    """The command line of a training that takes seconds, still without its name."""
    return ["train", "--recipe=bag_of_tricks_small", f"--data.root={drawn}", f"--output={output}", *SMALL]


@pytest.fixture
def train_words(drawn: Path, tmp_path: Path) -> list[str]:
    """The command line of a training that takes seconds, writing to `tmp_path / "runs"`."""
    return small_training(drawn, tmp_path / "runs")


@pytest.fixture(scope="session")
def trained(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of such a training; read it, never write to it."""
    output = tmp_path_factory.mktemp("trained")
    assert main([*small_training(drawn, output), "--name=trained"]) == 0
    return output / "trained"


@pytest.fixture
def as_nobody(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], AbstractContextManager[None]]:
    """Context in which permissions count: as root, who may do everything, the test goes on as another user there."""

    @contextmanager
    def become(folder: Path) -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        base = tmp_path_factory.getbasetemp()
        for parent in (folder, *folder.parents):
            if parent.is_relative_to(base) or parent.name.startswith("pytest-"):
                parent.chmod(parent.stat().st_mode | 0o011)  # pytest's folders are their owner's alone
        os.setresuid(65534, 65534, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)

    return become
