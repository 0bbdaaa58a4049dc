"""Sections of figures, above all where there is little to show."""

import numpy as np
import pytest

from strongreid.errors import InputError
from strongreid.evaluation import (
    METRICS,
    Embeddings,
    QueryFigures,
    RetrievalResult,
    bootstrap_interval,
    paired_test,
    verify,
)
from strongreid.reports.page import Headlines, Pictures, Section, Table, Text
from strongreid.reports.results import (
    better_worse_section,
    environment_section,
    learning_section,
    result_section,
    thresholds_section,
)

RECORDED = {"mean_ap": 0.5, "rank_1": 0.25}


def result(precision: list[float]) -> RetrievalResult:
    values = np.array(precision)
    first = np.where(np.isnan(values), 0, np.where(values == 1, 1, 2)).astype(np.int64)
    return RetrievalResult("", QueryFigures(values, values, first))


def pictures(section: Section) -> list[str]:
    return [picture.alt for block in section.blocks if isinstance(block, Pictures) for picture in block.pictures]


def texts(section: Section) -> list[str]:
    return [block.text for block in section.blocks if isinstance(block, Text)]


def test_losses_have_the_names_that_the_objective_gave_them() -> None:
    log = [{"total_steps": 1, "epoch": 1, "rate": 0.1, "total": 3.0, "circle": 2.0, "images_per_second": 9.0}]
    log.append({"total_steps": 1, "epoch": 1, "mean_ap": 0.25, "rank_1": 0.125})
    shown = pictures(learning_section(log, RECORDED, 2))
    assert shown == ["Losses over epochs: total, circle", "mAP and rank-1 over epochs", "Learning rate over epochs"]


def test_a_curve_of_people_who_chose_the_epoch_is_theirs_alone() -> None:
    log = [{"total_steps": step, "epoch": step, "mean_ap": 0.2 * step, "rank_1": 0.5} for step in (1, 2, 3)]

    def caption(recorded: dict[str, float]) -> str:
        (block,) = [block for block in learning_section(log, recorded, 3).blocks if isinstance(block, Pictures)]
        return block.pictures[0].caption

    assert "No weights were chosen by it" in caption(RECORDED)
    assert "who chose epoch 2" in caption({**RECORDED, "chosen_epoch": 2})


def test_of_a_log_what_is_there_is_drawn_and_the_rest_is_said() -> None:
    assert "no log" in texts(learning_section([], RECORDED, 1))[0]
    line = {"total_steps": 4, "epoch": 1}
    only_rate = learning_section([line | {"rate": 0.0}], RECORDED, 1)
    assert pictures(only_rate) == ["Learning rate over epochs"]
    assert "runtime.log_every" in texts(only_rate)[0]
    only_metrics = learning_section([line | RECORDED], RECORDED, 1)
    assert pictures(only_metrics) == ["mAP and rank-1 over epochs"]
    assert pictures(learning_section([line], RECORDED, 1)) == []


def test_every_metric_of_the_table_is_shown_with_its_interval_but_for_one_query() -> None:
    for precision in ([0.5], [0.5, 1.0, 0.25]):
        found = result(precision)
        section = result_section(found, (len(precision), 3), {"elsewhere": {"mean_ap": 0.125}})
        (figures,) = [block.figures for block in section.blocks if isinstance(block, Headlines)]
        shown = [(figure.name, figure.value) for figure in figures]
        assert shown == [(metric.label, f"{100 * metric(found):.1f} %") for metric in METRICS.values()]
        for figure, metric in zip(figures, METRICS.values(), strict=True):
            interval = bootstrap_interval(found, metric)
            expected = None if len(precision) == 1 else (interval.low, interval.value, interval.high)
            assert figure.span == expected
        (table,) = [block for block in section.blocks if isinstance(block, Table)]
        assert list(table.columns) == ["tested on", *(metric.label for metric in METRICS.values()), "queries"]
        assert table.rows[0] == ["its own test set", *(value for _, value in shown), str(len(precision))]
        assert table.rows[1] == ["elsewhere", "12.5 %", *["—"] * len(METRICS)]


def test_without_pairs_of_different_people_there_is_a_sentence_in_place_of_thresholds() -> None:
    section = thresholds_section(result([0.5]), None)
    assert len(pictures(section)) == 1
    assert "no pair of different people" in texts(section)[0]


def test_rates_that_few_pairs_cannot_measure_say_so() -> None:
    query = Embeddings(np.eye(2), [0, 1], [0, 0])
    gallery = Embeddings(np.eye(2)[[0, 1] * 75], [0, 1] * 75, [1] * 150)
    section = thresholds_section(result([0.5]), verify(query, gallery))
    (figures,) = [block.figures for block in section.blocks if isinstance(block, Headlines)]
    notes = {figure.name: figure.note for figure in figures}
    assert "150 pairs" in notes["TPR at FPR 0.1 %"]  # a thousandth of 150 pairs is less than one
    assert notes["TPR at FPR 1 %"] == ""


def test_better_and_worse_are_counted_over_valid_queries_with_the_paired_test_s_words() -> None:
    before, after = result([0.5, np.nan, 0.5, 1.0, 0.25]), result([0.75, np.nan, 0.5, 0.5, 1.0])
    section = better_worse_section("one", before, "<two>", after)
    assert pictures(section) == ["Histogram: 2 queries better, 1 equal, 1 worse"]
    assert texts(section) == [paired_test(before, after, figure).sentence for figure in ("mean_ap", "rank_1")]
    assert section.lead == "Each query's average precision with <two> minus that with one."
    same = better_worse_section("one", before, "two", before)
    assert pictures(same) == []
    assert "All 4 queries" in texts(same)[-1]
    with pytest.raises(InputError):
        better_worse_section("one", before, "two", result([0.5]))


def test_a_data_set_is_called_by_its_title_where_the_record_has_one() -> None:
    for data, shown in (({"name": "market1501", "title": "Drawn people"}, "Drawn people"), ({"name": "own"}, "own")):
        rows = environment_section({"data": data}).blocks[0].rows
        assert ["data set", shown] in list(rows)
