"""Reading what a run has written down. A file that was damaged is named, with what to do about it."""

import json
from pathlib import Path
from typing import Any, Final

from strongreid.errors import InputError

FIGURES: Final = ("rank_1", "rank_5", "rank_10", "mean_ap", "mean_inp")
"""Figures that every result has, fractions 0..1."""


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return the contents of a finished run's `result.json`; `InputError` where it is not what a run writes."""
    path = folder / "result.json"
    metrics = _read(path)
    whole = metrics is not None and isinstance(metrics.get("tested", {}), dict)
    if metrics is None or not whole or not all(isinstance(metrics.get(name), float | int) for name in FIGURES):
        raise InputError(
            f"{path} is damaged: it holds no figures. Remove it; strongreid train --resume {folder} then tests the "
            "trained weights once more and writes it anew."
        )
    return metrics


def read_record(folder: Path) -> dict[str, Any]:
    """Return the contents of a run's `run.json`; `InputError` where it does not say what the run was tested on."""
    path = folder / "run.json"
    record = _read(path)
    data = record.get("data") if record else None
    fingerprint = data.get("fingerprint") if isinstance(data, dict) else None
    if record is None or not isinstance(fingerprint, dict) or not {"query", "gallery"} <= fingerprint.keys():
        raise InputError(f"{path} is damaged: it does not say which images the run was tested on. Restore it.")
    return record


def _read(path: Path) -> dict[str, Any] | None:
    """Return the mapping in a JSON file; None where it holds anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # no JSON, or no UTF-8
        return None
    return content if isinstance(content, dict) else None
