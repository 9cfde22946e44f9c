import numpy as np
import pytest

from dmlnb.course.plots import draw_doses, png_bytes
from dmlnb.course.results import interval

SEEDS = np.array([0.5, 1.5, 1.0])
WORLDS = {
    "letters": {"pooled": {0.0: SEEDS, 1.0: -SEEDS}},
    "photographs": {"pooled": {0.1: SEEDS, 0.0: 2 * SEEDS}, "best": {0.1: 3 * SEEDS}},
}


def test_means_and_intervals_stand_at_their_doses():
    figure = draw_doses(WORLDS, "weight", "points")
    letters, photographs = figure.axes
    assert [t.get_text() for t in photographs.get_xticklabels()] == ["0", "0.1", "1"]
    line, _, bars = letters.containers[0]
    assert np.allclose(np.float64(line.get_xdata()), [-0.07, 1.93])  # objects, in matplotlib 3.8
    assert np.allclose(np.float64(line.get_ydata()), [1, -1])
    mean, half = interval(SEEDS)
    assert np.allclose(bars[0].get_segments()[0][:, 1], [mean - half, mean + half])
    assert [c.get_label() for c in photographs.containers] == ["pooled", "best"]
    assert np.allclose(np.float64(photographs.containers[0][0].get_ydata()), [2, 1])
    assert np.allclose(np.float64(photographs.containers[1][0].get_xdata()), [1.07])
    assert letters.get_ylim() == photographs.get_ylim()


def test_one_look_for_each_variant_in_all_worlds():
    letters, photographs = draw_doses(WORLDS, "weight", "points").axes
    looks = [c[0].get_color() for c in (letters.containers[0], *photographs.containers)]
    assert looks[0] == looks[1] != looks[2]


@pytest.mark.parametrize("worlds", [{}, {"a": {}}, {"a": {key: {1.0: SEEDS} for key in "vwxyz"}}])
def test_bad_variants(worlds):
    with pytest.raises(ValueError, match="worlds: expected one to 4 variants"):
        draw_doses(worlds, "weight", "points")


def test_one_seed_has_no_interval():
    with pytest.raises(ValueError, match="values"):
        draw_doses({"a": {"pooled": {1.0: SEEDS[:1]}}}, "weight", "points")


def test_the_picture_is_small():
    assert len(png_bytes(draw_doses(WORLDS, "weight", "points"))) < 60_000
