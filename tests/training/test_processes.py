"""Several processes, started as torchrun starts them: the model does not depend on their number."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file
from torch import nn
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from strongreid.cli import main
from strongreid.errors import InputError
from strongreid.models import ReIDModel
from strongreid.training.checkpoint import newest_checkpoint, read_state
from strongreid.training.processes import GlobalBatchNorm, share_batch_statistics
from tests.conftest import small_training
from tests.preloaded import preloaded
from tests.training import one_process

LIMIT_S = 250
ELASTIC_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""torch's launcher takes them, and keeps them."""
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


def in_two_processes(logs: Path, function: Callable[..., object], *arguments: object) -> tuple[str, str]:
    """Do what torchrun does, in processes that need not import everything again; return what each wrote to stderr."""
    preloaded()
    launch = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id=logs.name,
        max_restarts=0,
        start_method="forkserver",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        logs_specs=DefaultLogsSpecs(log_dir=str(logs), redirects=Std.ERR),
    )
    handlers = {number: signal.getsignal(number) for number in ELASTIC_SIGNALS}
    try:
        codes = elastic_launch(launch, function)(*arguments)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert set(codes.values()) <= {None, 0}
    first, second = (next(logs.glob(f"*/attempt_0/{rank}/stderr.log")).read_text() for rank in (0, 1))
    return first, second


def log_of(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines]


@pytest.mark.parametrize("off", [None, "identity"])  # without it no loss reaches the classifier
def test_two_processes_learn_what_one_learns(drawn: Path, tmp_path: Path, off: str | None) -> None:
    changes = [f"--objective.{off}.weight=0"] if off else []
    alone, both = tmp_path / "alone", tmp_path / "both"
    alone.mkdir()
    both.mkdir()
    one_process.train(drawn, alone, *changes)
    in_two_processes(tmp_path / "said", one_process.train, drawn, both, *changes)
    first, second, expected = (
        load_file(path) for path in (both / "0.safetensors", both / "1.safetensors", alone / "0.safetensors")
    )
    assert first.keys() == second.keys() == expected.keys()
    for name, values in expected.items():
        assert first[name].equal(second[name]), name
        assert first[name].allclose(values, rtol=1e-8, atol=1e-10), name
    assert len(log_of(both)) == len(log_of(alone)) > 5
    for here, there in zip(log_of(both), log_of(alone), strict=True):
        assert here == pytest.approx(there, rel=1e-6)
    assert len(list((both / "packed").iterdir())) == 3
    assert len(list((both / "checkpoints").iterdir())) == 1


def test_a_normalisation_that_activates_too_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    one_process.normalise_and_activate(tmp_path / "alone")
    expected = load_file(tmp_path / "alone-0.safetensors")
    assert expected["gradient.1.weight"].abs().min() > 0
    in_two_processes(tmp_path / "said", one_process.normalise_and_activate, tmp_path / "both")
    for rank in (0, 1):
        found = load_file(tmp_path / f"both-{rank}.safetensors")
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert found[name].allclose(values, rtol=1e-12, atol=1e-14), name


def test_under_torchrun_a_run_is_interrupted_resumed_and_evaluated_as_in_one_process(
    drawn: Path, tmp_path: Path
) -> None:
    words = [*small_training(drawn, tmp_path), "--schedule.epochs=2", "--evaluation.every_epochs=1"]
    alone, both = tmp_path / "alone", tmp_path / "both"
    assert main([*words, "--name=alone"]) == 0
    with subprocess.Popen([*TORCHRUN, "-m", "strongreid", *words, "--name=both"], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + LIMIT_S
        while not (both / "log.jsonl").is_file() or not log_of(both):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LIMIT_S)
    assert said.decode().count(f"--resume {both}") == 1
    assert not (both / "result.json").exists()
    checkpoint = newest_checkpoint(both / "checkpoints")
    assert checkpoint is not None
    stopped = read_state(checkpoint)
    assert stopped["environment"]["processes"] == 2
    assert 0 < stopped["total_steps"] < log_of(alone)[-1]["total_steps"]
    assert stopped["log_bytes"] == (both / "log.jsonl").stat().st_size

    first, second = in_two_processes(tmp_path / "said", main, ["train", "--resume", str(both)])
    assert str(both) in first.replace("\n", "")
    assert str(both) not in second.replace("\n", "")
    here, there = ([line for line in log_of(run) if "total" in line] for run in (both, alone))
    # Adam enlarges rounding: another memory order changes the later lines as much. The test above is the exact one.
    for line, (mine, other) in enumerate(zip(here, there, strict=True)):
        assert mine == pytest.approx(other, rel=0.1 if line else 1e-3)
    result, expected = (json.loads((run / "result.json").read_text()) for run in (both, alone))
    assert result["valid_queries"] == expected["valid_queries"]
    assert result["mean_ap"] == pytest.approx(expected["mean_ap"], abs=0.05)
    images = torch.randint(256, (3, 3, 64, 32), dtype=torch.uint8)
    assert ReIDModel.load(both).embed(images).isfinite().all()


class Together(Fabric):
    """Two processes on a device that is not there: enough to see what is chosen for it."""

    device = torch.device("cuda")
    world_size = 2


@pytest.mark.parametrize(("device", "kind"), [("cuda", nn.SyncBatchNorm), ("cpu", GlobalBatchNorm)])
@pytest.mark.parametrize("backbone", ["resnet10_small", "tf_efficientnet_lite0"])
def test_batch_normalisation_is_shared_and_keeps_its_parameters_and_their_names(
    monkeypatch: pytest.MonkeyPatch, backbone: str, device: str, kind: type[nn.Module]
) -> None:
    monkeypatch.setattr(Together, "device", torch.device(device))
    model = ReIDModel(backbone=backbone, people=4)
    images = torch.randint(256, (2, 3, 64, 32), dtype=torch.uint8)
    alone = model.embed(images)
    names, parameters = list(model.state_dict()), list(model.parameters())
    norms = sum(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in model.modules())
    share_batch_statistics(model, Together(accelerator="cpu"))
    assert sum(isinstance(module, kind) for module in model.modules()) == norms > 10
    assert list(model.state_dict()) == names
    assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    assert not model.neck.bias.requires_grad
    assert model.embed(images).allclose(alone, rtol=1e-5, atol=1e-6)
    assert alone.isfinite().all()


def test_a_normalisation_with_more_in_it_is_refused_in_several_processes() -> None:
    class WithActivation(nn.BatchNorm2d):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input).relu()

    with pytest.raises(InputError, match=r"WithActivation.*one process"):
        share_batch_statistics(nn.Sequential(WithActivation(3)), Together(accelerator="cpu"))
