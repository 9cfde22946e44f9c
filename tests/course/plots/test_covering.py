import re

import numpy as np
import pytest
import torch

from dmlnb.course.plots import (
    cover_points,
    disc_projections,
    disc_violation,
    draw_chance_demo,
    draw_cover,
    draw_cover_demo,
    draw_differences,
    draw_disc_projections,
    png_bytes,
)
from dmlnb.course.plots.chance_demo import PlaneNet, chance_states
from dmlnb.course.plots.covering import DISCS
from dmlnb.geometry import proxy_cover


def test_the_title_tells_the_mean_cover_of_what_is_drawn():
    points, labels = cover_points()
    proxies = torch.randn(3, 2, 2)
    figure = draw_cover(points, labels, [proxies, points.view(3, 30, 2)], titles=["a", "b"])
    expected = proxy_cover(points, labels, proxies)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == [f"a: mean cover {expected.mean():.2f}", "b: mean cover 0.00"]
    radii = {round(circle.radius, 4) for circle in figure.axes[0].patches}
    assert radii == {round(r, 4) for r in expected.tolist()}
    assert len(png_bytes(figure)) < 150_000


@pytest.mark.parametrize(("k", "pool"), [(1, 1), (1, 30), (8, 8), (8, 30)])
def test_cover_demo_draws_and_the_whole_pool_is_covered_by_itself(k, pool):
    figure = draw_cover_demo(k, pool, seed=1)
    random, farthest = (float(re.search(r"[\d.]+$", ax.get_title(loc="left"))[0]) for ax in figure.axes)
    assert 0 < farthest and 0 < random
    if k == pool:
        assert random == farthest  # the same points, in another order


def test_demo_points_are_seeded():
    assert torch.equal(cover_points(1)[0], cover_points(1)[0])
    assert not torch.equal(cover_points(1)[0], cover_points(2)[0])


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


def test_demo_net_begins_as_a_shrunken_copy():
    points, _ = cover_points()
    assert torch.allclose(PlaneNet()(points / 2), 0.2 * points, atol=0.05)


def test_demo_states_follow_the_theory():
    for k, strength in ((1, 0.0), (4, 0.3), (8, 3.0)):
        states = chance_states(k, 12, strength, 0)
        assert all(s["violation"] <= s["bound"] + 1e-6 for s in states)
        assert states[-1]["violation"] < states[0]["violation"]
    states = chance_states(4, 12, 0.3, 0)
    trained = [states[i + 1]["spread"] < states[i]["spread"] for i in range(0, len(states), 2)]
    assert all(trained)  # within a sub-problem the proxies draw together


@pytest.mark.parametrize("step", [0, 1, 11])
def test_chance_demo_draws_small_pictures(step):
    assert len(png_bytes(draw_chance_demo(step=step))) < 100_000


def test_pictures_of_discs_and_differences_draw():
    png_bytes(draw_disc_projections((0.0, 1.0), steps=5))
    figure = draw_differences({"contrastive": np.array([1.0, 2.0, 3.0]), "new": np.zeros(3)}, "x")
    assert "+2.0 ± 2.5" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: draw_cover(torch.randn(4, 3), torch.zeros(4), torch.randn(1, 1, 3)), "points"),
        (
            lambda: draw_cover(torch.randn(4, 2), torch.zeros(4).long(), torch.randn(1, 1, 2), titles=[]),
            "titles",
        ),
        (lambda: draw_cover_demo(0), "num_proxies"),
        (lambda: draw_cover_demo(5, 4), "num_proxies"),
        (lambda: draw_chance_demo(step=12), "step"),
        (lambda: disc_projections(-1.0, 3), "strength"),
        (lambda: draw_disc_projections(()), "strengths"),
        (lambda: draw_differences({}, "x"), "values"),
        (lambda: draw_differences({"a": np.zeros(1)}, "x"), "values"),
    ],
)
def test_bad_inputs_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
