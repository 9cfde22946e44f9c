import numpy as np
import pytest
import torch

from dmlnb.course.plots import (
    draw_configurations,
    draw_label_maps,
    draw_pair_demo,
    draw_pair_energy,
    draw_transfer_demo,
    png_bytes,
    toy_source,
    toy_transfer,
)
from dmlnb.course.plots.relaxed import fit_circle, forces, pair_energy, pair_slope
from dmlnb.losses import RelaxedContrastiveLoss, relaxed_labels


def test_the_slope_is_the_derivative_of_the_energy():
    r, h = np.linspace(0.01, 2, 80), 1e-6
    for w in (0.0, 0.3, 1.0):
        numeric = (pair_energy(r + h, w, 0.9) - pair_energy(r - h, w, 0.9)) / (2 * h)
        assert np.allclose(pair_slope(r, w, 0.9), numeric, atol=1e-5)
        assert pair_slope(0.9 * (1 - w), w, 0.9) == pytest.approx(0)


def test_maps_show_the_packages_labels_sorted_by_class():
    source, labels = torch.randn(6, 3), torch.tensor([1, 0, 1, 0, 2, 2])
    figure = draw_label_maps(source, labels, sigmas=(0.5,))
    class_map, relaxed_map = (ax.images[0].get_array() for ax in figure.axes[:2])
    order = [1, 3, 0, 2, 4, 5]
    assert np.array_equal(class_map, np.kron(np.eye(3), np.ones((2, 2))))
    assert np.allclose(relaxed_map, relaxed_labels(source[order], sigma=0.5))
    with pytest.raises(ValueError, match="labels"):
        draw_label_maps(source, labels[:-1])


def test_forces_are_minus_the_gradient_and_sum_to_zero():
    source, points = torch.randn(7, 3), torch.randn(7, 2)
    force = forces(points, source, 0.8, 1.2)
    assert force.sum(dim=0).abs().max() < 1e-5
    loss = RelaxedContrastiveLoss(0.8, 1.2)
    assert loss(points + 1e-3 * force, source) < loss(points, source)


def test_the_toy_transfer_descends_and_is_the_same_every_time():
    path, losses = toy_transfer(1.0, 1.0, 0)
    assert losses[-1] < 0.8 * losses[0]
    toy_transfer.cache_clear()
    assert torch.equal(toy_transfer(1.0, 1.0, 0)[0], path)
    source, classes = toy_source(0)
    assert torch.allclose(source.norm(dim=1), torch.ones(24)) and classes.bincount().tolist() == [6] * 4


@pytest.mark.parametrize("sigma, delta, step", [(0.1, 1.0, 0), (4.0, 0.5, 30), (1.0, 2.0, 60)])
def test_demos_draw(sigma, delta, step):
    for figure in (draw_transfer_demo(sigma, delta, step), draw_pair_demo(5, sigma, delta, step)):
        assert len(png_bytes(figure)) < 80_000


def test_the_pair_demo_says_what_the_loss_does():
    path, _ = toy_transfer(1.0, 1.0, 0)
    figure = draw_pair_demo(12, step=0)
    w = float(relaxed_labels(toy_source(0)[0])[0, 12])
    distance = torch.cdist(path[0], path[0])[0]
    r = float(distance[12] / distance.mean())
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert f"w = {w:.2f}" in titles[0] and f"r = {r:.2f}" in titles[1]
    word = "pulled" if pair_slope(r, w) > 0 else "pushed"
    assert word in titles[2]


def test_other_figures_draw():
    png_bytes(draw_pair_energy())
    source, classes = toy_source(0)
    png_bytes(draw_configurations({"source": source, "other": torch.randn(24, 2)}, classes))


def test_a_circle_is_fitted_exactly_to_points_on_one():
    angle = torch.tensor([0.1, 0.4, 2.0, 5.0], dtype=torch.float64)
    points = 3 + 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    centre, radius = fit_circle(points)
    assert torch.allclose(
        centre, torch.full((2,), 3.0, dtype=torch.float64)
    ) and radius.item() == pytest.approx(2)
    figure = draw_configurations({"source": points}, torch.arange(4))
    assert figure.axes[0].get_title(loc="left") == "source: 0 % off"


def test_bad_input_is_named():
    for call in (lambda: draw_transfer_demo(step=61), lambda: draw_pair_demo(step=-1)):
        with pytest.raises(ValueError, match="step"):
            call()
    with pytest.raises(ValueError, match="partner"):
        draw_pair_demo(0)
    with pytest.raises(ValueError, match="delta"):
        draw_pair_energy(delta=0)
    with pytest.raises(ValueError, match="configurations"):
        draw_configurations({}, torch.zeros(3))
