import numpy as np
import pytest
import torch

from dmlnb.course import plots


def test_draw_curve_draws_each_named_curve():
    x = torch.linspace(1, 10, 5)
    figure = plots.draw_curve(x, {"a": x, "b": x**2}, "x", "y", log_y=True)
    axis = figure.axes[0]
    assert [line.get_label() for line in axis.get_lines()] == ["a", "b"] and axis.get_yscale() == "log"
    assert np.allclose(axis.get_lines()[1].get_ydata(), x**2)
    nasty = plots.draw_curve(x, {"_a": x, "b$_{$": x}, "x", "y")
    plots.png_bytes(nasty)
    assert [t.get_text() for t in nasty.axes[0].get_legend().get_texts()] == ["_a", r"b\$_{\$"]
    with pytest.raises(ValueError, match="y: expected 5"):
        plots.draw_curve(x, x[:-1], "x", "y")


def test_draw_bound_shows_positive_pairs_only():
    figure = plots.draw_bound([1.0, 2.0, 0.0], [0.5, 1.0, 0.0], "bound", "error")
    assert np.allclose(figure.axes[0].get_lines()[1].get_xdata(), [1, 2])
    with pytest.raises(ValueError, match="bounds, errors"):
        plots.draw_bound([0.0], [0.0], "bound", "error")


@pytest.mark.parametrize("reach", [1.5, 30, 1e4])
def test_draw_bound_labels_few_ticks_and_none_twice(reach):
    figure = plots.draw_bound([1.0, reach], [0.5, reach / 2], "bound", "error")
    plots.png_bytes(figure)
    for side in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        low, high = side.get_view_interval()
        shown = [t.label1.get_text() for t in side.get_major_ticks() if low <= t.get_loc() <= high]
        assert 2 <= len(shown) <= 10 and len(set(shown)) == len(shown) and all(shown)
        assert not any(t.label1.get_text() for t in side.get_minor_ticks())
