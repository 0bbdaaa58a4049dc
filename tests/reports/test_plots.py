"""Figures: what is drawn is what was given, names are never read as mathematics, text stays readable on a phone."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from strongreid.evaluation import Embeddings, Verification, verify
from strongreid.reports.drawing import COLORS, WIDTH
from strongreid.reports.images import figure_uri
from strongreid.reports.plane import embedding_figure
from strongreid.reports.plots import by_epoch, cmc_figure, curves_figure, gains_figure, roc_figure

LOG = [
    {"epoch": 1, "total": 4.0, "identity": 3.0},
    {"epoch": 1, "total": 2.0, "identity": 1.0},
    {"epoch": 1, "mean_ap": 0.25},
    {"epoch": 3, "total": 1.0, "identity": 0.5},
]
NAMES = ["_hidden", "$a^$b\\frac", "plain", "<b>"]
PHONE_INCHES = (390 - 2 * 16 - 2 * 6.4 - 2) / 96
"""A phone's width within the page's and a card's margins."""


@pytest.fixture(scope="module")
def verification() -> Verification:
    rng = np.random.default_rng(0)
    person = np.arange(20).repeat(3)
    features = np.eye(20)[person] + 0.5 * rng.normal(size=(60, 20))
    side = Embeddings(features, person, np.tile(np.arange(3), 20))
    return verify(side, side)


@pytest.fixture(scope="module")
def every_figure(verification: Verification) -> list[Figure]:
    cmc = np.linspace(0.5, 1, 50)
    points, number = np.random.default_rng(1).normal(size=(12, 2)), np.arange(12)
    return [
        curves_figure(dict.fromkeys(NAMES, LOG)),
        curves_figure({"one": LOG}, ["total", "identity"], logarithmic=True),
        curves_figure({"a": LOG, "b": LOG}, ["total", "mean_ap"], percent=True),
        gains_figure(NAMES, [1, 2, -3, 4], [0, 1, -4, 3], [2, 3, 1, 5], paper=[1, None, 2, 3]),
        cmc_figure(dict.fromkeys(NAMES, cmc)),
        roc_figure(dict.fromkeys(NAMES, verification)),
        embedding_figure(points, number, number % 7, (0.5, 0.25)),
    ]


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
