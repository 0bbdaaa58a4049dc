"""Sections of figures: what was reached, how it was learned, what it cost, and with which settings and versions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongreid.evaluation import (
    HEADLINE,
    METRICS,
    RetrievalMetric,
    RetrievalResult,
    Verification,
    bootstrap_interval,
    paired_test,
)
from strongreid.files import dotted
from strongreid.reports.images import figure_picture
from strongreid.reports.page import Block, Headline, Headlines, Picture, Pictures, Section, Table, Text
from strongreid.reports.plots import (
    better_equal_worse,
    better_worse_figure,
    cmc_figure,
    curves_figure,
    loss_names,
    roc_figure,
)

DASH: Final = "—"
"""Stands for a figure that is not known."""
WITHOUT_EFFECT: Final = ("name", "output", "data.root", "data.cache")
"""Settings that change nothing of what is learned."""


def percent(value: float | None) -> str:
    """Return a fraction as percent with one digit; a dash for None."""
    return DASH if value is None else f"{100 * value:.1f} %"


def duration(seconds: float | None) -> str:
    """Return seconds in the two largest units that fit; a dash for None."""
    if seconds is None:
        return DASH
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def result_section(
    result: RetrievalResult, images: tuple[int, int], others: Mapping[str, Any], notes: Sequence[str] = ()
) -> Section:
    """Return the headline figures with their 95 % bootstrap intervals.

    Args:
        result: of the run's own test set.
        images: how many query and gallery images it has.
        others: metrics on further test sets, by name.
        notes: sentences to add, such as what differs from the record.
    """
    figures = [_headline(metric, result) for metric in METRICS.values()]
    blocks: list[Block] = [Headlines(figures), *(Text(note) for note in notes)]
    if others:
        blocks.append(_tested(result, others))
    lead = (
        f"{result.valid_queries:,} of {images[0]:,} query images, each searched in {images[1]:,} gallery images "
        f"({result.protocol}). The intervals say how much chance there is in these queries; they know nothing of the "
        "spread from one training to the next."
    )
    return Section("Result", blocks, lead)


def _headline(metric: RetrievalMetric, result: RetrievalResult) -> Headline:
    """Return a figure with its interval, which one query does not have, nor a figure that is no mean over queries."""
    value = _figure(metric, metric(result))
    if metric.per_query is None or result.valid_queries == 1:
        return Headline(metric.label, value)
    found = bootstrap_interval(result, metric)
    note = f"95 %: {metric.text(found.low)} to {metric.text(found.high)}"
    return Headline(metric.label, value, note, (found.low, found.value, found.high) if metric.fraction else None)


def _tested(result: RetrievalResult, tested: Mapping[str, Any]) -> Table:
    rows = []
    for title, figures in {"its own test set": result.to_json(), **tested}.items():
        queries = figures.get("valid_queries")
        cells = [_figure(metric, figures.get(name)) for name, metric in METRICS.items()]
        rows.append([title, *cells, DASH if queries is None else f"{queries:,}"])
    return Table(("tested on", *(metric.label for metric in METRICS.values()), "queries"), rows)


def _figure(metric: RetrievalMetric, value: float | None) -> str:
    if value is None:
        return DASH
    return f"{metric.text(value)} %" if metric.fraction else metric.text(value)


def better_worse_section(first: str, before: RetrievalResult, second: str, after: RetrievalResult) -> Section:
    """Return how many queries got better and worse from one result to another, named so, and by how much.

    Raises `InputError` where the results are not of the same queries, as `paired_test` does.
    """
    blocks: list[Block] = [Text(paired_test(before, after, name).sentence) for name in HEADLINE]
    difference = precision_differences(before, after)
    better, equal, worse = better_equal_worse(difference)
    if equal == len(difference):
        blocks.append(Text(f"All {equal:,} queries have the same average precision in both."))
    else:
        counts = f"{better:,} queries better, {equal:,} equal, {worse:,} worse"
        caption = f"{counts}. Blue: better with {second}; orange, hatched: worse. Equal ones have no bar."
        blocks.append(Pictures([figure_picture(better_worse_figure(difference), f"Histogram: {counts}", caption)]))
    lead = f"Each query's average precision with {second} minus that with {first}."
    return Section("Better and worse", blocks, lead)


def precision_differences(before: RetrievalResult, after: RetrievalResult) -> npt.NDArray[np.float64]:
    """Return each valid query's average precision in `after` minus that in `before`, float64 [valid queries]."""
    return (after.average_precision - before.average_precision)[before.first_match_rank > 0]


