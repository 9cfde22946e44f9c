import math
import re

import numpy as np
import pytest
import torch

from dmlnb.course.plots import (
    draw_histogram_assignment,
    draw_prototype_demo,
    png_bytes,
)
from dmlnb.pooling import hard_histogram, soft_histogram


def bars(figure):
    return [bar.get_height() for bar in figure.axes[1].patches]


def verdict(figure):
    return [float(number) for number in re.findall(r"\d+\.\d+", figure.get_suptitle())]


@pytest.mark.parametrize("cost", ["euclidean", "inner"])
@pytest.mark.parametrize("sharpness", [0.0, 2.0, math.inf])
def test_the_picture_shows_the_packages_histogram(sharpness, cost):
    regions, prototypes = torch.randn(20, 2), torch.randn(3, 2)
    figure = draw_histogram_assignment(regions, prototypes, sharpness, cost)
    if sharpness == math.inf:
        expected = hard_histogram(regions[None], prototypes, cost=cost)[0]
    else:
        expected = soft_histogram(regions[None], prototypes, sharpness, cost=cost)[0]
    assert np.allclose(bars(figure), expected, atol=1e-6)
    error = (regions.mean(dim=0) - expected @ prototypes).norm()
    assert verdict(figure)[0] == pytest.approx(float(error), abs=6e-4)
    png_bytes(figure)


@pytest.mark.parametrize("number", [1, 2, 12, 13, 48])
def test_every_number_of_prototypes_draws_and_keeps_the_bound(number):
    figure = draw_prototype_demo(number, seed=3)
    error, radius = verdict(figure)
    assert "≤" in figure.get_suptitle() and error <= radius + 1e-3
    assert len(png_bytes(figure)) < 60_000
    assert sum(bars(figure)) == pytest.approx(1)


def test_no_bound_is_claimed_for_other_assignments():
    assert "≤" not in draw_prototype_demo(4, 3.0).get_suptitle()
    regions = torch.tensor([[0.1, 0.0], [1.0, 0.0]])
    figure = draw_histogram_assignment(regions, regions, cost="inner")
    assert "≤" not in figure.get_suptitle() and verdict(figure) == [0.45, 0.0]


def test_equal_inputs_equal_pictures():
    assert png_bytes(draw_prototype_demo(5, 2.0, 1)) == png_bytes(draw_prototype_demo(5, 2.0, 1))


def test_all_regions_equal():
    png_bytes(draw_histogram_assignment(torch.zeros(4, 2), torch.zeros(1, 2)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.randn(5, 3), torch.randn(2, 3)), "regions, prototypes"),
        ((torch.randn(5, 2), torch.randn(2)), "regions, prototypes"),
        ((torch.randn(5, 2), torch.randn(2, 2), -1.0), "sharpness"),
        ((torch.randn(5, 2), torch.randn(2, 2), 1.0, "cosine"), "cost"),
        ((torch.randn(5, 2), torch.randn(2, 2), math.inf, "cosine"), "cost"),
    ],
)
def test_bad_inputs(arguments, words):
    with pytest.raises(ValueError, match=words):
        draw_histogram_assignment(*arguments)


@pytest.mark.parametrize("number", [0, 49])
def test_demo_rejects(number):
    with pytest.raises(ValueError, match="num_prototypes: expected 1 .. 48"):
        draw_prototype_demo(number)


def test_one_more_prototype_may_treble_the_error_as_the_exercise_says():
    (before, wide), (after, narrow) = (verdict(draw_prototype_demo(m, seed=1)) for m in (2, 3))
    assert after > 3 * before and narrow < wide and after < narrow / 2
