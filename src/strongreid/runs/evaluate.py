"""Testing after training: a run's last weights on its own test sets, or on another."""

from dataclasses import replace

from strongreid.config import Config
from strongreid.config_sections import BatchConfig, DataConfig, SetConfig
from strongreid.data import is_split_by_seed
from strongreid.reports.console import Console
from strongreid.runs.evaluate_features import Evaluation, Protocol, announce
from strongreid.runs.folder import Run
from strongreid.runs.test_sets import TestSet, prepare_main_test, prepare_own_tests


def evaluate_run(
    run: Run, protocol: Protocol, console: Console, other: SetConfig | None = None
) -> dict[str, Evaluation]:
    """Evaluate the last weights of a run on each set that it is tested on, by name, its main one first.

    Where `other` is given, on that set alone: train on one, test on another.
    """
    tests = prepare_own_tests(run, console) if other is None else [prepare_other(run, other, console)]
    model = run.model()
    found = {}
    for test in tests:
        announce(len(test.query.table), len(test.gallery.table), model.width, protocol.reranking is not None, console)
        embedded = test.embed(model, console)
        embedded.warn(console, protocol)
        found[test.name] = Evaluation(embedded.evaluate(console, protocol))
    return found


def prepare_other(run: Run, other: SetConfig, console: Console) -> TestSet:
    """Read and decode another set than a run's own, as its model takes images."""
    _warn_of_another_split(run.config, other, console)
    cache = run.config.data.cache
    data = DataConfig(other.name, other.root, other.split_seed, cache, other.layout, other.columns)
    # no batches are made, so none can be impossible
    return prepare_main_test(replace(run.config, data=data, batch=BatchConfig()), console, learned=run.config.data)


def _warn_of_another_split(config: Config, other: SetConfig, console: Console) -> None:
    """Say where a set was trained on with another split, so that people of the test may have been learned."""
    main = SetConfig(config.data.name, other.root, config.data.split_seed)
    for learned in (main, *config.data.joined):
        same = learned.name == other.name and learned.split_seed != other.split_seed
        if same and is_split_by_seed(other.name, other.layout):
            console.say(
                f"Warning: the run was trained on {learned.name} with split seed {learned.split_seed}; with split seed "
                f"{other.split_seed} people that it learned may be among those tested."
            )
