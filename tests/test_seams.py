"""What people add, added from outside: a loss, a pooling, a backbone that takes the camera, an average of the weights,
optimisers and schedules. Each trains on drawn people, is saved, loaded and resumed, and the package knows none of them.
"""

import json
import math
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.optim import Lamb
from torch import Tensor, nn
from torch.optim import Optimizer

from strongreid.data import ImageTable, load_benchmark
from strongreid.errors import InputError
from strongreid.losses import BatchHardTripletLoss, CenterLoss, IdentityLoss, Objective, Term
from strongreid.models import ReIDModel
from strongreid.reports.plots import loss_names
from strongreid.reports.progress import shown_values
from strongreid.reports.results import learning_section
from strongreid.training.checkpoint import newest_checkpoint
from strongreid.training.images import TrainingImages
from strongreid.training.log import read_log
from strongreid.training.loop import CHECKPOINTS, Plan, StepReport, fit
from strongreid.training.schedule import Schedule

SIZE = (64, 32)
EPOCHS = 2


@pytest.fixture(scope="module")
def images(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingImages:
    table = load_benchmark("market1501", drawn).train
    return TrainingImages.build(table, SIZE, tmp_path_factory.mktemp("packed"), people_per_batch=4, images_per_person=2)


def network(images: TrainingImages, **changes: Any) -> ReIDModel:
    torch.manual_seed(0)
    arguments = {"backbone": "resnet10_small", "people": len(images.table.people), "image_size": SIZE, **changes}
    return ReIDModel(**arguments)


def usual_losses() -> Objective:
    identity, triplet = Term(IdentityLoss(), on="logits"), Term(BatchHardTripletLoss(), on="pooled")
    return Objective({"identity": identity, "triplet": triplet})


class Parts:
    """All that one training is made of; the same again each time it is made."""

    def __init__(
        self,
        model: ReIDModel,
        objective: Objective,
        optimizers: Sequence[Optimizer] | None = None,
        hook: nn.Module | None = None,
        rate: Schedule | None = None,
    ) -> None:
        self.model, self.objective, self.optimizers, self.hook = model, objective, optimizers, hook
        self.plan = Plan(epochs=EPOCHS, rate=rate, log_every=1)

    def fit(self, images: TrainingImages, folder: Path, **others: Any) -> None:
        hooks = [] if self.hook is None else [self.hook]
        fit(
            self.model,
            self.objective,
            images,
            self.plan,
            optimizers=self.optimizers,
            after_step=hooks,
            folder=folder,
            **others,
        )

    def learned(self) -> dict[str, Tensor]:
        hook = {} if self.hook is None else {f"hook.{name}": one for name, one in self.hook.state_dict().items()}
        return {**self.model.state_dict(), **self.objective.state_dict(), **hook}


def assert_resumes(make: Callable[[], Parts], images: TrainingImages, folder: Path) -> Parts:
    """Train once at a go, and once stopped in the middle of an epoch and resumed by new objects: the same bits."""
    whole, stopped, resumed = make(), make(), make()
    whole.fit(images, folder / "whole")
    steps = images.steps(1)

    def stop(report: StepReport) -> None:
        if (report.epoch, report.step) == (2, 1):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell that runs the tests ignores
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(images, folder / "stopped", on_step=stop)
    signal.signal(signal.SIGINT, before)
    checkpoint = newest_checkpoint(folder / "stopped" / CHECKPOINTS)
    assert checkpoint is not None
    assert json.loads((checkpoint / "state.json").read_text())["total_steps"] == steps + 2
    resumed.fit(images, folder / "stopped", resume=checkpoint)
    expected = whole.learned()
    found = resumed.learned()
    assert found.keys() == expected.keys()
    assert [name for name in expected if not found[name].equal(expected[name])] == []
    assert any(not found[name].equal(value) for name, value in make().learned().items())
    for one, other in zip(read_log(folder / "whole"), read_log(folder / "stopped"), strict=True):
        assert {**one, "images_per_second": 0} == {**other, "images_per_second": 0}
    return whole


class CircleLoss(nn.Module):
    """Sun et al. 2020, with a scale that is learned."""

    def __init__(self, margin: float = 0.25, scale: float = 32) -> None:
        super().__init__()
        self.margin = margin
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    def forward(self, features: Tensor, person: Tensor) -> Tensor:
        cosine = F.normalize(features) @ F.normalize(features).T
        same = person[:, None] == person[None, :]
        positive, negative = cosine[same], cosine[~same]
        pull = -self.scale * (1 + self.margin - positive).detach().relu() * (positive - (1 - self.margin))
        push = self.scale * (negative + self.margin).detach().relu() * (negative - self.margin)
        return F.softplus(push.logsumexp(0) + pull.logsumexp(0))


def test_a_loss_of_ones_own_trains_alone_and_beside_others(images: TrainingImages, tmp_path: Path) -> None:
    def make() -> Parts:
        terms = {"identity": Term(IdentityLoss(), on="logits"), "circle": Term(CircleLoss(), on="necked", weight=0.5)}
        return Parts(network(images), Objective(terms))

    assert_resumes(make, images, tmp_path)
    log = read_log(tmp_path / "whole")
    assert loss_names(log) == ["total", "identity", "circle"]
    for line in log:
        assert line["total"] == pytest.approx(line["identity"] + line["circle"], rel=1e-5)
    assert any(words.startswith("circle ") for words in shown_values(log[-1]))
    page = learning_section(log, {"mean_ap": 0.5, "rank_1": 0.5}, EPOCHS)
    assert any("total, identity, circle" in one.alt for one in page.blocks[0].pictures)
    alone = Parts(network(images), Objective({"circle": Term(CircleLoss(), on="pooled")}))
    alone.fit(images, tmp_path / "alone")
    log = read_log(tmp_path / "alone")
    assert loss_names(log) == ["total", "circle"]
    half = len(log) // 2
    assert sum(line["circle"] for line in log[half:]) < sum(line["circle"] for line in log[:half])
    assert alone.learned()["losses.circle.scale"] != 32  # what a loss learns is trained too


@pytest.mark.parametrize("name", ["identity", "triplet", "center"])
def test_each_loss_of_the_paper_trains_alone(images: TrainingImages, tmp_path: Path, name: str) -> None:
    torch.manual_seed(1)
    model = network(images)
    term = {
        "identity": Term(IdentityLoss(), on="logits"),
        "triplet": Term(BatchHardTripletLoss(), on="pooled"),
        "center": Term(CenterLoss(len(images.table.people), model.width), on="pooled"),
    }[name]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    Parts(model, Objective({name: term})).fit(images, tmp_path)
    assert loss_names(read_log(tmp_path)) == ["total", name]
    assert not model.state_dict()["backbone.conv1.0.weight"].equal(before["backbone.conv1.0.weight"])
    assert model.classifier.weight.equal(before["classifier.weight"]) == (name != "identity")


class GeM(nn.Module):
    """Generalised mean pooling (Radenovic et al. 2018), with a power that is learned."""

    def __init__(self, power: float = 3.0) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(power))

    def forward(self, feature_map: Tensor) -> Tensor:
        powers: Tensor = feature_map.float().clamp(min=1e-6) ** self.power
        return powers.mean((2, 3)) ** (1 / self.power)


