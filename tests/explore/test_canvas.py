import numpy as np
import pytest

from dmlnb.explore.canvas import draw_badge, draw_caption, draw_frame, draw_outline, same_number, show
from dmlnb.explore.figures import HIT, MISS, blank_figure

SQUARE, WIDE = np.zeros((4, 4), dtype=np.uint8), np.zeros((10, 20), dtype=np.uint8)


@pytest.fixture
def ax():
    _, ax = blank_figure(4, 4)
    ax.set(xlim=(0, 4), ylim=(4, 0))
    return ax


def corners(shown):
    left, right, low, high = shown.get_extent()
    return left, high, right, low  # the upper edge has the smaller y


def test_a_picture_keeps_its_proportions_in_the_middle_of_its_square(ax):
    assert corners(show(ax, SQUARE, 1, 1, 2)) == (1, 1, 3, 3)
    assert corners(show(ax, WIDE, 1, 1, 2)) == (1, 1.5, 3, 2.5)
    assert corners(show(ax, WIDE.T, 1, 1, 2)) == (1.5, 1, 2.5, 3)
    assert corners(show(ax, SQUARE, 1, 1, 2, like=WIDE)) == (1, 1.5, 3, 2.5)
    assert ax.axis() == (0, 4, 4, 0)  # the sheet stays as it is


def test_an_outline_is_closed_at_the_border_and_lies_over_the_picture(ax):
    draw_outline(ax, np.ones((10, 20), dtype=bool), 1, 1, 2)
    points = np.concatenate([path.vertices for c in ax.collections for path in c.get_paths()])
    assert np.allclose(points.min(axis=0), (1, 1.5), atol=0.06) and np.allclose(
        points.max(axis=0), (3, 2.5), atol=0.06
    )
    assert ax.axis() == (0, 4, 4, 0)
    draw_outline(ax, np.zeros((10, 20), dtype=bool), 1, 1, 2)  # nothing to draw
    assert len(ax.collections) == 1


def test_frame_badge_and_caption(ax):
    draw_frame(ax, 1, 2, 0.5, "red", 2)
    (frame,) = ax.patches
    assert frame.get_bbox().bounds == (1, 2, 0.5, 0.5) and not frame.get_fill()
    for good in (True, False):
        draw_badge(ax, 1, 1, good)
    draw_caption(ax, "a$b", 1, 1, 2)
    right, wrong, caption = ax.texts
    assert (right.get_text(), wrong.get_text()) == ("✓", "✗")
    assert right.get_bbox_patch().get_facecolor() != wrong.get_bbox_patch().get_facecolor() and HIT != MISS
    assert caption.get_position() == (2, 0.96)


def test_another_number_is_named():
    same_number([1, 2], labels=[0, 1], titles=None)
    with pytest.raises(ValueError, match="titles: expected 2, one per image, got 3"):
        same_number([1, 2], labels=[0, 1], titles="abc")
