"""Checkers of notebook 01: average pooling, histograms over prototypes, and the cover radius."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb import geometry
from dmlnb import pooling as pooled
from dmlnb.course.checks.core import Property, check


def gap(attempt: Any = None) -> Callable:
    """Check `attempt(features (B, d, H, W)) -> (B, d)`, global average pooling.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 01.
    """
    peak = torch.zeros(1, 2, 2, 3)
    peak[0, 1, 0, 2] = 6.0
    two = torch.tensor([1.0, 5.0]).view(2, 1, 1, 1).expand(2, 3, 2, 2).clone()
    return check(
        attempt,
        _gap,
        [
            Property(
                "one vector of d channels an image: (B, d, H, W) → (B, d)",
                {"features": _random(2, 3, 4, 5)},
                only_shape=True,
            ),
            Property(
                "a constant map gives that constant: a mean, not a sum",
                {"features": torch.full((1, 2, 2, 2), 2.0)},
            ),
            Property("every region counts the same: one 6 among six regions gives 1", {"features": peak}),
            Property("each image is pooled by itself, not over the batch", {"features": two}),
            Property("it is the mean over height and width", {"features": _random(3, 4, 3, 7, seed=1)}),
        ],
    )


def hard_histogram(attempt: Any = None) -> Callable:
    """Check `attempt(tokens (n, d), prototypes (m, d)) -> (m,)`: share of tokens that have prototype i as nearest.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 01.
    """
    return check(
        attempt,
        _hard_histogram,
        [
            Property(
                "one share a prototype, also for prototypes that win no token",
                {"tokens": _column(0.1, 0.0, 1.1), "prototypes": _column(0.0, 1.0, 5.0, 9.0)},
                only_shape=True,
            ),
            Property(
                "the shares are of tokens and sum to 1: they are no counts",
                {"tokens": _column(0.0, 0.1, 0.2, 1.0), "prototypes": _column(0.0, 1.0)},
                of=torch.sum,
            ),
            Property(
                "the nearest prototype in Euclidean distance wins, not the one with the largest inner product",
                {"tokens": _column(0.1, 1.0), "prototypes": _column(0.1, 1.0)},
            ),
            Property("it is the share of tokens won by each prototype", _bags()),
        ],
    )


def soft_histogram(attempt: Any = None) -> Callable:
    """Check `attempt(tokens (n, d), prototypes (m, d), sharpness) -> (m,)`.

    Each token spreads over the prototypes by the softmax of minus sharpness times the Euclidean distance; the
    histogram is the mean over the tokens.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 01.
    """
    same = {"tokens": _column(0.0, 0.0), "prototypes": _column(1.0, 4.0)}
    return check(
        attempt,
        _soft_histogram,
        [
            Property("one share a prototype", _bags() | {"sharpness": 1.0}, only_shape=True),
            Property(
                "sharpness 0 gives 1/m to each prototype: a mean over the tokens, not a sum",
                same | {"sharpness": 0.0},
            ),
            Property(
                "the softmax runs over prototypes, token by token: if it is sharp, equal tokens have one winner",
                same | {"sharpness": 50.0},
                of=lambda z: z.amax() > 0.9,
            ),
            Property(
                "a near prototype gets more than a far one: minus the distance",
                same | {"sharpness": 50.0},
                of=lambda z: z[0] > z[1],
            ),
            Property("the distance is not squared", same | {"sharpness": 0.25}),
            Property("the sharpness multiplies the distance", _bags() | {"sharpness": 7.0}),
        ],
    )


def cover_radius(attempt: Any = None) -> Callable:
    """Check `attempt(points (N, d), centres (K, d)) -> float`: the largest distance of a point to its nearest centre.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 01.
    """
    return check(
        attempt,
        _cover_radius,
        [
            Property(
                "a point counts at the distance of its nearest centre: with a centre on every point the radius is 0",
                {"points": _column(0.0, 1.0, 5.0), "centres": _column(5.0, 0.0, 1.0)},
            ),
            Property(
                "the worst point counts: the maximum over the points, not their mean",
                {"points": _column(0.0, 0.0, 0.0, 1.0), "centres": _column(0.0, 2.0)},
            ),
            Property(
                "a centre that covers nothing does no harm: points look for centres, not centres for points",
                {
                    "points": torch.tensor([[0.0, 0.0], [1.0, 0.0]]),
                    "centres": torch.tensor([[0.0, 0.0], [9.0, 0.0]]),
                },
            ),
            Property(
                "it is a Euclidean distance: not squared, nor a sum of differences",
                {"points": torch.tensor([[3.0, 4.0]]), "centres": torch.tensor([[0.0, 0.0]])},
            ),
            Property(
                "it is the largest distance to the nearest centre",
                {"points": _random(12, 3), "centres": _random(4, 3, seed=1)},
            ),
        ],
    )


def _gap(features: Tensor) -> Tensor:
    return pooled.GlobalAveragePooling()(features)


def _hard_histogram(tokens: Tensor, prototypes: Tensor) -> Tensor:
    return pooled.hard_histogram(tokens[None], prototypes, cost="euclidean")[0]


def _soft_histogram(tokens: Tensor, prototypes: Tensor, sharpness: float) -> Tensor:
    return pooled.soft_histogram(tokens[None], prototypes, sharpness, cost="euclidean")[0]


def _cover_radius(points: Tensor, centres: Tensor) -> float:
    return float(geometry.cover_radius(points, centres))


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _bags() -> dict[str, Tensor]:
    return {"tokens": _random(9, 3), "prototypes": _random(4, 3, seed=1)}


def _column(*values: float) -> Tensor:
    """Vectors of one coordinate, `(n, 1)`."""
    return torch.tensor(values)[:, None]
