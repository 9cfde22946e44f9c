import numpy as np
import pytest

from dmlnb.course.plots import (
    method_color,
    metric_curves,
    png_bytes,
    training_curve,
)
from dmlnb.course.plots.curves import _running_mean
from dmlnb.course.results import interval


def history(steps=40, metrics=True):
    entries = [{"step": t, "loss": 1 / (1 + t), "lr": 0.1, "images_per_second": 9.0} for t in range(steps)]
    for entry in entries[9::10] if metrics else []:
        entry |= {"map_at_r": 0.5, "recall_at_1": 0.7}
    return entries


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_training_curve_has_a_panel_for_each_quantity_that_is_there():
    figure = training_curve(history(), title="run")
    png_bytes(figure)
    assert titles(figure) == ["training loss", "validation classes", "schedule"]
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == ["MAP@R", "R@1"]
    assert figure.axes[1].get_lines()[0].get_xdata().tolist() == [9, 19, 29, 39]
    assert titles(training_curve([{"step": 0, "loss": 1.0}])) == ["training loss"]


def test_training_curve_takes_a_dictionary_of_lists():
    figure = training_curve(
        {"step": [0, 1, 2], "loss": [3.0, 2.0, 1.0], "map_at_r": [None, float("nan"), 0.5]}
    )
    assert figure.axes[0].get_lines()[0].get_ydata().tolist() == [3, 2, 1]
    assert figure.axes[1].get_lines()[0].get_xdata().tolist() == [2]


@pytest.mark.parametrize("bad", [[], [{"step": 1}], [{"loss": 1.0}], {}])
def test_training_curve_rejects(bad):
    with pytest.raises(ValueError, match="history: expected"):
        training_curve(bad)


@pytest.mark.parametrize("reach", [1, 3, 100])
def test_running_mean_equals_a_loop(reach):
    values = np.random.default_rng(0).standard_normal(20)
    slow = [values[max(0, i - reach) : i + reach + 1].mean() for i in range(20)]
    assert np.allclose(_running_mean(values, reach), slow)


def test_metric_curves_draw_mean_interval_and_seeds():
    values = np.random.default_rng(0).random((5, 3))
    figure = metric_curves(
        [1, 2, 4], {"GAP": values, "one seed": values[0]}, "x", "y", percent=True, log_x=True, other=True
    )
    png_bytes(figure)
    ax = figure.axes[0]
    assert np.allclose(ax.get_lines()[0].get_ydata(), values.mean(axis=0))
    assert ax.get_lines()[0].get_color() == method_color("GAP")
    low, high = ax.collections[0].get_datalim(ax.transData).intervaly
    halves = [interval(column) for column in values.T]
    assert low == pytest.approx(min(m - h for m, h in halves)) and high == pytest.approx(
        max(m + h for m, h in halves)
    )
    assert len(ax.collections[1].get_offsets()) == 15 and len(ax.collections) == 2
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "4"]


@pytest.mark.parametrize("values", [{}, {"GAP": np.ones((5, 2))}, {"GAP": np.ones((1, 1, 3))}])
def test_metric_curves_reject(values):
    with pytest.raises(ValueError, match="values: expected"):
        metric_curves([1, 2, 4], values, "x", "y")


def test_names_are_shown_as_they_are_and_unknown_ones_are_refused():
    values = {"_GAP": np.ones((2, 3)), "a$b_{$": np.ones((2, 3)), "GAP": np.ones((2, 3))}
    figure = metric_curves([1, 2, 4], values, "x", "y", other=True, title="$_{")
    png_bytes(figure)
    shown = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert shown == ["_GAP", r"a\$b_{\$", "GAP"]
    with pytest.raises(ValueError, match="'_GAP'; did you mean 'GAP'"):
        metric_curves([1, 2, 4], values, "x", "y")
