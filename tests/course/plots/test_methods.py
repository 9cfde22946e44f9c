import numpy as np
import pytest
import torch

from dmlnb.course.plots import draw_differences, draw_worlds, method_bars, png_bytes
from dmlnb.course.results import interval


def test_method_bars_draw_mean_interval_and_seeds():
    values = {
        "raw pixels": torch.tensor([0.1, 0.2, 0.3]),
        "GAP": [0.5, 0.6],
        "one": [0.4],
        "equal": [0.2, 0.2],
    }
    figure = method_bars(values, "MAP@R", percent=True, other=True, title="t")
    png_bytes(figure)
    ax = figure.axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == list(values) and ax.get_xlabel() == "MAP@R"
    mean, half = interval([0.1, 0.2, 0.3])
    assert np.allclose(ax.get_lines()[0].get_xdata(), [mean - half, mean + half])
    assert [t.get_text() for t in ax.texts] == ["20.0 ± 24.8", "55.0 ± 63.5", "40.0", "20.0 ± 0.0"]
    assert not ax.containers  # no bars


@pytest.mark.parametrize("values", [{}, {"GAP": []}, {"GAP": np.ones((2, 2))}])
def test_method_bars_reject(values):
    with pytest.raises(ValueError, match="values: expected"):
        method_bars(values, "y")


def test_differences_show_mean_and_interval():
    figure = draw_differences(
        {"contrastive": np.array([1.0, 2.0, 3.0]), "new": np.zeros(3)}, "x", other=True, title="a$b_{$"
    )
    png_bytes(figure)
    assert "+2.0 ± 2.5" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("values", [{}, {"GAP": np.zeros(1)}])
def test_differences_reject(values):
    with pytest.raises(ValueError, match="values"):
        draw_differences(values, "x")


def test_unknown_names_are_refused_and_known_only_on_request():
    for draw in (method_bars, draw_differences):
        with pytest.raises(ValueError, match="'Proxy Anchor'; did you mean 'Proxy-Anchor'"):
            draw({"Proxy Anchor": np.array([0.1, 0.2])}, "x")
        figure = draw({"$Proxy_{Anchor$": np.array([0.1, 0.2])}, "x", other=True)
        png_bytes(figure)


def test_worlds_share_rows_and_scale():
    worlds = {
        "letters": {"GMP": np.array([1.0, 2.0, 3.0])},
        "photographs": {"GMP": np.zeros(2), "GSP": np.array([4.0, 6.0])},
    }
    figure = draw_worlds(worlds, "MAP@R, points")
    png_bytes(figure)
    left, right = figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == ["GMP", "GSP"]
    assert left.get_xlim() == right.get_xlim() and left.get_title(loc="left") == "letters"
    assert [t.get_text() for t in left.texts] == ["+2.0 ± 2.5"]  # no row where nothing was run
    assert [t.get_text() for t in right.texts] == ["+0.0 ± 0.0", "+5.0 ± 12.7"]


@pytest.mark.parametrize("worlds", [{}, {"letters": {}}, {"letters": {"GMP": np.zeros(1)}}])
def test_worlds_reject(worlds):
    with pytest.raises(ValueError, match="worlds|values"):
        draw_worlds(worlds, "x")
