"""The examples in docs/evaluation.md and in the README run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest

from strongreid.cli import main

ROOT = Path(__file__).parents[2]
ON_FEATURES = ("evaluate --embeddings", "identify --embeddings", "reassociate")
BLOCK = re.compile(r"```(python)?\n(.*?)```", re.DOTALL)


def run_examples(text: str) -> dict[str, Any]:
    """Run the blocks in their order in the working folder; of shell commands those on embeddings. Return the names."""
    names: dict[str, Any] = {}
    for kind, block in BLOCK.findall(text):
        if kind == "python":
            exec(compile(block, "example", "exec"), names)
        else:
            for line in block.splitlines():
                assert line.startswith(tuple(f"strongreid {word}" for word in ON_FEATURES)), line
                assert main(line.split()[1:]) == 0
    return names


def test_the_guide_runs_and_says_what_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = run_examples((ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8"))
    assert (tmp_path / "metrics.json").is_file()
    result = said["result"].mean_ap
    assert 0.1 < said["matlab"].mean_ap < result < said["multi_query"].mean_ap
    assert result < said["expanded"].mean_ap
    assert result < said["reranked"].mean_ap
    assert said["harder"].mean_ap < result
    assert len(said["shot"].results) == len(said["over_splits"].results) == 10
    assert said["features"].shape == (4, said["model"].width)
    assert said["chosen"].false_match_rate <= 0.01
    assert said["interval"].low < result < said["interval"].high
    assert said["sure"].low <= said["identified"].fnir(0.1) <= said["sure"].high
    assert (tmp_path / "open_set.json").is_file()
    assert len(said["tracks"]) == 60
    assert said["met_again"].detection_rate(1) > 0.5


def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n.*?```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    said = run_examples("\n".join(block for block in blocks if "runs/" not in block))
    assert 0.5 < said["result"].mean_ap <= 1