def test_a_pooling_of_ones_own(images: TrainingImages, tmp_path: Path) -> None:
    parts = assert_resumes(lambda: Parts(network(images, pooling=GeM()), usual_losses()), images, tmp_path)
    model, pixels = parts.model.eval(), images.packed.pixels[:4]
    assert model.pooling.power != 3.0
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"GeM as its pooling.*ReIDModel\.load\(path, pooling=\.\.\.\)"):
        ReIDModel.load(tmp_path)
    loaded = ReIDModel.load(tmp_path, pooling=GeM())
    assert torch.equal(loaded.embed(pixels), model.embed(pixels))


class CameraViT(nn.Module):
    """A ViT of timm that adds an embedding of the camera to its tokens (He et al. 2021)."""

    takes_camera = True

    def __init__(self, cameras: int) -> None:
        super().__init__()
        self.vit = timm.create_model("test_vit", img_size=SIZE, num_classes=0)
        self.camera = nn.Embedding(cameras, self.vit.embed_dim)

    def forward(self, images: Tensor, camera: Tensor | None) -> Tensor:
        tokens = self.vit._pos_embed(self.vit.patch_embed(images))
        if camera is not None:
            tokens = tokens + self.camera(camera)[:, None]
        features: Tensor = self.vit.norm(self.vit.blocks(tokens))[:, 0]
        return features


