"""Evaluating and reporting a model that has no run, ours or an ONNX file, on any set.

The model says itself what a run's settings would: size and interpolation of the images, and how features are compared.
"""

from dataclasses import replace
from pathlib import Path

from strongreid.config import Config
from strongreid.config_sections import DataConfig, ModelConfig, SetConfig
from strongreid.files import require_target
from strongreid.reports import results
from strongreid.reports.console import Console
from strongreid.reports.page import write_page
from strongreid.reports.ranked import ImageGallery
from strongreid.runs.evaluate_features import EmbeddedTest, Evaluation, Protocol, announce
from strongreid.runs.folder import with_absolute_paths
from strongreid.runs.report import reranked_figures, retrieval_sections
from strongreid.runs.test_sets import TestSet, prepare_main_test
from strongreid.runs.used_model import UsedModel


def evaluate_model(used: UsedModel, tested: SetConfig, protocol: Protocol, console: Console) -> dict[str, Evaluation]:
    """Evaluate a model on a set; the result by the set's name."""
    test, embedded = embed_test(used, tested, protocol, console)
    embedded.warn(console, protocol)
    return {test.name: Evaluation(embedded.evaluate(console, protocol))}


def report_model(used: UsedModel, tested: SetConfig, output: Path | None, protocol: Protocol, console: Console) -> Path:
    """Write the report on a model and a set as one HTML page; return its path.

    By default it is report.html in the model's folder, of a model of the hub in the working folder.
    """
    path = output or used.folder / "report.html"
    require_target(path)
    test, embedded = embed_test(used, tested, protocol, console)
    result = embedded.evaluate(console)
    images = ImageGallery(test.query.table, test.query.packed), ImageGallery(test.gallery.table, test.gallery.packed)
    found, _ = retrieval_sections(embedded, result, *images, console)
    notes = [f"Note: {warning}" for warning in (*test.data.warnings, *embedded.doubts(protocol))]
    others = reranked_figures(embedded, protocol, console)
    sizes = len(embedded.query), len(embedded.gallery)
    write_page(
        path, Path(used.made_by.path).name, used.words(), [results.result_section(result, sizes, others, notes), *found]
    )
    return path


def embed_test(
    used: UsedModel, tested: SetConfig, protocol: Protocol, console: Console
) -> tuple[TestSet, EmbeddedTest]:
    """Read and decode a set as a model takes images, and embed it."""
    console.say(used.words())
    network = used.network
    data = DataConfig(tested.name, tested.root, tested.split_seed, layout=tested.layout, columns=tested.columns)
    model = ModelConfig(image_size=network.image_size, interpolation=network.interpolation)
    test = prepare_main_test(with_absolute_paths(Config(data=data, model=model)), console)
    announce(len(test.query.table), len(test.gallery.table), network.width, protocol.reranking is not None, console)
    embedded = test.embed(network, console)
    same_camera = protocol.same_camera or embedded.same_camera
    known = used.calibrated if protocol.metric in (None, network.metric) else None
    return test, replace(
        embedded,
        metric=protocol.metric or embedded.metric,
        same_camera=same_camera,
        threshold=None if known is None else known.threshold,
    )
