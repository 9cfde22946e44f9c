import math

import pytest
import torch

from dmlnb.course.toys.circle import (
    CIRCLE_LOSSES,
    LABELS,
    STEPS,
    circle_forces,
    circle_loss,
    circle_path,
    circle_points,
    circle_proxies,
)


def degrees(x):
    return torch.rad2deg(torch.atan2(x[..., 1], x[..., 0]))


def apart(a, b):
    """Angles between directions, degrees."""
    return ((degrees(a) - degrees(b) + 180) % 360 - 180).abs()


def test_six_points_of_length_one():
    points, labels = circle_points()
    assert points.shape == (6, 2) and labels.tolist() == [0, 0, 1, 1, 2, 2] and points.dtype == torch.float64
    assert torch.allclose(points.norm(dim=1), torch.ones(6, dtype=torch.float64))


@pytest.mark.parametrize("name", CIRCLE_LOSSES)
def test_forces_are_minus_the_slope_along_the_circle(name):
    points, proxies = circle_points()[0], circle_proxies(name)
    force, _ = circle_forces(name)
    assert (force * points).sum(dim=1).abs().max() < 1e-9  # none across the circle
    loss = circle_loss(name)
    for i in range(6):
        around = torch.stack([-points[i, 1], points[i, 0]])
        there = [points.clone() for _ in range(2)]
        for place, sign in zip(there, (1, -1), strict=True):
            place[i] += sign * 1e-6 * around
        slope = (loss(there[0], proxies) - loss(there[1], proxies)) / 2e-6
        assert float(force[i] @ around) == pytest.approx(-slope.item(), abs=1e-5)


@pytest.mark.parametrize("name", CIRCLE_LOSSES)
def test_paths_stay_on_the_circle_and_go_down(name):
    points, proxies = circle_path(name)
    assert points.shape == (STEPS + 1, 6, 2) and torch.equal(points[0], circle_points()[0])
    assert torch.allclose(points.norm(dim=2), torch.ones(()).double())
    loss = circle_loss(name)
    last = None if proxies is None else proxies[-1]
    assert loss(points[-1], last) < loss(points[0], circle_proxies(name))
    assert (proxies is None) == (CIRCLE_LOSSES[name].centres == 0)
    setting = CIRCLE_LOSSES[name].high
    assert torch.equal(circle_path(name, setting)[0][0], points[0])


@pytest.mark.parametrize("name", ["SupCon", "Proxy-Anchor", "multi-similarity", "ArcFace"])
def test_classes_collapse_a_third_of_the_circle_apart(name):
    points = circle_path(name)[0][-1]
    assert apart(points[::2], points[1::2]).max() < 5
    middle = torch.stack([points[2 * c] + points[2 * c + 1] for c in range(3)])
    assert apart(middle, middle.roll(1, 0)).min() > 90


def test_semi_hard_triplets_cannot_mend_a_wrong_order():
    points = circle_path("semi-hard triplet")[0][-1]
    assert apart(points[2], points[1]) < apart(points[1], points[0])  # still the nearest is of another class
    assert circle_forces("semi-hard triplet", points=points)[0].norm(dim=1).max() < 1e-6


def test_hand_case_of_the_contrastive_loss():
    """Two classes' neighbours, 25 degrees apart: the pull is 1 / 6 a positive pair, along the chord."""
    points, _ = circle_points()
    chord = points[4] - points[5]
    force = circle_forces("contrastive")[0][5]  # class 2: no negative within the margin
    pull = chord / chord.norm() / 6 * 2  # both ordered pairs, of six active ones
    assert torch.allclose(force, pull - (pull @ points[5]) * points[5])


def test_labels_are_not_shared():
    points, labels = circle_points()
    labels += 1
    points += 1
    assert LABELS.tolist() == [0, 0, 1, 1, 2, 2] and math.isclose(circle_points()[0].norm(), math.sqrt(6))


@pytest.mark.parametrize("function", [circle_loss, circle_forces, circle_path, circle_proxies])
def test_an_unknown_name_is_refused(function):
    with pytest.raises(ValueError, match="name: expected one of contrastive, .*, got 'centre'"):
        function("centre")
