from typing import Any

import numpy as np
import pytest
import torch
from evaluation_oracles import distances as oracle_distances
from evaluation_oracles import evaluate as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from strongreid.errors import InputError
from strongreid.evaluation import Embeddings, evaluate

torch.set_num_threads(1)  # the cases are tiny: more threads only wait for each other


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Small sets on an integer grid: ties, duplicates, junk, unknown people and single images are all common."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    queries, images = draw(st.integers(1, 12)), draw(st.integers(1, 25))
    people, cameras = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    width, span = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    return {
        "query": (
            rng.integers(-span, span + 1, (queries, width)),
            rng.integers(-1, people, queries),
            rng.integers(0, cameras, queries),
        ),
        "gallery": (
            rng.integers(-span, span + 1, (images, width)),
            rng.integers(-1, people, images),
            rng.integers(0, cameras, images),
        ),
        "same_camera": draw(st.sampled_from(["exclude", "include"])),
        "average_precision": draw(st.sampled_from(["rectangular", "trapezoid"])),
        "memory_mb": draw(st.sampled_from([0.0005, 0.002, 100])),
        "dtype": draw(st.sampled_from([np.int8, np.int64, np.float16, np.float32, np.float64])),
        "torch": draw(st.booleans()),
    }


def embeddings(case: dict[str, Any], part: str) -> Embeddings:
    features, person, camera = case[part]
    features = features.astype(case["dtype"])
    return Embeddings(torch.from_numpy(features) if case["torch"] else features, person, camera)


@settings(max_examples=1000, deadline=None)
@given(cases())
def test_equals_plain_loops_on_an_integer_grid_where_ties_abound(case: dict[str, Any]) -> None:
    expected = oracle(
        oracle_distances(case["query"][0], case["gallery"][0], "euclidean"),
        (case["query"][1].tolist(), case["query"][2].tolist()),
        (case["gallery"][1].tolist(), case["gallery"][2].tolist()),
        case["same_camera"],
        case["average_precision"],
    )
    options = {name: case[name] for name in ("same_camera", "average_precision", "memory_mb")}
    if not any(expected):
        with pytest.raises(InputError):
            evaluate(embeddings(case, "query"), embeddings(case, "gallery"), metric="euclidean", **options)
        return
    result = evaluate(embeddings(case, "query"), embeddings(case, "gallery"), metric="euclidean", **options)
    assert result.first_match_rank.tolist() == [0 if answer is None else answer[2] for answer in expected]
    ap = [np.nan if answer is None else answer[0] for answer in expected]
    np.testing.assert_allclose(result.average_precision, ap, rtol=0, atol=1e-12)
    inp = [np.nan if answer is None else answer[1] for answer in expected]
    np.testing.assert_allclose(result.inverse_negative_penalty, inp, rtol=0, atol=1e-12)
    assert result.valid_queries == sum(answer is not None for answer in expected)
    firsts = [answer[2] for answer in expected if answer is not None]
    assert result.cmc.tolist() == [np.mean([first <= k for first in firsts]) for k in range(1, 51)]
