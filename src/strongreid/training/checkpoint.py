"""Checkpoints: a new folder each, written beside its place and renamed into it, so that none is ever half there.

A checkpoint holds the model (`model.safetensors`, loadable by itself), what training needs beyond it
(`training.safetensors`: Adam's moments, the centers, the sums of the log line in progress) and `state.json` (where
training stands, and the record of the run: configuration, label map, versions, seed, data fingerprint, metrics).
Nothing is pickled. The newest complete checkpoint is the state of the run; older ones are removed.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from strongreid.errors import InputError
from strongreid.files import atomic_folder, write_json
from strongreid.models.weights import load_exactly, read_weights
from strongreid.training.learner import Learner

FORMAT = 1
"""Version of the layout of a checkpoint folder."""
_COUNTS = ("epoch", "step", "total_steps", "log_bytes")
"""What a checkpoint's state counts, from 0 (or 1) on."""


@dataclass
class Progress:
    """Where training stands: between two steps."""

    epoch: int = 1
    """The epoch in progress, counted from 1."""
    step: int = 0
    """Steps done in this epoch."""
    total_steps: int = 0
    """Steps done since the start of the training."""
    log_bytes: int = 0
    """Length of the log at this point; lines after it are cut when training is resumed."""
    seconds: float = 0.0
    """Time in training up to the last checkpoint, in seconds; a resumed run's earlier parts included."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics of the last evaluation, if there was one."""


def save_checkpoint(folder: Path, learner: Learner, progress: Progress, record: dict[str, Any]) -> Path:
    """Write a checkpoint below `folder`, remove older ones and return the new one's folder.

    `InputError` when it cannot be written, as on a full disk; the checkpoint before it is still there then.
    """
    target = folder / f"epoch-{progress.epoch:04d}-step-{progress.step:05d}"
    if target.exists():
        return target
    state = {
        "format": FORMAT,
        "epoch": progress.epoch,
        "step": progress.step,
        "total_steps": progress.total_steps,
        "log_bytes": progress.log_bytes,
        "seconds": progress.seconds,
        "threads": torch.get_num_threads(),
        "metrics": progress.metrics,
        **record,
    }
    try:
        with atomic_folder(target) as partial:
            learner.model.save(partial / "model.safetensors")
            save_file(learner.state_tensors(), partial / "training.safetensors")
            write_json(partial / "state.json", state)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"The checkpoint {target} cannot be written ({error}). Mend that, then go on with --resume {folder.parent}."
        ) from error
    for older in _checkpoints(folder):
        if older != target:
            shutil.rmtree(older)
    return target


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint below `folder`, or None."""
    found = _checkpoints(folder)
    return found[-1] if found else None


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Return the contents of a checkpoint's `state.json`; `InputError` if it cannot be read."""
    path = checkpoint / "state.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(checkpoint, f"its state.json cannot be read: {error}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(f"{path} is not a checkpoint of format {FORMAT}; this version of strongreid reads no other.")
    wrong = [name for name in _COUNTS if not isinstance(state.get(name), int) or state[name] < 0]
    if wrong or not isinstance(state.get("metrics"), dict):
        raise damaged(checkpoint, f"in its state.json {', '.join(wrong or ['metrics'])} cannot be")
    return state


def damaged(checkpoint: Path, what: str) -> InputError:
    """Return the error that says what is wrong with a checkpoint, and how to go on without it."""
    return InputError(f"The checkpoint {checkpoint} is damaged ({what}). Remove it to start again without it.")


def restore_checkpoint(checkpoint: Path, learner: Learner) -> Progress:
    """Put a checkpoint's values into `learner`, in place, and return where training stands.

    `InputError` when it is damaged, or of another network, optimiser or objective than `learner`'s.
    """
    state = read_state(checkpoint)
    load_exactly(learner.model, read_weights(checkpoint / "model.safetensors"), source=str(checkpoint))
    try:
        learner.load_state_tensors(load_file(checkpoint / "training.safetensors"))
    except (OSError, SafetensorError, LookupError, RuntimeError) as error:
        raise InputError(
            f"{checkpoint} cannot be restored: it is damaged, or the run's config.yaml was changed ({error}). "
            "To change a setting, start a new run."
        ) from error
    return Progress(
        epoch=state["epoch"],
        step=state["step"],
        total_steps=state["total_steps"],
        log_bytes=state["log_bytes"],
        seconds=state.get("seconds", 0.0),  # not in the first checkpoints of this format
        metrics=state["metrics"],
    )


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*-step-*")) if folder.is_dir() else []
