"""The two helpers that keep losses out of half precision."""

import pytest
import torch

from strongreid.losses.distance import at_least_float32, without_autocast


@pytest.mark.parametrize(
    ("came", "used"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_types_are_raised_and_wider_ones_stay(came, used):
    assert at_least_float32(torch.ones(2, dtype=came)).dtype == used


def test_autocast_is_off_inside_and_on_again_after():
    rows = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        with without_autocast(rows):
            assert (rows @ rows).dtype == torch.float32
        assert (rows @ rows).dtype == torch.bfloat16
