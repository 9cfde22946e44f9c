import numpy as np
import pytest
import torch

from dmlnb.course.plots import (
    draw_assignment_sweep,
    draw_region_match,
    match_maps,
    png_bytes,
    template_patches,
)
from dmlnb.explore.figures import HIT, MISS
from dmlnb.models import entropy_assignment, hard_assignment, quadratic_assignment


def test_the_sweep_shows_the_packages_shares():
    figure = draw_assignment_sweep(sharpness=2.0, gamma=0.7, no_match=0.1)
    methods = (
        lambda a: hard_assignment(a, 0.1),
        lambda a: entropy_assignment(a, 0.1, sharpness=2.0),
        lambda a: quadratic_assignment(a, 0.7, 0.1),
    )
    for ax, method in zip(figure.axes, methods, strict=True):
        lines = ax.get_lines()[:4]
        score = torch.from_numpy(np.asarray(lines[0].get_xdata())).double()
        found = method(torch.stack([score, torch.full_like(score, 0.4), torch.full_like(score, -0.3)], 1))
        drawn = np.stack([line.get_ydata() for line in lines], axis=1)
        assert np.allclose(drawn[:, :3], found.weights) and np.allclose(drawn[:, 3], found.unmatched)
        assert np.allclose(drawn.sum(axis=1), 1)
    assert len(png_bytes(figure)) < 60_000


@pytest.mark.parametrize("options", [{"sharpness": 0.0}, {"gamma": -1.0}])
def test_the_sweep_rejects(options):
    with pytest.raises(ValueError, match="expected"):
        draw_assignment_sweep(**options)


def test_patches_are_cut_where_the_template_fires_strongest_first():
    images = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8)
    weights = torch.rand(4, 2, 8, 8)
    weights[2, 1, 4, 5], weights[0, 1, 3, 3] = 9.0, 5.0
    figure = template_patches(images, weights, [1], patches=2, side=5)
    shown = [image.get_array() for image in figure.axes[0].images]
    pixels = images[:, 0].numpy()
    # region (4, 5): pixels 8, 9 and 10, 11
    assert np.array_equal(shown[0], pixels[2, 9 - 2 : 9 + 3, 11 - 2 : 11 + 3])
    assert np.array_equal(shown[1], pixels[0, 7 - 2 : 7 + 3, 7 - 2 : 7 + 3])


def test_patches_at_the_border_and_of_silent_templates():
    weights = torch.zeros(3, 1, 4, 4)
    weights[0, 0, 0, 3] = 1.0
    figure = template_patches(torch.rand(3, 1, 16, 16), weights, [0], patches=3, side=9)
    assert [image.get_array().shape for image in figure.axes[0].images] == [(9, 9)] * 3
    assert len(figure.axes[0].patches) == 2  # two images at which it does not fire are framed


@pytest.mark.parametrize("weights, templates, patches, words", [
    (torch.rand(3, 2, 4, 4), [2], 2, "templates: expected some of 0 .. 1"),
    (torch.rand(3, 2, 4, 4), [], 2, "templates"),
    (torch.rand(2, 2, 4, 4), [0], 2, "weights"),
    (torch.rand(3, 2, 4, 4), [0], 4, "at least 4 images"),
])  # fmt: skip
def test_bad_patches(weights, templates, patches, words):
    with pytest.raises(ValueError, match=words):
        template_patches(torch.rand(3, 1, 16, 16), weights, templates, patches=patches)


def test_match_maps_colour_own_other_and_neither():
    own = torch.tensor([[[3, 3, 7, 7]]])
    winners = torch.tensor([[[3, 7, 7, 5]]])
    figure = match_maps(torch.rand(1, 1, 4, 8), {"templates": winners}, own)
    canvas = figure.axes[0].images[1].get_array()
    to_hex = ["#" + "".join(f"{round(255 * v):02X}" for v in cell) for cell in canvas[0]]
    assert to_hex[:3] == [HIT, MISS, HIT] and to_hex[3] not in (HIT, MISS)
    pale = match_maps(
        torch.rand(1, 1, 4, 8), winners, own, ink=torch.tensor([[[True, True, False, False]]]), titles=["a"]
    )
    faded = pale.axes[0].images[1].get_array()[0]
    assert np.allclose(faded[0], canvas[0, 0]) and (faded[2] > canvas[0, 2]).all()
    with pytest.raises(ValueError, match="winners, region_labels"):
        match_maps(torch.rand(1, 1, 4, 8), winners[:, :, :2], own)


def test_the_best_classes_of_regions_are_drawn_in_order():
    scores = torch.zeros(5, 2, 4)
    scores[:, 1, 3] = torch.tensor([0.1, 0.9, 0.5, -0.2, 0.7])
    figure = draw_region_match(torch.rand(1, 8, 16), scores, (1, 4), "abcde", [(1, 3), (0, 0)], top=3)
    picture, right, left = figure.axes
    assert [t.get_text() for t in right.get_xticklabels()] == ["b", "e", "c"]
    assert np.allclose([p.get_height() for p in right.patches], [0.9, 0.7, 0.5])
    assert "1: own e, place 2" in right.get_title(loc="left")
    assert "2: own b, place 1" in left.get_title(loc="left")
    assert [frame.get_xy() for frame in picture.patches] == [(11.5, 3.5), (-0.5, -0.5)]
    png_bytes(figure)


@pytest.mark.parametrize("places", [[(2, 0)], [(0, 0), (0, 4)], [(-1, 0)], []])
def test_a_region_outside(places):
    with pytest.raises(ValueError, match="places"):
        draw_region_match(torch.rand(1, 8, 16), torch.zeros(5, 2, 4), (1, 4), "abcde", places)


def test_as_many_names_as_templates():
    with pytest.raises(ValueError, match="scores: expected"):
        draw_region_match(torch.rand(1, 8, 16), torch.zeros(5, 2, 4), (1, 4), "abc", [(0, 0)])
