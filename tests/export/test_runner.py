"""Engines in PyTorch's place: taken where they give the model's features, left where they do not, whatever happens."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from strongreid.errors import InputError
from strongreid.export import runner
from strongreid.export.proof import drawn_pictures
from strongreid.export.runner import Engine, Runner, engines_here, proven
from strongreid.models import ReIDModel


@pytest.fixture(scope="module")
def model() -> ReIDModel:
    torch.manual_seed(1)
    return ReIDModel(backbone="resnet10_small", people=2, image_size=(64, 32)).eval()


@pytest.fixture(scope="module")
def images(model: ReIDModel) -> torch.Tensor:
    return torch.from_numpy(drawn_pictures(model.image_size, 9))


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_an_engine_that_gives_the_features_is_taken(model: ReIDModel, images: torch.Tensor, engine: Engine) -> None:
    pytest.importorskip(engine)
    said: list[str] = []
    found = proven(model, images[:4], engine, said.append)
    assert isinstance(found, Runner)
    assert engine in said[0]
    expected = model.embed(images)
    scale = expected.square().mean().sqrt()
    for batch_size in (1, 4, 64):
        features = found.embed(images, batch_size=batch_size)
        assert features.dtype == torch.float32
        assert float((features - expected).abs().max() / scale) < 1e-4
    assert found.embed(images[:0]).shape == (0, model.width)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are looked up as Linux lists them")
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_no_thread_of_an_engine_is_bound_to_a_core(model: ReIDModel, images: torch.Tensor, engine: Engine) -> None:
    pytest.importorskip(engine)
    if len(allowed := os.sched_getaffinity(0)) < 2:
        pytest.skip("one core, to which every thread is bound")
    others = set(Path("/proc/self/task").iterdir())  # such as those of engines that other tests loaded
    for threads in (1, 2):
        found = Runner(model, engine, threads)
        found.embed(images)
        for thread in set(Path("/proc/self/task").iterdir()) - others:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                assert os.sched_getaffinity(int(thread.name)) == allowed


class Wrong(Runner):
    """Gives features a little off."""

    error = 3e-4

    def __init__(self, model: ReIDModel, engine: str, threads: int = 0) -> None:
        self.model = model

    def embed(self, images: torch.Tensor, *, batch_size: int = 64) -> torch.Tensor:
        features = self.model.embed(images)
        features[-1, -1] += self.error * features.square().mean().sqrt()
        return features


class NoNumbers(Wrong):
    """Gives NaN."""

    error = float("nan")


class Near(Wrong):
    """Gives features that are near enough."""

    error = 5e-5


class Broken(Wrong):
    """Cannot be made."""

    def __init__(self, model: ReIDModel, engine: str, threads: int = 0) -> None:
        raise RuntimeError("no such instruction")


@pytest.mark.parametrize(("kind", "taken"), [(Wrong, False), (NoNumbers, False), (Broken, False), (Near, True)])
def test_an_engine_that_does_not_is_left_with_a_word(
    model: ReIDModel, images: torch.Tensor, kind: type[Runner], taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "Runner", kind)
    monkeypatch.setattr(runner, "engines_here", lambda: ["openvino", "onnxruntime"])
    said: list[str] = []
    found = proven(model, images, None, said.append)
    assert (found is not model) == taken
    if taken:
        assert len(said) == 1
    else:
        assert len(said) == 3
        assert said[0].startswith("openvino does not")
        assert said[-1] == "Running in PyTorch."


def test_pytorch_is_the_model_itself(model: ReIDModel, images: torch.Tensor) -> None:
    assert proven(model, images, "pytorch", lambda text: None) is model


def test_what_is_not_installed_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "find_spec", lambda name: None if name == "openvino" else object())
    assert engines_here() == ["onnxruntime"]
    monkeypatch.setattr(runner, "find_spec", lambda name: None)
    assert engines_here() == []


def test_a_stop_is_not_swallowed(model: ReIDModel, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "Runner", stopped)
    with pytest.raises(KeyboardInterrupt):
        proven(model, images, "openvino", lambda text: None)


def test_a_missing_library_is_said(model: ReIDModel, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, extra: str) -> None:
        raise InputError(f"This needs the library {name}")

    monkeypatch.setattr("strongreid.export.onnx_file.require", missing)
    said: list[str] = []
    assert proven(model, images, "onnxruntime", said.append) is model
    assert "needs the library" in said[0]
