"""Testing after training: a run's weights on its own test sets, or on another."""

from dataclasses import dataclass, replace
from pathlib import Path

from strongreid.config import BatchConfig, Config, DataConfig, SetConfig
from strongreid.data import ReIDData, is_split_by_seed
from strongreid.errors import InputError
from strongreid.evaluation import Embeddings
from strongreid.models import ReIDModel
from strongreid.recipes import read_config
from strongreid.reports.console import Console
from strongreid.runs.evaluate_features import Evaluation, Protocol, announce, evaluate_features
from strongreid.runs.test_sets import TestSet, embed_test, load_model, prepare_tests


@dataclass(frozen=True)
class EmbeddedTest:
    """A run's model with the features of its test set."""

    model: ReIDModel
    data: ReIDData
    query: Embeddings
    gallery: Embeddings


def embed_run(run: Path, data_root: Path | None, reranking: bool, console: Console) -> EmbeddedTest:
    """Embed the test set that a run was trained beside, with its last weights; a large one is announced first."""
    config = _config_of(run, data_root)
    config = replace(config, data=replace(config.data, tested=[]))
    model = load_model(run, config)
    return _embedded(model, prepare_tests(config, console)[0], reranking, console)


def evaluate_run(
    run: Path, data_root: Path | None, protocol: Protocol, console: Console, *, other: SetConfig | None = None
) -> dict[str, Evaluation]:
    """Evaluate the last weights of a run on each set that it is tested on, by name, its main one first.

    Where `other` is given, on that set alone: train on one, test on another.
    """
    config = _config_of(run, data_root)
    if other is not None:
        _warn_of_another_split(config, other, console)
        data = DataConfig(other.name, other.root, other.split_seed, config.data.cache)
        config = replace(config, data=data, batch=BatchConfig())  # no batches are made, so none can be impossible
    model = load_model(run, config)
    found = {}
    for tested in prepare_tests(config, console):
        test = _embedded(model, tested, protocol.reranking, console)
        own = replace(
            protocol,
            metric=protocol.metric or model.metric,
            same_camera=protocol.same_camera or test.data.same_camera,
        )
        found[tested.name] = evaluate_features(test.query, test.gallery, own, console)
    return found


def _warn_of_another_split(config: Config, other: SetConfig, console: Console) -> None:
    """Say where a set was trained on with another split, so that people of the test may have been learned."""
    main = SetConfig(config.data.name, other.root, config.data.split_seed)
    for learned in (main, *config.data.joined):
        if learned.name == other.name and learned.split_seed != other.split_seed and is_split_by_seed(other.name):
            console.say(
                f"Warning: the run was trained on {learned.name} with split seed {learned.split_seed}; with split seed "
                f"{other.split_seed} people that it learned may be among those tested."
            )


def _config_of(run: Path, data_root: Path | None) -> Config:
    if not (run / "config.yaml").is_file():
        raise InputError(
            f"{run} is not the folder of a run: it holds no config.yaml. Name the folder that a training wrote."
        )
    config = read_config(run / "config.yaml")
    return config if data_root is None else replace(config, data=replace(config.data, root=data_root))


def _embedded(model: ReIDModel, test: TestSet, reranking: bool, console: Console) -> EmbeddedTest:
    announce(len(test.query.table), len(test.gallery.table), model.width, reranking, console)
    return EmbeddedTest(model, test.data, *embed_test(model, test, console))
