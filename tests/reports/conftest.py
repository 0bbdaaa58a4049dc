from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.figure import Figure

from strongreid.evaluation import Embeddings, Verification, verify
from strongreid.reports.plane import embedding_figure
from strongreid.reports.plots import better_worse_figure, cmc_figure, curves_figure, gains_figure, roc_figure
from tests.reports.browser import Browser, chromium

LOG = [
    {"epoch": 1, "total": 4.0, "identity": 3.0},
    {"epoch": 1, "total": 2.0, "identity": 1.0},
    {"epoch": 1, "mean_ap": 0.25},
    {"epoch": 3, "total": 1.0, "identity": 0.5},
]
NAMES = ["_hidden", "$a^$b\\frac", "plain", "<b>"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="module")
def verification() -> Verification:
    rng = np.random.default_rng(0)
    person = np.arange(20).repeat(3)
    features = np.eye(20)[person] + 0.5 * rng.normal(size=(60, 20))
    side = Embeddings(features, person, np.tile(np.arange(3), 20))
    return verify(side, side)


@pytest.fixture(scope="module")
def every_figure(verification: Verification) -> list[Figure]:
    cmc = np.linspace(0.5, 1, 50)
    points, number = np.random.default_rng(1).normal(size=(12, 2)), np.arange(12)
    return [
        curves_figure(dict.fromkeys(NAMES, LOG)),
        curves_figure({"one": LOG}, ["total", "identity"], logarithmic=True),
        curves_figure({"a": LOG, "b": LOG}, ["total", "mean_ap"], percent=True),
        gains_figure(NAMES, [1, 2, -3, 4], [0, 1, -4, 3], [2, 3, 1, 5], paper=[1, None, 2, 3]),
        cmc_figure(dict.fromkeys(NAMES, cmc)),
        roc_figure(dict.fromkeys(NAMES, verification)),
        better_worse_figure(np.linspace(-0.9, 1, 31)),
        embedding_figure(points, number, number % 7, (0.5, 0.25)),
    ]
