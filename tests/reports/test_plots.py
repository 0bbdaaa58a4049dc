"""Figures: what is drawn is what was given, names are never read as mathematics, text stays readable on a phone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from strongreid.evaluation import Embeddings, Verification, verify
from strongreid.reports.drawing import COLORS, WIDTH
from strongreid.reports.images import figure_uri
from strongreid.reports.plane import embedding_figure
from strongreid.reports.plots import (
    better_equal_worse,
    better_worse_figure,
    by_epoch,
    cmc_figure,
    curves_figure,
    gains_figure,
    roc_figure,
)
from tests.reports.conftest import LOG, NAMES

PHONE_INCHES = (390 - 2 * 16 - 2 * 6.4 - 2) / 96
"""A phone's width within the page's and a card's margins."""


def drawn_texts(figure: Figure) -> list[Text]:
    """Every text that is drawn. Ticks that lie outside the axes are none."""
    figure.draw_without_rendering()
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible() and text.get_text()]


def test_a_point_of_a_curve_is_the_mean_of_an_epoch() -> None:
    assert by_epoch(LOG, "total")[0].tolist() == [1, 3]
    assert by_epoch(LOG, "total")[1].tolist() == [3.0, 1.0]
    assert by_epoch(LOG, "mean_ap")[1].tolist() == [0.25]
    assert len(by_epoch(LOG, "rate")[0]) == 0


