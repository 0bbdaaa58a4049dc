"""Whether a training that went on from a model made it better: both on the same people, with the paired test.

These people are none that the training learned from or chose its epoch by, nor that the threshold is chosen on where
there were enough. Whether the model knew them before it came here, nobody here knows.
"""

from dataclasses import dataclass
from typing import Any, Final

from strongreid.evaluation import HEADLINE, PairedTest, RetrievalResult, paired_test
from strongreid.runs.folder import Run

BEFORE: Final = "before.npz"
"""The figures of each query before the training, in a run's folder."""
SIGNIFICANT: Final = 0.05
"""A p-value below this is more than chance."""


@dataclass(frozen=True)
class Verdict:
    """A model before and after a training, on the same queries."""

    model: str
    """Which model it was before."""
    before: RetrievalResult
    after: RetrievalResult
    tests: dict[str, PairedTest]
    """After minus before, for each of `HEADLINE`."""

    @property
    def better(self) -> bool:
        """Whether mAP is higher, by more than chance."""
        test = self.tests["mean_ap"]
        return test.difference.value > 0 and test.p_value < SIGNIFICANT

    @property
    def sentence(self) -> str:
        """The verdict in one line, in points of mAP."""
        test = self.tests["mean_ap"]
        value, low, high = (100 * part for part in (test.difference.value, test.difference.low, test.difference.high))
        sure = f"(95 %: {low:+.1f} to {high:+.1f}), p {test.p_value:.2g}"
        if self.better:
            return f"better by {value:.1f} mAP {sure}, than {self.model}"
        if value < 0 and test.p_value < SIGNIFICANT:
            return f"no better but worse by {-value:.1f} mAP {sure}: keep the old one, {self.model}"
        return f"no better: {value:+.1f} mAP {sure}: keep the old one, {self.model}"

    def to_json(self) -> dict[str, Any]:
        """As plain values: what the model was, its figures, and for each of `HEADLINE` the difference."""
        differences = {f"{name}_difference": test.to_json() for name, test in self.tests.items()}
        return {"model": self.model, "better": self.better, **self.before.to_json(), **differences}


def judge(model: str, before: RetrievalResult, after: RetrievalResult) -> Verdict:
    """Compare a model before and after a training."""
    return Verdict(model, before, after, {name: paired_test(before, after, name) for name in HEADLINE})


def verdict_of(run: Run) -> Verdict | None:
    """Return the verdict on a finished run; None where it did not go on from a model, or that was gone by its end."""
    start, before = run.config.model.start, run.folder / BEFORE
    if start is None or not before.is_file():
        return None
    return judge(start, RetrievalResult.load(before), run.result)
