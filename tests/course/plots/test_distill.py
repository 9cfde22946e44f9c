import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from dmlnb.course.plots import draw_class_belief, draw_decision_matrix, draw_region, png_bytes, template_maps

IMAGES = torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8)


def test_a_template_has_one_colour_in_all_rows_and_rare_ones_are_grey():
    first = torch.full((3, 8, 8), 40)
    first[0, 0, 0], first[:, 4:] = 9, 7
    second = first.clone()
    second[0, 0, 1] = 3  # never in the first row
    figure = template_maps(IMAGES, {"teacher": first, "student": second}, shown=2, title="t")
    png_bytes(figure)
    grid = np.array(figure.axes).reshape(3, 3)
    one, two = (np.asarray(grid[row, 0].images[0].get_array()) for row in (1, 2))
    assert one[7, 7] == two[7, 7] != one[2, 2] == two[2, 2]
    assert one[0, 0] == 2 == two[0, 1]  # other
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == ["7", "40", "other"] or labels == ["40", "7", "other"]


def test_where_no_template_is_rare_the_legend_has_no_other():
    figure = template_maps(IMAGES, {"teacher": torch.arange(2).repeat(3, 8, 4)}, kind="group")
    png_bytes(figure)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["0", "1"]
    assert figure.legends[0].get_title().get_text() == "group"


@pytest.mark.parametrize("winners", [{}, {"a": torch.zeros(2, 8, 8)}, {"a": torch.zeros(3, 8)}])
def test_template_maps_names_what_is_wrong(winners):
    with pytest.raises(ValueError, match="winners: expected"):
        template_maps(IMAGES, winners)


def test_decision_matrix_draws_its_sharpest_and_most_spread_row():
    matrix = torch.eye(6)
    matrix[4] = 1 / 6
    matrix[1] = torch.tensor([0.5, 0.5, 0, 0, 0, 0])
    figure = draw_decision_matrix(matrix, 2, list("abc"))
    png_bytes(figure)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert any("sharp row: “a”, g = 0" in t for t in titles) and any(
        "spread row: “c”, g = 4" in t for t in titles
    )
    with pytest.raises(ValueError, match="decisions: expected"):
        draw_decision_matrix(matrix, 2, list("ab"))


def test_region_shows_the_templates_with_most_mass():
    teacher, student = torch.zeros(9, 4, 4), torch.zeros(9, 4, 4)
    teacher[5], student[2] = 1.0, 1.0
    figure = draw_region(
        IMAGES[0], 1, 3, {"teacher": teacher, "student": student}, torch.rand(5, 12, 12), top=2
    )
    png_bytes(figure)
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["2", "5"]
    box = figure.axes[0].patches[0]
    assert (box.get_x(), box.get_y()) == (23.5, 7.5)
    png_bytes(draw_region(IMAGES[0], 0, 0, {"student": student}, torch.zeros(0, 12, 12)))
    with pytest.raises(ValueError, match="row, column"):
        draw_region(IMAGES[0], 4, 0, {"student": student}, torch.zeros(0, 12, 12))


def test_class_belief_always_shows_the_true_class():
    p = torch.tensor([0.6, 0.3, 0.06, 0.04])
    figure = draw_class_belief(IMAGES[0], p, list("abcd"), 3, top=2)
    png_bytes(figure)
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["a", "d"]
    colors = [to_hex(bar.get_facecolor()) for bar in figure.axes[1].patches]
    assert colors[0] != colors[1]
    with pytest.raises(ValueError, match="probabilities"):
        draw_class_belief(IMAGES[0], p, list("abc"), 0)
