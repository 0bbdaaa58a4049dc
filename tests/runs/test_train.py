import numpy as np
import pytest
import torch

from strongreid.runs import train


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU's memory counts there")
def test_a_training_s_peak_memory_is_its_own_and_not_that_of_one_before_it() -> None:
    before = np.ones(50_000_000)  # 400 MB
    high = train._peak_memory_mb()
    del before
    train._forget_peak_memory()
    assert train._peak_memory_mb() < high - 200
