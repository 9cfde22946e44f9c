"""Checkers of notebook 06: the start of a bias, the inverse temperature of a codebook, a bug in the own sub-class."""

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor

from dmlnb.course.checks.core import Property, check


def start_bias(attempt: Any = None) -> Callable:
    """Check `attempt(share, templates) -> float`: the bias with which that share of the regions starts unmatched.

    BN has scale 1 and its standard scores are normal; the templates are independent.

    Returns:
        The attempt if it is right, else the right function.

    Taught in notebook 06.
    """
    return check(
        attempt,
        _start_bias,
        [
            Property("one number", {"share": 0.25, "templates": 64}, only_shape=True),
            Property(
                "one template with bias 0 is silent on half of all regions", {"share": 0.5, "templates": 1}
            ),
            Property(
                "a lower bias silences more: one template, silent on five regions in six, has a bias near −1",
                {"share": 0.8413447, "templates": 1},
            ),
            Property(
                "all templates must be silent at once: their shares are multiplied",
                {"share": 0.25, "templates": 2},
            ),
            Property("it holds for any share and number", {"share": 0.1, "templates": 300}),
        ],
    )


def inverse_temperature(attempt: Any = None) -> Callable:
    """Check `attempt(near, far, share) -> float`: the τ at which the nearer of two codes gets that share.

    Returns:
        The attempt if it is right, else the right function.

    Taught in notebook 06.
    """
    return check(
        attempt,
        _inverse_temperature,
        [
            Property("one number", {"near": 1.0, "far": 4.0, "share": 0.9}, only_shape=True),
            Property("half each needs no temperature at all", {"near": 1.0, "far": 4.0, "share": 0.5}),
            Property("only the difference counts", {"near": 100.0, "far": 103.0, "share": 0.9}),
            Property(
                "near and far are distances that are squared already", {"near": 1.0, "far": 4.0, "share": 0.9}
            ),
            Property("it holds for any share", {"near": 20.0, "far": 558.0, "share": 0.7}),
        ],
    )


def own_subclass(attempt: Any = None) -> Callable:
    """Check `attempt(distances (n, G), labels (n,), subclasses) -> (n,)`: the nearest sub-class of the own class.

    Returns:
        The attempt if it is right, else the right function.

    Taught in notebook 06.
    """
    near_first = {
        "distances": torch.tensor([[1.0, 2.0, 3.0, 4.0]]),
        "labels": torch.tensor([0]),
        "subclasses": 2,
    }
    other_nearer = {
        "distances": torch.tensor([[1.0, 2.0, 3.0, 2.5]]),
        "labels": torch.tensor([1]),
        "subclasses": 2,
    }
    farthest = {"distances": torch.tensor([[1.0, 2.0, 4.0]]), "labels": torch.tensor([2]), "subclasses": 1}
    some = torch.Generator().manual_seed(0)
    return check(
        attempt,
        _own_subclass,
        [
            Property("one sub-class for each region", near_first, only_shape=True),
            Property("the nearest one, among those of the own class", near_first),
            Property("a nearer sub-class of another class does not count", other_nearer),
            Property("the own class may be the farthest of all: it is the own class still", farthest),
            Property("it holds for any distances", {"distances": torch.rand(9, 12, generator=some),
                     "labels": torch.arange(9) % 4, "subclasses": 3}),
        ],
    )  # fmt: skip


def _start_bias(share: float, templates: int) -> float:
    return -NormalDist().inv_cdf(share ** (1 / templates))


def _inverse_temperature(near: float, far: float, share: float) -> Tensor:
    return torch.logit(torch.tensor(share, dtype=torch.float64)) / (far - near)


def _own_subclass(distances: Tensor, labels: Tensor, subclasses: int) -> Tensor:
    other = torch.arange(distances.shape[1]) // subclasses != labels[:, None]
    return distances.masked_fill(other, torch.inf).argmin(dim=1)
