"""What must hold at full scale and can be tested in seconds.

Memory depends neither on the features' width nor on the number of queries, so few narrow ones show it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from strongreid.evaluation import Embeddings, Reranking, evaluate

MEASURE = """
from pathlib import Path
import numpy as np
from strongreid.evaluation import Embeddings, Reranking, evaluate

def memory(field):
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith(field + ":"))

rng = np.random.default_rng(0)
def images(count):
    return Embeddings(rng.normal(size=(count, 4)), rng.integers(0, 750, count), rng.integers(0, 6, count))

evaluate(images(50), images(2000), reranking=Reranking())
# From small to large: what one leaves behind must not hide what the next one needs.
for query, gallery, reranking in [
    (images(500), images(3_000), Reranking()),
    (images(600), images(15_913), None),
    (images(400), images(82_161), None),
]:
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    evaluate(query, gallery, reranking=reranking)
    print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
def test_memory_stays_within_its_budget_at_the_size_of_real_galleries() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    reranked, market1501, msmt17 = map(float, done.stdout.split())
    assert reranked < 200
    assert 20 < market1501 < 200
    assert 20 < msmt17 < 500


def random_images(seed: int, count: int, camera: int) -> Embeddings:
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(0).normal(size=(40, 96))
    person = rng.integers(0, 40, count)
    return Embeddings(centers[person] + 2 * rng.normal(size=(count, 96)), person, np.full(count, camera))


@pytest.mark.parametrize("reranking", [None, Reranking()])
def test_metrics_agree_across_block_sizes(reranking: Reranking | None) -> None:
    query, gallery = random_images(1, 300, 0), random_images(2, 1_500, 1)
    results = [evaluate(query, gallery, reranking=reranking, memory_mb=mb) for mb in (0.3, 3, 160)]
    for result in results[1:]:
        np.testing.assert_allclose(result.cmc, results[0].cmc, rtol=0, atol=1e-5)
        np.testing.assert_allclose(result.mean_ap, results[0].mean_ap, rtol=0, atol=1e-5)
        np.testing.assert_allclose(result.mean_inp, results[0].mean_inp, rtol=0, atol=1e-5)


ON_TWO_DEVICES = """
import sys
import torch
sys.path[:0] = [sys.argv[1]]
from test_scale import random_images
from strongreid.evaluation import Reranking, evaluate

query, gallery = random_images(1, 300, 0), random_images(2, 1_500, 1)
for metric in ("cosine", "euclidean"):
    for reranking in (None, Reranking()):
        for device in sys.argv[2:]:
            found = evaluate(query.to(device), gallery.to(device), metric=metric, reranking=reranking)
            print(found.mean_ap, found.mean_inp, *found.cmc)
"""


@pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="needs a GPU")
def test_metrics_agree_across_devices() -> None:
    """In a process of its own: the tests themselves run without a GPU (conftest.py)."""
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    words = [sys.executable, "-c", ON_TWO_DEVICES, str(Path(__file__).parent), "cpu", "cuda"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    figures = np.array([line.split() for line in done.stdout.splitlines()], dtype=np.float64)
    assert len(figures) == 8
    np.testing.assert_allclose(figures[1::2], figures[::2], rtol=0, atol=1e-5)
