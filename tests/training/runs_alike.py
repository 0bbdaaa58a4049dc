"""When two runs count as the same: weights, log and result, bit for bit."""

import json
from pathlib import Path

from safetensors.torch import load_file


def assert_same_run(one: Path, other: Path) -> None:
    first, second = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(first[name].equal(second[name]) for name in first)
    assert without_speed(one) == without_speed(other)
    results = [json.loads((run / "result.json").read_text()) for run in (one, other)]
    assert results[0]["mean_ap"] == results[1]["mean_ap"]


def without_speed(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines]
