"""A network with a camera embedding is told the cameras in training and in tests, and only those it has learned."""

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from strongreid import build
from strongreid.cli import main
from strongreid.config import Config
from strongreid.config_sections import SetConfig
from strongreid.drawn import draw_people
from strongreid.models.transformers import CameraTransformer
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.runs import evaluate, train
from strongreid.runs.cameras import LearnedCameras
from strongreid.runs.evaluate_features import Protocol
from tests.conftest import small_training

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("abroad") / "people"
    return draw_people(
        folder, train_people=5, test_people=4, images_per_person=4, distractors=0, junk=0, seed=3, domain=1, workers=1
    )


def config_of(drawn: Path, output: Path, *more: str) -> Config:
    words = """--model.backbone=vit_tiny_patch16_224 --model.last_stride=2 --model.camera_embedding=true
        --schedule.epochs=1 --schedule.warmup_epochs=0 --schedule.milestones=[] --evaluation.every_epochs=0"""
    return read_config(recipe_path("bag_of_tricks_small"), [*small_training(drawn, output)[2:], *words.split(), *more])


def test_numbers_follow_the_training_sets_order_and_others_are_unknown() -> None:
    cameras = LearnedCameras(np.array([2, 5, 9]), first=4)
    assert cameras.index(np.array([9, 2, 1, 5, 10, 3])).tolist() == [6, 4, -1, 5, -1, -1]
    assert cameras.index(np.array([], dtype=np.int64)).tolist() == []


def test_what_a_run_tells_its_network_of_cameras(
    drawn: Path, abroad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[bool, list[int] | None]] = []
    forward = CameraTransformer.forward

    def noting(self: CameraTransformer, images: Tensor, camera: Tensor | None) -> Tensor:
        if len(images) > 1:  # not the probe's
            told.append((self.training, None if camera is None else camera.tolist()))
        return forward(self, images, camera)

    monkeypatch.setattr(CameraTransformer, "forward", noting)
    more = f"{{name: market1501, root: {abroad}, label: abroad}}"
    config = config_of(drawn, tmp_path, f"--data.joined=[{more}]", f"--data.tested=[{more}]")
    data, tests = build.build_data(config), build.build_tests(config)
    own, joined = (len(tests[name].train.cameras) for name in tests)
    assert own > 1 < joined
    run = train.start(config, tmp_path / "run", QUIET)
    assert run.model().arguments["cameras"] == own + joined == len(data.train.cameras)
    learned = {camera for training, cameras in told if training for camera in cameras or ()}
    assert learned <= set(range(own + joined))
    assert len(learned) > own

    def expected(name: str, first: int) -> list[int]:
        known = tests[name].train.cameras.tolist()
        seen = np.concatenate([tests[name].query.camera, tests[name].gallery.camera]).tolist()
        return [first + known.index(camera) if camera in known else -1 for camera in seen]

    def of_tests() -> list[int]:
        return [camera for training, cameras in told if not training for camera in cameras or ()]

    first_two = expected("drawn", 0) + expected("abroad", own)
    assert of_tests() == first_two
    told.clear()
    evaluate.evaluate_run(run, Protocol(), QUIET)
    assert of_tests() == first_two
    for root, name, first in ((abroad, "abroad", own), (drawn, "drawn", 0)):
        told.clear()
        evaluate.evaluate_run(run, Protocol(), QUIET, other=SetConfig("market1501", root))
        assert of_tests() == expected(name, first)
    alone = train.start(config_of(drawn, tmp_path), tmp_path / "alone", QUIET)
    told.clear()
    evaluate.evaluate_run(alone, Protocol(), QUIET, other=SetConfig("market1501", abroad))
    assert told
    assert {cameras for _, cameras in told if cameras is not None} == set()


def test_a_camera_embedding_is_refused_of_a_network_without_tokens_by_the_field(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*small_training(drawn, tmp_path), "--model.camera_embedding=true"]) == 2
    assert "resnet10_small is no ViT" in (said := capsys.readouterr().err)
    assert "`model.camera_embedding`" in said
    assert main([*small_training(drawn, tmp_path), "--model.patch_stride=8"]) == 2
    assert "`model.patch_stride`" in capsys.readouterr().err