def test_curves_of_several_runs_have_a_colour_each_and_a_run_without_the_value_is_left_out() -> None:
    axes = curves_figure({"first": LOG, "without": [{"epoch": 1, "rate": 1.0}], "third": LOG}).axes[0]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3.0, 1.0]] * 2
    assert [line.get_color() for line in axes.lines] == [COLORS[0], COLORS[2]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["first", "third"]


def test_curves_of_one_run_have_a_colour_for_each_value() -> None:
    axes = curves_figure({"run": LOG}, ["total", "identity", "mean_ap"]).axes[0]
    assert len({line.get_color() for line in axes.lines}) == 3
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == ["total", "identity", "mAP"]


def test_gains_show_bars_intervals_and_the_paper_s_numbers_where_it_has_some() -> None:
    figure = gains_figure(["a", "b"], [1.5, -2.0], [1.0, -2.5], [2.5, -0.5], paper=[None, 3.0])
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [1.5, -2.0]
    (errors,) = axes.collections
    assert [segment[:, 0].tolist() for segment in errors.get_segments()] == [[1.0, 2.5], [-2.5, -0.5]]
    (papers,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert papers.get_xydata().tolist() == [[3.0, 1.0]]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first row must be at the top"
    assert "the paper's" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert not gains_figure(["a"], [1.0], [0.5], [2.0]).legends


def test_cmc_and_roc_are_drawn_at_their_values(verification: Verification) -> None:
    cmc = np.linspace(0.5, 1, 50)
    (line,) = cmc_figure({"run": cmc}, ranks=10).axes[0].lines
    assert line.get_xydata().tolist() == [[k, cmc[k - 1]] for k in range(1, 11)]
    curve, points, error = roc_figure({"run": verification}).axes[0].lines
    for rate, reached in [*curve.get_xydata().tolist(), *points.get_xydata().tolist()]:
        assert reached == verification.true_match_rate_at(rate)
    assert error.get_xydata().tolist() == [[verification.equal_error_rate, 1 - verification.equal_error_rate]]


def test_a_long_legend_lies_below_the_curves_and_hides_none(verification: Verification) -> None:
    names = [f"+ label smoothing {number}" for number in range(8)]
    for figure in (
        curves_figure(dict.fromkeys(names, LOG)),
        cmc_figure(dict.fromkeys(names, np.linspace(0.5, 1, 50))),
        curves_figure(dict.fromkeys(["f without BNNeck, Euclidean", *names], LOG)),
    ):
        figure.draw_without_rendering()
        axes, (legend,) = figure.axes[0], figure.legends
        assert legend.get_window_extent().y1 <= axes.get_tightbbox().y0
        assert figure.bbox.x0 <= legend.get_window_extent().x0
        assert legend.get_window_extent().x1 <= figure.bbox.x1
        assert axes.get_window_extent().height > 1.8 * figure.dpi, "the legend must not eat the curves"


def test_names_of_any_length_leave_room_for_the_drawing() -> None:
    names = ["n" * 200, *map(str, range(5))]
    gains = gains_figure(names, [1.0] * 6, [0.5] * 6, [2.0] * 6)
    curves = curves_figure(dict.fromkeys(names, LOG))
    for figure in (gains, curves):
        figure.draw_without_rendering()
        assert figure.axes[0].get_window_extent().width > 2 * figure.dpi
    assert curves.legends[0].get_window_extent().x1 <= curves.bbox.x1


def test_small_rates_are_written_out() -> None:
    figure = curves_figure({"": [{"epoch": 1, "rate": 3e-5}, {"epoch": 2, "rate": 4e-3}]}, ["rate"], logarithmic=True)
    labels = [text.get_text() for text in drawn_texts(figure)]
    assert "0.00005" in labels
    assert not any("e-" in label for label in labels)
    decades = curves_figure({"": [{"epoch": 1, "loss": 6.0}, {"epoch": 2, "loss": 0.001}]}, ["loss"], logarithmic=True)
    labels = [text.get_text() for text in drawn_texts(decades)]
    assert {"0.01", "0.1", "1"} <= set(labels)
    assert "0.2" not in labels


def test_every_name_is_drawn_as_it_is(every_figure: list[Figure]) -> None:
    for figure in (every_figure[0], *every_figure[3:6]):
        assert figure_uri(figure).startswith("data:image/")  # and no warning, which would be an error
        texts = drawn_texts(figure)
        assert set(NAMES) <= {text.get_text() for text in texts}
        assert not any(text.get_parse_math() for text in texts if text.get_text() in NAMES)


def test_no_label_of_an_axis_is_cut_off(every_figure: list[Figure]) -> None:
    many = cmc_figure({f"+ label smoothing {number}": np.linspace(0.5, 1, 50) for number in range(8)})
    for figure in (*every_figure, many):
        figure.draw_without_rendering()
        for label in (label for axis in figure.axes for label in (axis.xaxis.label, axis.yaxis.label)):
            box = label.get_window_extent()
            if label.get_text():
                assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, label.get_text()
                assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, label.get_text()


def test_text_is_at_least_8_points_on_a_phone(every_figure: list[Figure]) -> None:
    for figure in every_figure:
        shrunk = min(1.0, PHONE_INCHES / min(figure.get_figwidth(), WIDTH))  # wider figures scroll instead
        sizes = [text.get_fontsize() * shrunk for text in drawn_texts(figure)]
        assert min(sizes) >= 8
        assert not any("^" in text.get_text() for text in drawn_texts(figure) if text.get_parse_math())
        assert len(sizes) > 5


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.sampled_from([1.0, 1e-3, 1e-7]))
def test_every_query_that_moved_is_in_the_bar_of_its_difference(values: list[float], scale: float) -> None:
    difference = scale * np.array([*values, 0.0, 5e-10])
    figure = better_worse_figure(difference)
    better = [value for value in difference.tolist() if value > 1e-9]
    worse = [value for value in difference.tolist() if value < -1e-9]
    counts = len(better), len(difference) - len(better) - len(worse), len(worse)
    assert better_equal_worse(difference) == counts
    (axes,) = figure.axes
    assert axes.get_title() == f"{counts[0]} better, {counts[1]} equal, {counts[2]} worse"
    heights = {round(bar.get_x() + bar.get_width() / 2, 9): bar.get_height() for bar in axes.patches}
    step = min(middle for middle in heights if middle > 0) * 2
    expected = dict.fromkeys(heights, 0)
    for value in [*better, *worse]:
        bars = min(int(abs(value) * 100 / step), 9)  # the last bar holds its upper end too
        expected[round(np.sign(value) * (bars + 0.5) * step, 9)] += 1
    assert sum(heights.values()) == len(better) + len(worse)
    assert sum(abs(heights[middle] - expected[middle]) for middle in heights) <= 2  # one on an edge, by rounding


def test_better_is_told_from_worse_without_colours() -> None:
    bars = better_worse_figure(np.array([0.5, -0.5])).axes[0].patches
    assert {bar.get_hatch() for bar in bars if bar.get_x() > 0} != {bar.get_hatch() for bar in bars if bar.get_x() < 0}


@pytest.mark.parametrize("epochs", [0, 1, 2, 3])
@pytest.mark.parametrize("value", [0.0, 1.0, -2.0])
def test_curves_of_few_points_have_a_mark_each_and_no_warning(epochs: int, value: float) -> None:
    log = [{"epoch": epoch, "total": value} for epoch in range(1, epochs + 1)]
    for options in ({"logarithmic": True}, {"percent": True}, {}):
        figure = curves_figure({"": log}, ["total"], **options)
        assert figure_uri(figure).startswith("data:image/")
        lines = figure.axes[0].lines
        assert [line.get_marker() for line in lines] == ["o"] * min(epochs, 1)
        ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
        assert "1.5" not in ticks


def test_nothing_above_100_percent_is_marked() -> None:
    log = [{"epoch": 1, "x": 1.0}]
    for figure in (
        *(cmc_figure({"": np.linspace(low, 1, 50) ** 2}) for low in (0.1, 0.9, 1)),
        curves_figure({"": log}, ["x"], percent=True),
    ):
        figure.draw_without_rendering()
        low, high = figure.axes[0].get_ylim()
        assert max(tick for tick in figure.axes[0].get_yticks() if low <= tick <= high) == pytest.approx(1)


@pytest.mark.parametrize("different", [1, 2, 7])
def test_a_roc_of_few_pairs_is_drawn(different: int) -> None:
    query = Embeddings(np.ones((1, 2)), [0], [0])
    gallery = Embeddings(np.eye(2)[[0] + [1] * different], [0] + [1] * different, [1] * (different + 1))
    figure = roc_figure({"": verify(query, gallery)})
    assert figure_uri(figure).startswith("data:image/")
    low, high = figure.axes[0].get_xlim()
    assert low <= 0.1 < 1 <= high


def test_names_that_no_font_can_draw_are_drawn_as_boxes() -> None:
    names = ["caf\udce9", "two\nlines", "\x1b[31m", "日本"]
    for figure in (curves_figure(dict.fromkeys(names, LOG)), gains_figure(names, [1] * 4, [0] * 4, [2] * 4)):
        assert figure_uri(figure).startswith("data:image/")
        assert {"caf�", "two�lines"} <= {text.get_text() for text in figure.findobj(Text)}


def test_an_embedding_map_has_a_colour_a_person_and_a_marker_a_camera() -> None:
    points = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    figure = embedding_figure(points, np.array([3, 3, 8, 8]), np.array([1, 2, 1, 2]), (0.75, 0.125))
    groups = figure.axes[0].collections
    assert [group.get_offsets().tolist() for group in groups] == [[point] for point in points.tolist()]
    colors = [tuple(group.get_facecolor()[0]) for group in groups]
    assert colors[0] == colors[1] != colors[2] == colors[3]
    shapes = [group.get_paths()[0].vertices.tolist() for group in groups]
    assert shapes[0] == shapes[2] != shapes[1] == shapes[3]
    shown = [text.get_text() for text in drawn_texts(figure)]
    assert {"3", "8", "camera 1", "camera 2", "first axis: 75% of the variance"} <= set(shown)


def test_ticks_of_small_rates_are_plain_numbers() -> None:
    """0.000005 was once written with all the digits that its nearest float has."""
    log = [{"epoch": epoch, "rate": rate} for epoch, rate in enumerate((3.5e-4, 3.5e-5, 3.5e-6), start=1)]
    axis = curves_figure({"": log}, ["rate"], logarithmic=True).axes[0].yaxis
    written = [axis.get_major_formatter()(value) for value in axis.get_major_locator()()]
    assert "0.000005" in written or "0.00001" in written
    assert max(map(len, written)) <= len("0.000005")
