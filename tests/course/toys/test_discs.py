import numpy as np
import pytest

from dmlnb.course.toys.discs import DISCS, disc_projections, disc_violation


def test_one_full_projection_is_the_nearest_point_of_the_disc():
    path = disc_projections(0.0, 1)
    x, y, radius = DISCS[0]
    assert np.hypot(*(path[1] - (x, y))) == pytest.approx(radius)
    angles = np.linspace(0, 2 * np.pi, 2000)
    circle = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
    assert np.hypot(*(path[1] - path[0])) <= np.hypot(*(circle - path[0]).T).min() + 1e-9
    half = disc_projections(1.0, 1)
    assert np.allclose(half[1], (path[0] + path[1]) / 2)


@pytest.mark.parametrize(("strength", "steps"), [(0.0, 10), (0.5, 120), (4.0, 600)])
def test_projections_reach_all_discs_and_never_move_away_from_them(strength, steps):
    path = disc_projections(strength, steps)
    violation = disc_violation(path)
    assert violation[0] > 1 and violation[-1] < 1e-6
    inside = np.array([0.75, 0.5])  # a point of all three discs
    assert disc_violation(inside[None])[0] == 0
    assert (np.diff(np.hypot(*(path - inside).T)) <= 1e-12).all()  # Fejér monotone


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match="strength"):
        disc_projections(-1.0, 3)