def learning_section(log: Sequence[Mapping[str, float]], recorded: Mapping[str, Any], epochs: int) -> Section:
    """Return the curves of a training: losses, rate, and mAP where it was measured on the way.

    Args:
        log: lines of the run's log.
        recorded: the run's `result.json`, measured after the last epoch: the end of the curve, unless the epoch was
            chosen by people held out, whose curve it then is.
        epochs: the last epoch.
    """
    if not log:
        why = (
            "This run has no log (log.jsonl) or nothing in it, as earlier versions' trainings of fewer steps than "
            "runtime.log_every had."
        )
        return Section("Learning", [Text(f"{why} So there are no curves.")])
    pictures: list[Picture] = []
    notes: list[Block] = []
    losses = loss_names(log)
    if losses:
        figure = curves_figure({"": log}, losses, label="loss", logarithmic=True)
        caption = "Losses, as they are added up: an epoch's mean."
        pictures.append(figure_picture(figure, f"Losses over epochs: {', '.join(losses)}", caption))
    else:
        notes.append(
            Text("No losses were logged: an earlier version wrote none in fewer steps than runtime.log_every.")
        )
    if any("mean_ap" in line for line in log):
        chosen = recorded.get("chosen_epoch")
        ended = [*log, {"epoch": epochs, **{name: recorded[name] for name in HEADLINE}}]
        shown, label = (ended, "on the test set") if chosen is None else (log, "on people held out")
        figure = curves_figure({"": shown}, HEADLINE, label=label, percent=True)
        caption = (
            "mAP and rank-1 on the way. No weights were chosen by it: the result is the last epoch's."
            if chosen is None
            else f"mAP and rank-1 on the way, of people held out of training and test, who chose epoch {chosen}."
        )
        pictures.append(figure_picture(figure, "mAP and rank-1 over epochs", caption))
    else:
        notes.append(
            Text(
                "The test set was looked at after the last epoch only, so there is no curve of mAP; "
                "evaluation.every_epochs draws one."
            )
        )
    if any("rate" in line for line in log):
        figure = curves_figure({"": log}, ["rate"], label="learning rate", logarithmic=True)
        pictures.append(figure_picture(figure, "Learning rate over epochs", "Learning rate."))
    return Section("Learning", [*([Pictures(pictures)] if pictures else []), *notes])


def thresholds_section(result: RetrievalResult, verification: Verification | None) -> Section:
    """Return CMC and ROC; None for the second where a test set has no pairs of different people."""
    pictures = [
        figure_picture(
            cmc_figure({"": result.cmc}),
            f"Cumulative matching characteristic, from {percent(result.rank(1))} to {percent(float(result.cmc[19]))}",
            "CMC: for how many queries a match is among the k nearest.",
        )
    ]
    title = "Ranking and thresholds"
    if verification is None:
        why = "There is no pair of different people, so nothing could be accepted wrongly and there are no thresholds."
        return Section(title, [Pictures(pictures), Text(why)])
    pairs, error = verification.different_pairs, verification.equal_error_rate
    pictures.append(
        figure_picture(
            roc_figure({"": verification}),
            f"Receiver operating characteristic: equal error rate {percent(error)}",
            "ROC: same person or not, by a threshold on the distance. Dots: FPR of 0.1 % and 1 %; diamond: EER.",
        )
    )
    figures = [
        Headline(
            f"TPR at FPR {100 * rate:g} %",
            percent(verification.true_match_rate_at(rate)),
            f"no error allowed: {pairs:,} pairs" if pairs * rate < 1 else "",
        )
        for rate in (1e-3, 1e-2)
    ]
    figures += [Headline("EER", percent(error)), Headline("area under ROC", f"{verification.area:.4f}")]
    lead = (
        "Ranking asks for the nearest image; a threshold asks whether two images show the same person. TPR is the "
        f"share accepted of {verification.same_pairs:,} pairs of the same person, FPR that of {pairs:,} pairs of "
        "different people; at the EER both errors are equally frequent."
    )
    return Section(title, [Headlines(figures), Pictures(pictures)], lead)


def settings_section(config: Mapping[str, Any], defaults: Mapping[str, Any], command: str) -> Section:
    """Return all settings; those that differ from the defaults (the paper's bag of tricks) first."""
    own, usual = _shown(config), _shown(defaults)
    rows = [[name, value, usual.get(name, DASH)] for name, value in own.items()]
    changed = [row for row in rows if row[1] != row[2] and row[0] not in WITHOUT_EFFECT]
    columns = ("setting", "this run", "bag of tricks")
    blocks: list[Block] = [
        Table(columns, changed, align="text"),
        Table(columns[:2], [row[:2] for row in rows], align="text", folded=f"All {len(rows)} settings"),
        Text(f"To train it again: {command}"),
    ]
    lead = "What differs from the defaults, which are the bag of tricks at the paper's size."
    return Section("Configuration", blocks, lead)


def _shown(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return nested settings by dotted name, their values as text; null is a dash."""
    return {name: DASH if value is None else str(value) for name, value in dotted(settings).items()}


def cost_section(recorded: Mapping[str, Any], network: str) -> Section:
    """Return what the run cost, from its `result.json`; what older runs have not written is a dash."""
    speed, memory = recorded.get("images_per_second"), recorded.get("peak_memory_mb")
    figures = [
        Headline("training", duration(recorded.get("training_seconds"))),
        Headline("evaluation", duration(recorded.get("evaluation_seconds"))),
        Headline("training speed", DASH if speed is None else f"{speed:,.0f}", "images a second" if speed else ""),
        Headline("peak memory", DASH if memory is None else f"{memory:,.0f} MB"),
    ]
    return Section("Cost", [Headlines(figures), Text(network)])


def environment_section(record: Mapping[str, Any]) -> Section:
    """Return versions, machine, seed and data fingerprints, from the run's `run.json`."""
    data = record.get("data", {})
    rows = [*_shown(record.get("environment", {})).items(), ("seed", str(record.get("seed", DASH)))]
    rows += [("data set", str(data.get("title", data.get("name", DASH)))), ("split", str(data.get("protocol", DASH)))]
    rows += [(f"fingerprint of {part}", value) for part, value in _shown(data.get("fingerprint", {})).items()]
    return Section("Environment", [Table(("", ""), [list(row) for row in rows], align="text")])
