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
    """Check `attempt(regions (n, d), prototypes (m, d)) -> (m,)`: share of regions that have prototype i as nearest.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 01.
    """
    return check(
        attempt,
        _hard_histogram,
        [
            Property(
                "one share a prototype, also for prototypes that win no region",
                {"regions": _column(0.1, 0.0, 1.1), "prototypes": _column(0.0, 1.0, 5.0, 9.0)},
                only_shape=True,
            ),
            Property(
                "the shares are of regions and sum to 1: they are no counts",
                {"regions": _column(0.0, 0.1, 0.2, 1.0), "prototypes": _column(0.0, 1.0)},
                of=torch.sum,
            ),
            Property(
                "the nearest prototype in Euclidean distance wins, not the one with the largest inner product",
                {"regions": _column(0.1, 1.0), "prototypes": _column(0.1, 1.0)},
            ),
            Property("it is the share of regions won by each prototype", _bags()),
        ],
    )


def soft_histogram(attempt: Any = None) -> Callable:
    """Check `attempt(regions (n, d), prototypes (m, d), sharpness) -> (m,)`.

    Each region spreads over the prototypes by the softmax of minus sharpness times the Euclidean distance; the
    histogram is the mean over the regions.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 01.
    """
    same = {"regions": _column(0.0, 0.0), "prototypes": _column(1.0, 4.0)}
    return check(
        attempt,
        _soft_histogram,
        [
            Property("one share a prototype", _bags() | {"sharpness": 1.0}, only_shape=True),
            Property(
                "sharpness 0 gives 1/m to each prototype: a mean over the regions, not a sum",
                same | {"sharpness": 0.0},
            ),
            Property(
                "the softmax runs over prototypes, region by region: if it is sharp, equal regions have one winner",
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


def collage_histogram(attempt: Any = None) -> Callable:
    """Check `attempt(first (m,), n_first, second (m,), n_second) -> (m,)`, the histogram of two images as one.

    The histograms are of one set of prototypes; `n_first` and `n_second` say how many regions each image has.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 01.
    """
    one, other = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.5, 0.5])
    pair = {"first": one, "n_first": 9, "second": other, "n_second": 3}
    return check(
        attempt,
        _collage_histogram,
        [
            Property("one share per prototype", pair, only_shape=True),
            Property("the shares of the collage sum to 1", pair, of=torch.sum),
            Property("images with equally many regions count alike", pair | {"n_second": 9}),
            Property("an image counts by its regions: nine against three", pair),
            Property(
                "it is the share of all regions that each prototype has won",
                {"first": _shares(5), "n_first": 49, "second": _shares(5, seed=1), "n_second": 64},
            ),
        ],
    )


def nearest_offset(attempt: Any = None) -> Callable:
    """Check `attempt(prototypes (m, d)) -> (m,)`: offsets b with which the largest <ν_i, f> + b_i is the nearest ν_i.

    Offsets that differ by one number for all prototypes name the same winners and are equally right.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 01.
    """
    relative = lambda offsets: offsets - offsets.mean()
    return check(
        attempt,
        _nearest_offset,
        [
            Property("one offset per prototype", {"prototypes": _random(4, 3)}, only_shape=True),
            Property(
                "prototypes of equal length need no offset: all of them get the same",
                {"prototypes": torch.tensor([[3.0, 4.0], [0.0, -5.0], [5.0, 0.0]])},
                of=relative,
            ),
            Property(
                "a longer prototype gets a smaller offset, since it wins too often",
                {"prototypes": _column(0.1, 1.0)},
                of=lambda b: b[0] > b[1],
            ),
            Property(
                "it is the term of ‖f − ν‖² that depends on the prototype alone, on the scale of ⟨ν, f⟩",
                {"prototypes": _column(0.0, 1.0, 3.0)},
                of=relative,
            ),
            Property(
                "the largest sum names the nearest prototype", {"prototypes": _random(6, 3)}, of=relative
            ),
        ],
    )


def _collage_histogram(first: Tensor, n_first: int, second: Tensor, n_second: int) -> Tensor:
    return (n_first * first + n_second * second) / (n_first + n_second)


def _nearest_offset(prototypes: Tensor) -> Tensor:
    return -prototypes.square().sum(dim=1) / 2


def _gap(features: Tensor) -> Tensor:
    return pooled.GlobalAveragePooling()(features)


def _hard_histogram(regions: Tensor, prototypes: Tensor) -> Tensor:
    return pooled.hard_histogram(regions[None], prototypes, cost="euclidean")[0]


def _soft_histogram(regions: Tensor, prototypes: Tensor, sharpness: float) -> Tensor:
    return pooled.soft_histogram(regions[None], prototypes, sharpness, cost="euclidean")[0]


def _cover_radius(points: Tensor, centres: Tensor) -> float:
    return float(geometry.cover_radius(points, centres))


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _shares(m: int, seed: int = 0) -> Tensor:
    return torch.softmax(_random(m, seed=seed), dim=0)


def _bags() -> dict[str, Tensor]:
    return {"regions": _random(9, 3), "prototypes": _random(4, 3, seed=1)}


def _column(*values: float) -> Tensor:
    """Vectors of one coordinate, `(n, 1)`."""
    return torch.tensor(values)[:, None]
