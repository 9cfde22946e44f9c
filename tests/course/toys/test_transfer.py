import pytest
import torch

from dmlnb.course.toys import fit_circle, forces, toy_source, toy_transfer
from dmlnb.losses import RelaxedContrastiveLoss


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


def test_a_circle_is_fitted_exactly_to_points_on_one():
    angle = torch.tensor([0.1, 0.4, 2.0, 5.0], dtype=torch.float64)
    points = 3 + 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    centre, radius = fit_circle(points)
    assert torch.allclose(
        centre, torch.full((2,), 3.0, dtype=torch.float64)
    ) and radius.item() == pytest.approx(2)
