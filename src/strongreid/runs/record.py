"""What is written of a training beside its weights: settings, images, machine, and what it cost."""

import platform
import resource
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric

from strongreid.config import Config, as_plain
from strongreid.data import ReIDData
from strongreid.reports.console import Console
from strongreid.runs.test_sets import Prepared
from strongreid.training.checkpoint import damaged, read_state
from strongreid.training.log import read_log


def record_of(config: Config, prepared: Prepared, fabric: Fabric) -> dict[str, Any]:
    """What is written beside the weights so that the run can be understood and repeated."""
    data = prepared.data
    return {
        "config": as_plain(config),
        "seed": config.seed,
        "data": {
            "name": data.name,
            "protocol": data.protocol,
            "fingerprint": prepared.fingerprint,
            "held_out": {name: _people(part.data) for name, part in prepared.held_out.items()},
        },
        "label_map": data.label_map,
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
            "processes": fabric.world_size,
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            **{name: version(name) for name in ("strongreid", "torch", "torchvision", "timm", "lightning", "pillow")},
        },
    }


def _people(data: ReIDData) -> list[int]:
    """People who are tested on, rising."""
    return [int(person) for person in np.union1d(data.query.person, data.gallery.person)]


def recorded_in(checkpoint: Path) -> dict[str, Any]:
    """Return what a checkpoint's state says of the run that wrote it: settings, environment, fingerprints."""
    state = read_state(checkpoint)
    data = state.get("data")
    for name, value in (
        ("config", state.get("config")),
        ("environment", state.get("environment")),
        ("data.fingerprint", data.get("fingerprint") if isinstance(data, dict) else None),
    ):
        if not isinstance(value, dict):
            raise damaged(checkpoint, f"its state.json lacks {name}")
    return state


def warn_of_another_machine(before: dict[str, Any], now: dict[str, Any], console: Console) -> None:
    """Warn where the machine differs, because the last bits then differ too."""
    for name, value in now["environment"].items():
        earlier = before["environment"].get(name)
        if earlier != value:
            console.say(
                f"Warning: {name} was {earlier} when this run was started and is {value} now; the run goes on, but not "
                "bit for bit as it would have."
            )


def images_per_second(folder: Path) -> float | None:
    """Return the median speed of training, evaluations and checkpoints left out."""
    speeds = [line["images_per_second"] for line in read_log(folder) if "images_per_second" in line]
    return median(speeds) if speeds else None


def forget_peak_memory() -> None:
    """Begin to look for the peak anew: one process may make several trainings. Where that is refused, it is of all."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak resident size starts again from here


def peak_memory_mb() -> int:
    """Return the most memory used in this training: the GPU's if there is one, otherwise this process's own."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 1e6)
    with suppress(OSError, StopIteration):
        # Linux: `getrusage` also counts what the process was before it became this program.
        lines = Path("/proc/self/status").read_text().splitlines()
        return round(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
