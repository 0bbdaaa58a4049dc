"""Trainings that are broken again and again, resumed each time, and compared with one that was not."""

import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.breaking.injection import REFUSALS, Effect, start_broken
from tests.conftest import small_training
from tests.training.runs_alike import assert_same_run

LIMIT_S = 300
MOST_BREAKS = 6
"""Breaks of one training."""
GROWTH_PER_BREAK = 2_000
"""Bytes that a break may add for good: what TensorBoard was told of steps that were then made again."""


@dataclass(frozen=True)
class Break:
    """One break of a training."""

    change: str
    """The call and what it changed."""
    effect: Effect
    code: int | None
    """How the command ended."""


class Trials:
    """Trainings in one folder, all with the same result as `reference`, which was not broken.

    Args:
        drawn: The data set.
        output: The folder to write to.
        reference: A finished run of `small_training`.
    """

    def __init__(self, drawn: Path, output: Path, reference: Path) -> None:
        self.drawn, self.output, self.reference = drawn, output, reference
        self.changes = len(self._count())
        """Changes that an unbroken training makes."""

    def run(self, breaks: int, effects: Sequence[Effect], seed: int) -> Iterator[Break]:
        """Break trainings so many times in all; `AssertionError` where one does not come out as it should."""
        rng = random.Random(seed)
        done = number = 0
        while done < breaks:
            number += 1
            found = list(self._broken(number, min(MOST_BREAKS, breaks - done), effects, rng))
            done += len(found)
            yield from found

    def _broken(self, number: int, breaks: int, effects: Sequence[Effect], rng: random.Random) -> Iterator[Break]:
        """Break one training several times, let it finish, and look at what it left."""
        root = self.output / str(number)
        root.mkdir(parents=True)
        run, count = root / "run", 0
        for _ in range(breaks):
            at, effect = rng.randint(1, self.changes // 2), rng.choice(effects)
            code, seen, said = self._start(root, at, effect)
            assert "Traceback" not in said, said
            if len(seen) < at:  # it was finished before
                assert code == 0, said
                break
            # Of what a disk refuses, TensorBoard's file and the names in locks end nothing.
            assert code in ((0, 2) if effect in REFUSALS else (-signal.SIGKILL,)), (code, seen[at - 1], effect, said)
            count += 1
            yield Break(seen[at - 1], effect, code)
        code, _, said = self._start(root, 0, "before")
        assert code == 0, said
        assert_same_run(self.reference, run)
        assert _hidden(root) == []
        sizes, before = _sizes(run), _sizes(self.reference)
        assert sum(sizes.values()) <= sum(before.values()) + count * GROWTH_PER_BREAK, (sizes, before)
        shutil.rmtree(root)

    def _count(self) -> list[str]:
        root = self.output / "counted"
        root.mkdir(parents=True)
        code, seen, said = self._start(root, 0, "before")
        assert code == 0, said
        assert_same_run(self.reference, root / "run")
        shutil.rmtree(root)
        return seen

    def _start(self, root: Path, at: int, effect: Effect) -> tuple[int | None, list[str], str]:
        """Start or resume the training in `root`; return the exit code, the changes that were begun, what was said."""
        run = root / "run"
        words = ["train", "--resume", str(run)] if run.is_dir() else [*small_training(self.drawn, root), "--name=run"]
        errors, seen = self.output / "errors", self.output / "seen"
        for file in (errors, seen):
            file.write_text("")
        process = start_broken(words, errors, root, at, effect, seen)
        try:
            process.join(LIMIT_S)
            assert process.exitcode is not None, f"it hangs\n{errors.read_text()}"
        finally:
            process.kill()
        return process.exitcode, seen.read_text().splitlines(), errors.read_text()


def summary(breaks: Sequence[Break]) -> list[str]:
    """Return lines of a table: how often which change was broken, and how."""
    effects = sorted({found.effect for found in breaks})
    changes = sorted({found.change for found in breaks})
    counts = Counter((found.change, found.effect) for found in breaks)
    width = max(map(len, changes))
    rows = [f"{change:<{width}}" + "".join(f"{counts[change, one]:>14}" for one in effects) for change in changes]
    return [f"{'change':<{width}}" + "".join(f"{one:>14}" for one in effects), *rows]


def _hidden(folder: Path) -> list[str]:
    """Return what was left over: names that begin with a dot."""
    return [name for _, folders, files in os.walk(folder) for name in (*folders, *files) if name.startswith(".")]


def _sizes(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}
