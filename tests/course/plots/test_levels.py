import numpy as np
import pytest

from dmlnb.course.plots import draw_levels, png_bytes


def level(shift, names=("triplet", "SupCon")):
    return {name: np.array([1.0, 2.0, 3.0]) + shift + place for place, name in enumerate(names)}


def test_means_stand_in_their_rows():
    worlds = {
        "letters": {"batch": {"64": level(10)}},
        "photographs": {"batch": {"16": level(0), "64": level(10)}, "noise": {"0 %": level(5, ["SupCon"])}},
    }
    figure = draw_levels(worlds, "MAP@R")
    assert len(figure.axes) == 4 and len(png_bytes(figure)) < 60_000
    lower = figure.axes[2]
    dots = {
        (line.get_xdata()[0], round(line.get_ydata()[0]))
        for line in lower.lines
        if line.get_marker() not in ("", "None")
    }
    assert dots == {(2.0, 0), (12.0, 0), (3.0, 1), (13.0, 1)}
    heights = [line.get_ydata()[0] for line in lower.lines if line.get_marker() not in ("", "None")]
    assert len(set(heights)) == 4  # no level hides another
    assert [text.get_text() for text in lower.get_yticklabels()] == ["triplet", "SupCon"]
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["16", "64"]  # in the order of the world that has both
    one = [line for line in figure.axes[3].lines if line.get_marker() not in ("", "None")]
    assert len(one) == 1 and one[0].get_ydata()[0] == 1


def test_bad_input_is_named():
    four = {str(i): level(i) for i in range(4)}
    for bad in ({}, {"letters": {}}, {"letters": {"batch": four}}):
        with pytest.raises(ValueError, match="worlds: expected methods"):
            draw_levels(bad, "MAP@R")