def test_a_vit_that_takes_the_camera(images: TrainingImages, tmp_path: Path) -> None:
    cameras = len(images.table.cameras)

    def make() -> Parts:
        torch.manual_seed(0)
        return Parts(network(images, backbone=CameraViT(cameras)), usual_losses())

    parts = assert_resumes(make, images, tmp_path)
    started, ended = make().model.backbone, parts.model.backbone
    assert isinstance(started, CameraViT)
    assert isinstance(ended, CameraViT)
    assert all((ended.camera.weight != started.camera.weight).any(dim=1))  # each camera was seen, each was learned
    parts.model.save(tmp_path / "model.safetensors")
    loaded = ReIDModel.load(tmp_path, backbone=CameraViT(cameras))
    pixels, camera = images.packed.pixels[:6], images.table.camera_index()[:6]
    found = loaded.embed(pixels, camera=camera)
    assert torch.equal(found, parts.model.embed(pixels, camera=camera))
    assert not torch.equal(found, loaded.embed(pixels, camera=(camera + 1) % cameras))
    assert not torch.equal(found, loaded.embed(pixels))  # as of an unknown camera


def test_each_image_comes_with_its_own_camera(images: TrainingImages) -> None:
    class Watched(nn.Module):
        takes_camera = True

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 8, 8, stride=8)
            self.seen: list[list[int]] = []

        def forward(self, images: Tensor, camera: Tensor) -> Tensor:
            if self.training:
                self.seen.append(camera.tolist())
            features: Tensor = self.layer(images)
            return features

    table = images.table
    sparse = ImageTable(table.path, table.person, 10 * table.camera)  # as numbered in a set of one's own
    mine = TrainingImages(sparse, images.packed, images.sampler, images.augmentation)
    backbone = Watched()
    fit(network(images, backbone=backbone), usual_losses(), mine, Plan(epochs=1))
    images.sampler.set_epoch(1)
    numbers = sorted(set(sparse.camera.tolist()))
    assert backbone.seen == [[numbers.index(sparse.camera[row]) for row in batch] for batch in images.sampler]


class Average(nn.Module):
    """An exponential moving average of a model's weights (EMA), taken after each step."""

    def __init__(self, model: nn.Module, decay: float = 0.9) -> None:
        super().__init__()
        self.decay = decay
        self.followed = [model]  # in a list: it is saved elsewhere
        for name, value in model.named_parameters():
            self.register_buffer(name.replace(".", "/"), value.detach().clone())

    def forward(self) -> None:
        for mine, value in zip(self.buffers(), self.followed[0].parameters(), strict=True):
            mine.lerp_(value.detach(), 1 - self.decay)


def test_an_average_of_the_weights(images: TrainingImages, tmp_path: Path) -> None:
    def make() -> Parts:
        model = network(images)
        return Parts(model, usual_losses(), hook=Average(model))

    assert_resumes(make, images, tmp_path)
    parts = make()
    name = "backbone.layer4.0.conv1.weight"
    weight = parts.model.get_parameter(name)
    slow = weight.detach().double().clone()

    def follow(report: StepReport) -> None:
        nonlocal slow
        slow = 0.9 * slow + 0.1 * weight.detach().double()

    parts.fit(images, tmp_path / "followed", on_step=follow)
    assert parts.hook is not None
    torch.testing.assert_close(parts.hook.get_buffer(name.replace(".", "/")).double(), slow, rtol=1e-5, atol=1e-7)


