"""The demo: people are drawn, two recipes are trained on them, and what each finds is shown side by side.

It goes the way of a real data set: files on disk in Market-1501's layout, read, decoded, trained on, ranked. Stopped
and started again, it goes on where it was.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from strongreid import build
from strongreid.config import Config
from strongreid.drawn import draw_people
from strongreid.evaluation import Embeddings, RetrievalResult
from strongreid.evaluation.distance import Metric
from strongreid.evaluation.search import nearest
from strongreid.models import ReIDModel
from strongreid.recipes import read_config, recipe_path
from strongreid.reports.console import Console
from strongreid.reports.strips import QueryRow, Strip, draw_strips
from strongreid.runs import test_sets, train

RECIPES = ("standard_baseline", "bag_of_tricks")
SHOWN_QUERIES = 12
"""Queries on the picture; they are spread evenly over the test set, not chosen by how well they went."""
SHOWN_RANKS = 6


@dataclass(frozen=True)
class _Row:
    """A network of the demo: its row in the table and on the picture."""

    name: str
    result: RetrievalResult
    query: Embeddings
    gallery: Embeddings
    metric: Metric
    seconds: float | None


def run_demo(output: Path, seed: int, console: Console) -> None:
    """Draw, train, evaluate and show, below `output`; two to five minutes on two CPU cores."""
    drawn = output / "drawn"
    if not drawn.is_dir():
        with console.bar("Drawing people") as report:
            draw_people(drawn, seed=seed, progress=report)
    configs = {name: _config(name, drawn, output, seed) for name in RECIPES}
    prepared = test_sets.prepare(configs["standard_baseline"], console)

    untrained = build.build_model(configs["standard_baseline"], len(prepared.data.train.people))
    rows = [_evaluate("untrained", untrained, prepared, None, console)]
    for name, config in configs.items():
        folder = train.run_folder(config, name)
        finished = train.resume(folder, console) if folder.is_dir() else train.start(config, folder, console)
        seconds = finished.metrics["training_seconds"] + finished.metrics["evaluation_seconds"]
        rows.append(_evaluate(name, ReIDModel.load(folder), prepared, seconds, console))

    picture = output / "strips.png"
    _draw(rows, prepared, picture)
    console.table(
        f"Drawn people, {len(prepared.data.query)} queries, {len(prepared.data.gallery)} gallery images (percent)",
        ("", "rank-1", "mAP", "time"),
        [
            [row.name, f"{100 * row.result.rank(1):.1f}", f"{100 * row.result.mean_ap:.1f}", _time(row.seconds)]
            for row in rows
        ],
    )
    console.say(f"What each network found for {SHOWN_QUERIES} queries: {picture}")
    console.say(f"The drawn people: {drawn}   The runs: {', '.join(str(output / name) for name in RECIPES)}")


def _config(name: str, drawn: Path, output: Path, seed: int) -> Config:
    base = read_config(recipe_path(f"{name}_small"))
    return replace(base, name=name, output=output, seed=seed, data=replace(base.data, root=drawn))


def _evaluate(
    name: str, model: ReIDModel, prepared: test_sets.Prepared, seconds: float | None, console: Console
) -> _Row:
    query, gallery = test_sets.embed_test(model, prepared, console)
    result = test_sets.rank(model, query, gallery, prepared.data, console)
    return _Row(name, result, query, gallery, model.metric, seconds)


def _draw(rows: list[_Row], prepared: test_sets.Prepared, path: Path) -> None:
    """Draw what each network found for the shown queries."""
    shown = np.linspace(0, len(prepared.data.query) - 1, SHOWN_QUERIES).round().astype(np.int64)
    ranked = [nearest(row.query.take(shown), row.gallery, SHOWN_RANKS, metric=row.metric) for row in rows]
    drawn = []
    for number, query in enumerate(shown.tolist()):
        person = prepared.data.query.person[query]
        strips = {
            row.name.replace("_", " "): Strip(
                list(prepared.gallery.packed[found[number]].numpy()),
                (prepared.data.gallery.person[found[number]] == person).tolist(),
                float(row.result.average_precision[query]),
            )
            for row, found in zip(rows, ranked, strict=True)
        }
        drawn.append(QueryRow(prepared.query.packed[shown[number : number + 1]][0].numpy(), strips))
    draw_strips(drawn, path, title=f"What each network finds in {len(prepared.gallery.packed)} images")


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
