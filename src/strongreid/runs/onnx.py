"""Evaluating and reporting any ONNX ReID model on any set: what it takes of pixels is said, then it is one of ours."""

from dataclasses import replace
from pathlib import Path

from strongreid.config import Config
from strongreid.config_sections import DataConfig, ModelConfig, SetConfig
from strongreid.export.onnx_model import OnnxModel
from strongreid.files import require_target
from strongreid.reports import results
from strongreid.reports.console import Console
from strongreid.reports.page import write_page
from strongreid.reports.ranked import ImageGallery
from strongreid.runs.evaluate_features import EmbeddedTest, Evaluation, Protocol, announce
from strongreid.runs.folder import with_absolute_paths
from strongreid.runs.report import reranked_figures, retrieval_sections
from strongreid.runs.test_sets import TestSet, prepare_main_test


def evaluate_onnx(model: OnnxModel, tested: SetConfig, protocol: Protocol, console: Console) -> dict[str, Evaluation]:
    """Evaluate an ONNX model on a set; the result by the set's name."""
    test, embedded = _embedded(model, tested, protocol, console)
    embedded.warn(console, protocol)
    return {test.name: Evaluation(embedded.evaluate(console, protocol))}


def report_onnx(model: OnnxModel, tested: SetConfig, output: Path | None, protocol: Protocol, console: Console) -> Path:
    """Write the report on an ONNX model and a set as one HTML page; return its path, by default beside the model."""
    path = output or model.path.with_name("report.html")
    require_target(path)
    test, embedded = _embedded(model, tested, protocol, console)
    result = embedded.evaluate(console)
    images = ImageGallery(test.query.table, test.query.packed), ImageGallery(test.gallery.table, test.gallery.packed)
    found, _ = retrieval_sections(embedded, result, *images, console)
    notes = [f"Note: {warning}" for warning in (*test.data.warnings, *embedded.doubts(protocol))]
    others = reranked_figures(embedded, protocol, console)
    sizes = len(embedded.query), len(embedded.gallery)
    write_page(path, model.path.name, model.words(), [results.result_section(result, sizes, others, notes), *found])
    return path


def _embedded(
    model: OnnxModel, tested: SetConfig, protocol: Protocol, console: Console
) -> tuple[TestSet, EmbeddedTest]:
    console.say(model.words())
    data = DataConfig(tested.name, tested.root, tested.split_seed, layout=tested.layout, columns=tested.columns)
    config = with_absolute_paths(Config(data=data, model=ModelConfig(image_size=model.image_size)))
    test = prepare_main_test(config, console)
    announce(len(test.query.table), len(test.gallery.table), model.width, protocol.reranking is not None, console)
    embedded = test.embed(model, console)
    same_camera = protocol.same_camera or embedded.same_camera
    return test, replace(embedded, metric=protocol.metric or embedded.metric, same_camera=same_camera)