def cosine(epoch: int, share: float) -> float:
    """A rate that falls with every step."""
    return 0.02 * (1 + math.cos(math.pi * (epoch - 1 + share) / EPOCHS)) / 2


def sgd(parameters: list[nn.Parameter]) -> Optimizer:
    return torch.optim.SGD(parameters, lr=1.0, momentum=0.9, nesterov=True)


def test_sgd_with_a_cosine_by_step(images: TrainingImages, tmp_path: Path) -> None:
    def make() -> Parts:
        model = network(images)
        return Parts(model, usual_losses(), [sgd(list(model.parameters()))], rate=cosine)

    assert_resumes(make, images, tmp_path)
    rates = [line["rate"] for line in read_log(tmp_path / "whole")]
    expected = [cosine(epoch, step / images.steps(epoch)) for epoch in (1, 2) for step in range(images.steps(epoch))]
    assert rates == expected
    assert len(set(rates)) == len(rates) > 4


@pytest.mark.parametrize("kind", [Lamb, torch.optim.RMSprop, torch.optim.AdamW])
def test_optimisers_of_all_kinds_resume(images: TrainingImages, tmp_path: Path, kind: type[Optimizer]) -> None:
    def make() -> Parts:
        model = network(images)
        halves = list(model.backbone.parameters()), [*model.neck.parameters(), *model.classifier.parameters()]
        return Parts(model, usual_losses(), [kind(halves[0], lr=1e-3), sgd(halves[1])], rate=cosine)

    assert_resumes(make, images, tmp_path)


def test_a_script_needs_a_model_an_objective_and_images(images: TrainingImages, tmp_path: Path) -> None:
    model, reports = network(images), []
    before = model.classifier.weight.detach().clone()
    progress = fit(model, usual_losses(), images, Plan(epochs=1), on_step=reports.append)
    assert progress.total_steps == len(reports) == images.steps(1)
    assert not model.classifier.weight.equal(before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"people": 3}, "show 10 people.*made for 3.*`people`"), ({"image_size": (96, 32)}, r"\(64, 32\).*`image_size`")],
)
def test_a_model_for_other_images_is_refused(images: TrainingImages, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(network(images, **changes), usual_losses(), images)


class Odd(torch.optim.SGD):
    """Keeps what no checkpoint holds."""

    def step(self, closure: Any = None) -> None:
        super().step(closure)
        self.state[self.param_groups[0]["params"][0]]["history"] = [1, 2]


def test_what_cannot_be_trained_is_refused(images: TrainingImages, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"own.*'f_t'.*pooled, necked, logits"):
        fit(network(images), Objective({"own": Term(CircleLoss(), on="f_t")}), images)
    for name in ("epochs", "log_every", "checkpoint_every"):
        with pytest.raises(InputError, match=f"`{name}` is 0"):
            Plan(**{name: 0})
    model = network(images)
    with pytest.raises(InputError, match="Odd keeps history as a list"):
        odd = Odd(model.parameters(), lr=0.1)
        fit(model, usual_losses(), images, Plan(epochs=1), optimizers=[odd], folder=tmp_path)
    with pytest.raises(InputError, match="at least one optimiser"):
        fit(model, usual_losses(), images, optimizers=[])


def test_a_folder_with_a_training_in_it_is_refused(images: TrainingImages, tmp_path: Path) -> None:
    fit(network(images), usual_losses(), images, Plan(epochs=1), folder=tmp_path / "new")
    log = (tmp_path / "new" / "log.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"epoch-0002-step-00000 \(`resume`\), or choose another `folder`"):
        fit(network(images), usual_losses(), images, Plan(epochs=1), folder=tmp_path / "new")
    assert (tmp_path / "new" / "log.jsonl").read_bytes() == log
    with pytest.raises(InputError, match=r"`folder`.*cannot be made"):
        fit(network(images), usual_losses(), images, Plan(epochs=1), folder=tmp_path / "new" / "log.jsonl" / "below")
