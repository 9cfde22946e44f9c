"""Checkers of notebook 02: scores, gates of a given mass, their limit, their gradient, and gates with padding."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb.course.checks.core import Property, check
from dmlnb.pooling.gates import gates_of_mass
from dmlnb.pooling.transport import token_scores


def scores(attempt: Any = None) -> Callable:
    """Check `attempt(cost (m, n), sharpness) -> (n,)`: the logarithm of the sum over prototypes of exp(-γ c).

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 02.
    """
    two = torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.5, 0.1]])
    return check(
        attempt,
        _scores,
        [
            Property(
                "one score a token: (m, n) → (n,)", {"cost": _cost(4, 6), "sharpness": 5.0}, only_shape=True
            ),
            Property("with a single prototype the score is −γ c", {"cost": two[:1], "sharpness": 2.0}),
            Property("a cheaper token has a larger score", {"cost": two, "sharpness": 3.0}, of=torch.argmax),
            Property("with sharpness 0 every score is log m", {"cost": two, "sharpness": 0.0}),
            Property("it is log Σᵢ exp(−γ cᵢⱼ)", {"cost": _cost(5, 7), "sharpness": 4.0}),
            Property(
                "it stays finite when γ c is large: no exp without its log",
                {"cost": two + 1, "sharpness": 500.0},
            ),
        ],
    )


def gates(attempt: Any = None) -> Callable:
    """Check `attempt(scores (n,), mass) -> (n,)`: sigmoids of the shifted scores, whose mean is the mass.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 02.
    """
    return check(
        attempt,
        _gates,
        [
            Property("one gate a token", {"scores": _scores_of(6), "mass": 0.3}, only_shape=True),
            Property(
                "the mean of the gates is the mass", {"scores": _scores_of(6), "mass": 0.3}, of=torch.mean
            ),
            Property("equal scores give equal gates, each the mass", {"scores": torch.zeros(4), "mass": 0.7}),
            Property(
                "no gate is larger than 1",
                {"scores": torch.tensor([9.0, 0.0, 0.0, 0.0]), "mass": 0.5},
                of=torch.max,
            ),
            Property(
                "gates are σ(τ + s) with one τ for all tokens", {"scores": _scores_of(9, seed=1), "mass": 0.4}
            ),
            Property(
                "adding the same number to all scores changes nothing",
                {"scores": _scores_of(6) + 40.0, "mass": 0.3},
            ),
        ],
    )


def cheapest_tokens(attempt: Any = None) -> Callable:
    """Check `attempt(cost (m, n), mass) -> (n,)`: the gates without entropy, whole for the cheapest tokens.

    The token at the edge gets what is left, so that the mean is the mass.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 02.
    """
    cost = torch.tensor([[0.4, 0.9, 0.1, 0.7], [0.8, 0.2, 0.5, 0.6]])
    return check(
        attempt,
        _cheapest,
        [
            Property("one gate a token", {"cost": cost, "mass": 0.5}, only_shape=True),
            Property(
                "half the mass: the two tokens nearest to any prototype, whole", {"cost": cost, "mass": 0.5}
            ),
            Property("a token in part: its gate is what is left", {"cost": cost, "mass": 0.6}),
            Property("the mean of the gates is the mass", {"cost": _cost(3, 7), "mass": 0.3}, of=torch.mean),
            Property("mass 1 takes all", {"cost": cost, "mass": 1.0}),
            Property("it is the plan of the linear programme", {"cost": _cost(5, 11, seed=2), "mass": 0.45}),
        ],
    )


def gate_gradient(attempt: Any = None) -> Callable:
    """Check `attempt(gates (n,), upstream (n,)) -> (n,)`: the gradient with respect to the scores.

    `upstream` is the gradient with respect to the gates, whose mean is fixed.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 02.
    """
    some, up = torch.tensor([0.9, 0.5, 0.2, 0.1]), torch.tensor([1.0, -2.0, 0.5, 3.0])
    return check(
        attempt,
        _gate_gradient,
        [
            Property("one number a region", {"gates": some, "upstream": up}, only_shape=True),
            Property(
                "the mean of the gates is fixed: to want more of all of them changes nothing",
                {"gates": some, "upstream": torch.ones(4)},
            ),
            Property(
                "a gate that is fully open or shut gets no gradient",
                {"gates": torch.tensor([1.0, 0.5, 0.5, 0.0]), "upstream": up},
                of=lambda found: found[[0, 3]],
            ),
            Property("the gradient sums to zero", {"gates": some, "upstream": up}, of=torch.sum),
            Property("it is what autograd finds", {"gates": some, "upstream": up}),
        ],
    )


def padded_gates(attempt: Any = None) -> Callable:
    """Check `attempt(scores (n,), valid (n,) bool, mass) -> (n,)`: gates where some regions are only padding.

    Padding has the gate 0; the mean over the *valid* regions is the mass.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 02.
    """
    scores, valid = _scores_of(6), torch.tensor([True, True, False, True, False, True])
    return check(
        attempt,
        _padded_gates,
        [
            Property(
                "one gate a region, padding too",
                {"scores": scores, "valid": valid, "mass": 0.3},
                only_shape=True,
            ),
            Property(
                "padding ships nothing",
                {"scores": scores, "valid": valid, "mass": 0.3},
                of=lambda found: found[~valid],
            ),
            Property(
                "the mean over the valid regions is the mass",
                {"scores": scores, "valid": valid, "mass": 0.3},
                of=lambda found: found[valid].mean(),
            ),
            Property(
                "the valid regions have the gates that they had without padding",
                {"scores": scores, "valid": valid, "mass": 0.3},
            ),
            Property(
                "whatever score the padding has",
                {"scores": torch.where(valid, scores, 50.0), "valid": valid, "mass": 0.7},
            ),
        ],
    )


def _gate_gradient(gates: Tensor, upstream: Tensor) -> Tensor:
    slope = gates * (1 - gates)
    return slope * (upstream - (slope * upstream).sum() / slope.sum())


def _padded_gates(scores: Tensor, valid: Tensor, mass: float) -> Tensor:
    shipping = _gates(scores[valid], mass)
    gates = shipping.new_zeros(len(scores))
    gates[valid] = shipping
    return gates


def _scores(cost: Tensor, sharpness: float) -> Tensor:
    return token_scores(cost[None], sharpness)[0]


def _gates(scores: Tensor, mass: float) -> Tensor:
    return gates_of_mass(scores[None], mass)[0][0]


def _cheapest(cost: Tensor, mass: float) -> Tensor:
    lowest = cost.amin(dim=0)  # (n,)
    rank = lowest.argsort().argsort()
    return (mass * len(lowest) - rank).clamp(0, 1)


def _cost(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def _scores_of(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed))
