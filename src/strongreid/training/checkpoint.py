"""Checkpoints: a new folder each, by an atomic write.

A checkpoint holds the model (`model.safetensors`, loadable by itself), what training needs beyond it
(`training.safetensors`: Adam's moments, the centers, the sums of the log line in progress) and `state.json` (where
training stands, the checksums of both, and the record of the run: configuration, label map, versions, seed, data
fingerprint, metrics). Nothing is pickled. The newest checkpoint is the state of the run; older ones are removed once it
is on the disk. What a checkpoint claims is believed only as far as it fits its files, its name and the plan.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from strongreid.errors import InputError, command_line
from strongreid.files import atomic_folder, inside, open_regular, read_json, remove_folder, write_json
from strongreid.models.weights import load_exactly, read_weights, recorded_checksum, save_weights, verify_weights
from strongreid.training.learner import Learner

FORMAT = 1
"""Version of the layout of a checkpoint folder."""
_COUNTS = ("epoch", "step", "total_steps", "log_bytes")
"""What a checkpoint's state counts, from 0 (or 1) on."""
_FILES = ("model.safetensors", "training.safetensors")
_NAME = re.compile(r"epoch-(\d+)-step-(\d+)")


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
    inside(folder.parent, folder.name)
    state = {
        "format": FORMAT,
        **asdict(progress),
        "threads": torch.get_num_threads(),
        "objective": list(learner.objective.names),
        **record,
    }
    try:
        with atomic_folder(target) as partial:
            learner.model.save(partial / "model.safetensors")
            save_weights(learner.state_tensors(), partial / "training.safetensors", {})
            state["sha256"] = {name: recorded_checksum(partial / name) for name in _FILES}
            write_json(partial / "state.json", state)
    except OSError as error:
        raise InputError(
            f"The checkpoint {target} cannot be written ({error}). Fix that, then go on with: "
            f"{command_line('train', '--resume', folder.parent)}"
        ) from error
    remove_older(target)
    return target


def remove_older(checkpoint: Path) -> None:
    """Remove the checkpoints before this one, beside it: a kill may have come before that."""
    older = _checkpoints(checkpoint.parent)
    for path in older[: older.index(checkpoint)] if checkpoint in older else ():
        remove_folder(path)


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint below `folder`, or None."""
    found = _checkpoints(folder)
    return found[-1] if found else None


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Return the contents of a checkpoint's `state.json`; `InputError` if it is not what `save_checkpoint` writes."""
    path = checkpoint / "state.json"
    open_regular(path).close()  # what may not be read is not damaged
    try:
        state = read_json(path)
    except InputError as error:
        raise damaged(checkpoint, str(error)) from error
    if state.get("format") != FORMAT:
        raise InputError(f"{path} is not a checkpoint of format {FORMAT}; this version of strongreid reads no other.")
    wrong = [name for name in _COUNTS if type(state.get(name)) is not int or state[name] < 0]
    if not _is_number(state.get("seconds", 0.0)):
        wrong.append("seconds")
    metrics = state.get("metrics")
    if not isinstance(metrics, dict) or not all(map(_is_number, metrics.values())):
        wrong.append("metrics")
    if wrong:
        raise damaged(checkpoint, f"in its state.json {', '.join(wrong)} cannot be")
    return state


def refuse_impossible(checkpoint: Path, progress: Progress, epochs: int, steps: Callable[[int], int]) -> None:
    """Raise `InputError` where a checkpoint claims to stand where a training of `epochs` epochs cannot.

    `steps` returns the number of steps of an epoch, counted from 1.
    """
    if not 1 <= progress.epoch <= epochs + 1:
        raise damaged(checkpoint, f"it claims epoch {progress.epoch} of {epochs}")
    most = steps(progress.epoch) if progress.epoch <= epochs else 0
    if progress.step > most:
        raise damaged(checkpoint, f"it claims step {progress.step} of an epoch of {most}")
    done = sum(steps(epoch) for epoch in range(1, progress.epoch)) + progress.step
    if progress.total_steps != done:
        raise damaged(checkpoint, f"it claims {progress.total_steps} steps in all, but has made {done}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def damaged(checkpoint: Path, what: str) -> InputError:
    """Return the error that says what is wrong with a checkpoint, and how to go on without it."""
    return InputError(f"The checkpoint {checkpoint} is damaged ({what}). Remove it to start again without it.")


def restore_checkpoint(checkpoint: Path, learner: Learner) -> Progress:
    """Put a checkpoint's values into `learner`, in place, and return where training stands.

    `InputError` when it is damaged, or of another network, optimiser or objective than `learner`'s.
    """
    state = read_state(checkpoint)
    named = _NAME.fullmatch(checkpoint.name)
    if named and (int(named[1]), int(named[2])) != (state["epoch"], state["step"]):
        raise damaged(checkpoint, f"its state.json is of epoch {state['epoch']}, step {state['step']}")
    names = list(learner.objective.names)
    if state.get("objective", names) != names:  # not in the first checkpoints of this format
        raise InputError(
            f"{checkpoint} is of another objective: its terms are {state['objective']}, these are {names}. Train with "
            "those, or start a new run."
        )
    recorded = state.get("sha256", dict.fromkeys(_FILES))  # not in the first checkpoints of this format
    tensors = {}
    for name in _FILES:
        tensors[name] = read_weights(checkpoint / name)
        if not isinstance(recorded, dict) or recorded.get(name) != recorded_checksum(checkpoint / name):
            raise damaged(checkpoint, f"{name} is not the one that it was written with")
        verify_weights(checkpoint / name, tensors[name])
    load_exactly(learner.model, tensors["model.safetensors"], source=str(checkpoint))
    try:
        learner.load_state_tensors(tensors["training.safetensors"])
    except (LookupError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{checkpoint} cannot be restored: it is damaged, or the run's config.yaml was changed ({error}). "
            "To change a setting, start a new run."
        ) from error
    # The first checkpoints of this format have no `seconds`.
    return Progress(**{one.name: state[one.name] for one in fields(Progress) if one.name in state})


def _checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints below `folder`, the oldest first."""
    if not folder.is_dir():
        return []
    found = [(match, path) for path in folder.iterdir() if path.is_dir() and (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, key=lambda item: (int(item[0][1]), int(item[0][2])))]
