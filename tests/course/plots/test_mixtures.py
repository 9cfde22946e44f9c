import numpy as np
import pytest

from dmlnb.course.plots import draw_mixtures, method_color, png_bytes
from dmlnb.course.results import interval

CURVES = {"mixture of prototypes": {8: [0.1, 0.3], 2: [0.1, 0.1]}, "histogram": {4: [0.25]}}


def test_each_world_shows_its_curves_and_gap():
    figure = draw_mixtures(
        {"letters": CURVES, "photographs": CURVES}, {"letters": 0.4, "photographs": 0.2}, "MAP@R"
    )
    png_bytes(figure)
    letters, photographs = figure.axes
    assert [letters.get_title(loc="left"), photographs.get_title(loc="left")] == ["letters", "photographs"]
    mixture, gap = letters.get_lines()[0], letters.get_lines()[-1]
    assert np.allclose(mixture.get_xdata(), [2, 8]) and np.allclose(mixture.get_ydata(), [0.1, 0.2])
    assert np.allclose(gap.get_ydata(), 0.4) and gap.get_color() == method_color("GAP")
    assert np.allclose(photographs.get_lines()[-1].get_ydata(), 0.2)
    assert [t.get_text() for t in letters.get_xticklabels()] == ["2", "4", "8"]
    legend = [t.get_text() for t in photographs.get_legend().get_texts()]
    assert legend == ["GAP", "mixture of prototypes", "histogram"]


def test_intervals_are_those_of_the_mean_over_seeds():
    figure = draw_mixtures({"letters": CURVES}, {"letters": 0.4}, "MAP@R")
    ends = figure.axes[0].collections[0].get_segments()[1]  # m = 8
    mean, half = interval([0.1, 0.3])
    assert np.allclose(ends[:, 1], [mean - half, mean + half])


def test_names_outside_the_palette_only_on_request():
    curves = {"$mine_{$": {2: [0.1]}}
    with pytest.raises(ValueError, match="expected a name of the palette"):
        draw_mixtures({"letters": curves}, {"letters": 0.4}, "y")
    png_bytes(draw_mixtures({"letters": curves}, {"letters": 0.4}, "y", other=True))


@pytest.mark.parametrize(
    ("worlds", "gap", "words"),
    [
        ({}, {}, "worlds: expected"),
        ({"letters": {}}, {"letters": 0.1}, "worlds: expected"),
        ({"letters": {"GAP": {}}}, {"letters": 0.1}, "worlds: expected"),
        (
            {"letters": CURVES},
            {"photographs": 0.1},
            "gap: expected a value for each world, got none for letters",
        ),
    ],
)
def test_bad_input(worlds, gap, words):
    with pytest.raises(ValueError, match=words):
        draw_mixtures(worlds, gap, "y")
