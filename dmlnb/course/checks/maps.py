"""Checkers of notebook 08: what a map keeps, how two maps are laid on each other, what a lasso encloses."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb.course.checks.core import Property, check


def neighbours_kept(attempt: Any = None) -> Callable:
    """Check `attempt(true (N, k), shown (N, k)) -> float`, the share of true neighbours that are neighbours on the map.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 08.
    """
    draw = torch.Generator().manual_seed(0)
    true, shown = (torch.stack([torch.randperm(30, generator=draw)[:8] for _ in range(20)]) for _ in range(2))
    return check(
        attempt,
        _neighbours_kept,
        [
            Property(
                "the order of the neighbours does not matter",
                {"true": torch.tensor([[1, 2, 3]]), "shown": torch.tensor([[3, 1, 2]])},
                1.0,
            ),
            Property(
                "only neighbours of the same image count: each row is compared with its own row",
                {"true": torch.tensor([[1, 2], [3, 4]]), "shown": torch.tensor([[3, 4], [1, 2]])},
                0.0,
            ),
            Property(
                "it is divided by all N · k neighbours",
                {"true": torch.tensor([[1, 2], [3, 4]]), "shown": torch.tensor([[1, 9], [8, 7]])},
                1 / 4,
            ),
            Property("it is the share kept, on random neighbours", {"true": true, "shown": shown}),
        ],
    )


def lay_on(attempt: Any = None) -> Callable:
    """Check `attempt(points (N, 2), target (N, 2)) -> (N, 2)`: both centred, turned or mirrored points.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 08.
    """
    draw = torch.Generator().manual_seed(0)
    target = torch.tensor([[3.0, 0.0], [-1.0, 2.0], [-2.0, -2.0]])
    quarter = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    return check(
        attempt,
        _lay_on,
        [
            Property(
                "a map that was turned by a quarter comes back",
                {"points": target @ quarter, "target": target},
                target,
            ),
            Property(
                "a map that was mirrored comes back",
                {"points": target * torch.tensor([1.0, -1.0]), "target": target},
                target,
            ),
            Property(
                "both maps are centred first: a shift of either changes nothing",
                {"points": target @ quarter + 5, "target": target - 7},
                target,
            ),
            Property(
                "nothing is stretched: the points keep their size",
                {"points": 2 * target, "target": target},
                2 * target,
            ),
            Property(
                "it is the best turn for any two maps",
                {"points": torch.randn(12, 2, generator=draw), "target": torch.randn(12, 2, generator=draw)},
            ),
        ],
    )


def inside(attempt: Any = None) -> Callable:
    """Check `attempt(points (N, 2), corners (M, 2)) -> (N,) bool`: which points a polygon encloses.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 08.
    """
    square = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    horseshoe = torch.tensor(
        [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [3.0, 4.0], [3.0, 1.0], [1.0, 1.0], [1.0, 4.0], [0.0, 4.0]]
    )
    triangle = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    draw = torch.Generator().manual_seed(0)
    return check(
        attempt,
        _inside,
        [
            Property(
                "a point inside a square is inside, and points to all sides of it are not",
                {
                    "points": torch.tensor([[2.0, 2.1], [6.0, 2.1], [-2.0, 2.1], [2.1, 7.0], [2.1, -3.0]]),
                    "corners": square,
                },
                torch.tensor([True, False, False, False, False]),
            ),
            Property(
                "it is the polygon that counts, not the box around it",
                {"points": torch.tensor([[1.0, 0.9], [3.0, 3.1]]), "corners": triangle},
                torch.tensor([True, False]),
            ),
            Property(
                "the direction in which the corners go round does not matter",
                {"points": torch.tensor([[1.0, 0.9], [3.0, 3.1]]), "corners": triangle.flip(0)},
                torch.tensor([True, False]),
            ),
            Property(
                "a lasso need not be convex: between the arms of a horseshoe is outside",
                {
                    "points": torch.tensor([[2.0, 2.1], [0.5, 2.1], [3.5, 2.1], [2.1, 0.5]]),
                    "corners": horseshoe,
                },
                torch.tensor([False, True, True, True]),
            ),
            Property(
                "it holds for many points",
                {"points": torch.rand(60, 2, generator=draw) * 5 - 0.5, "corners": horseshoe},
            ),
        ],
    )


def _neighbours_kept(true: Tensor, shown: Tensor) -> float:
    return (true[:, :, None] == shown[:, None, :]).any(dim=2).double().mean().item()


def _lay_on(points: Tensor, target: Tensor) -> Tensor:
    points, target = points - points.mean(dim=0), target - target.mean(dim=0)
    left, _, right = torch.linalg.svd(points.T @ target)
    return points @ (left @ right)


def _inside(points: Tensor, corners: Tensor) -> Tensor:
    (x, y), (x0, y0) = points.T[:, :, None], corners.T[:, None]  # (N, 1), (1, M)
    x1, y1 = x0.roll(-1, dims=1), y0.roll(-1, dims=1)
    between = (y0 > y) != (y1 > y)
    crossing = x0 + (x1 - x0) * (y - y0) / torch.where(y1 == y0, torch.ones_like(y0), y1 - y0)
    return (between & (x < crossing)).sum(dim=1) % 2 == 1
