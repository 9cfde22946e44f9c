import numpy as np
import pytest

from dmlnb.course.plots import draw_sizes, png_bytes

WORLDS = {
    "letters": {"PKT": {"8-d": [1.0, 2.0, 3.0], "32-d": [0.0, 1.0]}},
    "photographs": {
        "PKT": {"8-d": [1.0, 2.0, 3.0], "16-d": [2.0, 4.0], "small": [0.0, 1.0]},
        "RKD": {"16-d": [5.0, 5.0]},
    },
}
SIZES = ("8-d", "16-d", "32-d", "small")


def joins(ax):
    """Lines between two sizes, not the zero line, the intervals or the marks."""
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) == 2]
    return [line for line in lines if len(set(line.get_xdata())) == 2 and list(line.get_xdata()) != [0, 1]]


def test_means_intervals_and_lines_between_neighbours_only():
    figure = draw_sizes(WORLDS, SIZES, "points", apart=("small",))
    png_bytes(figure)
    left, right = figure.axes
    assert [t.get_text() for t in left.get_xticklabels()] == ["8-d", "32-d"]  # what was measured there
    assert [t.get_text() for t in right.get_xticklabels()] == ["8-d", "16-d", "small"]
    assert joins(left) == []  # 16-d lies between and was not measured
    (joined,) = joins(right)
    assert list(joined.get_ydata()) == [2.0, 3.0]
    marks = [line for line in right.get_lines() if len(line.get_xdata()) == 1]
    assert [float(line.get_ydata()[0]) for line in marks] == [2.0, 3.0, 0.5, 5.0]
    upright = [line.get_ydata() for line in right.get_lines() if len(set(line.get_xdata())) == 1]
    assert any(np.allclose(y, [2 - 2.484, 2 + 2.484], atol=1e-3) for y in upright if len(y) == 2)


@pytest.mark.parametrize("worlds", [{}, {"letters": {}}, {"letters": {"PKT": {"8-d": [1.0]}}}])
def test_reject(worlds):
    with pytest.raises(ValueError, match="worlds|values"):
        draw_sizes(worlds, SIZES, "points")


def test_unknown_sizes_and_names_are_refused():
    with pytest.raises(ValueError, match="sizes: .* got none of 9-d"):
        draw_sizes({"letters": {"PKT": {"9-d": [1.0, 2.0]}}}, SIZES, "points")
    with pytest.raises(ValueError, match="name"):
        draw_sizes({"letters": {"PTK": {"8-d": [1.0, 2.0]}}}, SIZES, "points")
    png_bytes(draw_sizes({"letters": {"PTK": {"8-d": [1.0, 2.0]}}}, SIZES, "points", other=True))
