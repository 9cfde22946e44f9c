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
