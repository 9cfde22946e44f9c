import numpy as np
import torch

from dmlnb.course import checks
from dmlnb.explore import EmbeddingAtlas
from tests.course.checks.exercises import Exercises

# --- what readers may hand in -------------------------------------------------------------------------------------


def kept(true, shown):
    return (
        sum(len(set(a.tolist()) & set(b.tolist())) for a, b in zip(true, shown, strict=True)) / true.numel()
    )


def kept_in_order(true, shown):
    return (true == shown).double().mean()


def kept_of_all(true, shown):
    return len(set(true.flatten().tolist()) & set(shown.flatten().tolist())) / true.numel()


def kept_of_union(true, shown):
    rows = [(set(a), set(b)) for a, b in zip(true.tolist(), shown.tolist(), strict=True)]
    shares = [len(a & b) / len(a | b) for a, b in rows]
    return sum(shares) / len(shares)


def laid(points, target):
    points, target = points - points.mean(0), target - target.mean(0)
    u, _, v = torch.linalg.svd(points.T @ target)
    return points @ u @ v


def laid_backwards(points, target):
    points, target = points - points.mean(0), target - target.mean(0)
    u, _, v = torch.linalg.svd(points.T @ target)
    return points @ (u @ v).T


def laid_uncentred(points, target):
    u, _, v = torch.linalg.svd(points.T @ target)
    return points @ u @ v


def laid_by_regression(points, target):
    points, target = points - points.mean(0), target - target.mean(0)
    return points @ torch.linalg.lstsq(points, target).solution


def laid_without_mirror(points, target):
    points, target = points - points.mean(0), target - target.mean(0)
    u, _, v = torch.linalg.svd(points.T @ target)
    sign = torch.diag(torch.tensor([1.0, torch.det(u @ v).sign()]))
    return points @ u @ sign @ v


def enclosed(points, corners):
    found = []
    for x, y in points.tolist():
        odd = False
        for (a, b), (c, d) in zip(corners.tolist(), corners.roll(-1, 0).tolist(), strict=True):
            if (b > y) != (d > y) and x < a + (c - a) * (y - b) / (d - b):
                odd = not odd
        found.append(odd)
    return torch.tensor(found)


def enclosed_by_box(points, corners):
    return ((points >= corners.amin(0)) & (points <= corners.amax(0))).all(dim=1)


def sides(points, corners):
    side = corners.roll(-1, 0) - corners
    away = points[:, None] - corners
    return side[:, 0] * away[..., 1] - side[:, 1] * away[..., 0]


def enclosed_if_convex(points, corners):
    return (sides(points, corners) > 0).all(1) | (sides(points, corners) < 0).all(1)


def enclosed_one_way_round(points, corners):
    return (sides(points, corners) > 0).all(1)


def enclosed_by_lines(points, corners):  # forgets to look at which side of the crossing the point lies
    y, (b, d) = points[:, 1:], (corners[:, 1], corners[:, 1].roll(-1))
    return ((b > y) != (d > y)).any(1)


RIGHT = {"neighbours_kept": kept, "lay_on": laid, "inside": enclosed}
WRONG = {
    "in order": ("neighbours_kept", kept_in_order, "order of the neighbours"),
    "of all": ("neighbours_kept", kept_of_all, "its own row"),
    "of the union": ("neighbours_kept", kept_of_union, "divided by all"),
    "backwards": ("lay_on", laid_backwards, "turned by a quarter"),
    "not centred": ("lay_on", laid_uncentred, "centred first"),
    "by regression": ("lay_on", laid_by_regression, "nothing is stretched"),
    "no mirror": ("lay_on", laid_without_mirror, "mirrored"),
    "the box": ("inside", enclosed_by_box, "not the box"),
    "convex only": ("inside", enclosed_if_convex, "need not be convex"),
    "one way round": ("inside", enclosed_one_way_round, "direction in which"),
    "lines, not rays": ("inside", enclosed_by_lines, "to all sides"),
}


class TestExercises(Exercises):
    """The answers above."""


def test_the_checkers_agree_with_the_explorer():
    atlas = EmbeddingAtlas(
        {"a": torch.randn(50, 4), "b": torch.randn(50, 4)}, torch.zeros(50, dtype=torch.long)
    )
    corners = [(-0.9, -0.8), (0.9, -0.7), (0.1, 0.0), (0.8, 0.9), (-0.7, 0.6)]
    found = checks.inside()(torch.from_numpy(atlas.points("a")), torch.tensor(corners))
    assert found.nonzero().flatten().tolist() == atlas.inside("a", "PCA", corners).tolist()
    first, second = (torch.from_numpy(atlas.points(name)) for name in "ab")
    turned = checks.lay_on()(second, first)  # the explorer has turned it already
    assert np.allclose(turned, second - second.mean(dim=0), atol=1e-5)
