"""One measurement of the evaluation benchmark, in a process of its own; `evaluation.py` starts it.

Prints one JSON line: wall seconds, CPU seconds (all threads), peak memory above the loaded features, and what came out.
"""

import argparse
import ctypes
import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from strongreid.evaluation import (
    Embeddings,
    Reranking,
    RetrievalResult,
    evaluate,
    fnir_interval,
    identify_at_sizes,
    split_enrolled,
    verify,
)

QUERIES_AT_ONCE = 512


def product(query: Embeddings, gallery: Embeddings, gallery_first: bool) -> dict[str, Any]:
    """The bare blocked product, float32, into one block that is used again; blocks as large as `evaluate`'s."""
    size = min(QUERIES_AT_ONCE, max(16, int(112 * 2**20 / (4 * len(gallery))) // 16 * 16))
    rows, columns = (len(gallery), size) if gallery_first else (size, len(gallery))
    block = torch.empty(rows * columns)
    for start in range(0, len(query), size):
        part = query.features[start : start + size]
        out = block[: len(part) * len(gallery)]
        if gallery_first:
            torch.mm(gallery.features, part.T, out=out.view(len(gallery), len(part)))
        else:
            torch.mm(part, gallery.features.T, out=out.view(len(part), len(gallery)))
    return {}


def figures(result: RetrievalResult) -> dict[str, Any]:
    return {"mean_ap": result.mean_ap, "rank_1": result.rank(1)}


def open_set(query: Embeddings, gallery: Embeddings) -> dict[str, Any]:
    """All that a report measures of strangers: half of the people enrolled, four sizes, two intervals."""
    sizes = identify_at_sizes(*split_enrolled(query, gallery), same_camera="exclude")
    found = sizes[max(sizes)]
    return {f"fnir_{rate}": fnir_interval(found, rate).value for rate in (0.01, 0.1)}


def peer(folder: Path, file: str) -> ModuleType:
    """Load one file of torchreid 0.2.5 by its path: the package around it needs much that is not needed here."""
    path = folder / "torchreid" / "reid" / file
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unit(features: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(features)


def peer_rank(distance: np.ndarray, query: Embeddings, gallery: Embeddings, folder: Path) -> dict[str, Any]:
    rank = peer(folder, "metrics/rank.py").evaluate_rank
    cmc, mean_ap = rank(
        distance, query.person, gallery.person, query.camera, gallery.camera, max_rank=50, use_cython=False
    )
    return {"mean_ap": float(mean_ap), "rank_1": float(cmc[0])}


def peer_evaluate(query: Embeddings, gallery: Embeddings, folder: Path) -> dict[str, Any]:
    """torchreid's Python ranking, with the product it needs (cosine, as its engine computes it)."""
    distance = 1 - torch.mm(unit(query.features), unit(gallery.features).T)
    return peer_rank(distance.numpy(), query, gallery, folder)


def peer_rerank(query: Embeddings, gallery: Embeddings, folder: Path) -> dict[str, Any]:
    """torchreid's re-ranking with its products. It squares what it is given, so it gets plain Euclidean distances."""

    def distances(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
        return torch.mm(first, second.T).mul_(-2).add_(2).clamp_min_(0).sqrt_().numpy()

    first, second = unit(query.features), unit(gallery.features)
    re_ranking = peer(folder, "utils/rerank.py").re_ranking
    distance = re_ranking(distances(first, second), distances(first, first), distances(second, second))
    return peer_rank(distance, query, gallery, folder)


def memory(field: str) -> float:
    """A field of /proc/self/status in MB: VmRSS is what is used now, VmHWM the most since the last reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc/self/status: peak memory is measured on Linux only")


def settle() -> None:
    """Give memory that was freed back to the system: kept by the allocator, it would hide what is used next.

    Then reset the peak, VmHWM.
    """
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def tasks(folder: Path) -> dict[str, Callable[[Embeddings, Embeddings], dict[str, Any]]]:
    return {
        "gallery @ query.T": lambda q, g: product(q, g, gallery_first=True),
        "query @ gallery.T": lambda q, g: product(q, g, gallery_first=False),
        "evaluate": lambda q, g: figures(evaluate(q, g)),
        "evaluate, re-ranked": lambda q, g: figures(evaluate(q, g, reranking=Reranking())),
        "verify": lambda q, g: {"equal_error_rate": verify(q, g).equal_error_rate},
        "open set": open_set,
        "torchreid": lambda q, g: peer_evaluate(q, g, folder),
        "torchreid, re-ranked": lambda q, g: peer_rerank(q, g, folder),
    }


def load(folder: Path, name: str) -> Embeddings:
    arrays = [np.load(folder / f"{name}_{column}.npy") for column in ("features", "person", "camera")]
    return Embeddings(*arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task")
    parser.add_argument("features", type=Path)
    parser.add_argument("torchreid", type=Path)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    query, gallery = load(given.features, "query"), load(given.features, "gallery")
    task = tasks(given.torchreid)[given.task]
    task(query.take(np.arange(64)), gallery.take(np.arange(min(2048, len(gallery)))))  # libraries and thread pools
    settle()
    before, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    found = task(query, gallery)
    print(
        json.dumps(
            {
                "wall_s": time.perf_counter() - wall,
                "cpu_s": time.process_time() - cpu,
                "peak_mb": memory("VmHWM") - before,
                "threads": torch.get_num_threads(),
                **found,
            }
        )
    )


if __name__ == "__main__":
    main()
