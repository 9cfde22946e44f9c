"""Checkers of notebook 04: farthest-first selection, the proximal gradient, the cover of proxies, Markov's step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb import geometry
from dmlnb.course.checks.core import Property, check


def farthest_first(attempt: Any = None) -> Callable:
    """Check `attempt(points (n, d), k) -> (k,)`: indices picked farthest first, beginning with point 0.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 04.
    """
    line = torch.tensor([0.0, 1.0, 2.0, 7.0, 10.0])[:, None]
    return check(
        attempt,
        _farthest_first,
        [
            Property("one index a pick: k of them", {"points": line, "k": 3}, only_shape=True),
            Property("it begins with point 0", {"points": line, "k": 1}),
            Property("the second pick is the farthest point from the first", {"points": line, "k": 2}),
            Property(
                "a later pick is far from its nearest centre, not from the first, the last or the sum of all centres",
                {
                    "points": torch.tensor([[0.0, 0.0], [0.0, 3.0], [10.0, 0.0], [10.0, 0.5], [5.0, -2.0]]),
                    "k": 3,
                },
            ),
            Property(
                "each point is picked at most once", {"points": line, "k": 5}, of=lambda i: i.sort().values
            ),
            Property("it is the farthest-first order", {"points": _random(12, 3), "k": 6}),
        ],
    )


def proximal_gradient(attempt: Any = None) -> Callable:
    """Check `attempt(gradient, weights, anchor, strength) -> gradient`: what the optimiser sees, all `(P,)`.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 04.
    """
    zero, one = torch.zeros(2), torch.tensor([1.0, 2.0])
    return check(
        attempt,
        _proximal_gradient,
        [
            Property("one number a weight", _step(_random(3), _random(3), _random(3), 1.0), only_shape=True),
            Property("at the anchor nothing is added", _step(one, one, one, 5.0)),
            Property("the gradient of the loss stays", _step(one, zero, zero, 0.0)),
            Property(
                "it points away from the anchor, so that a step along minus the gradient leads back",
                _step(zero, one, zero, 1.0),
                of=torch.sign,
            ),
            Property(
                "the anchor counts: it is no weight decay", _step(zero, one, 3 * one, 1.0), of=torch.sign
            ),
            Property("the factor is λ, for a term of (λ/2)‖w − w̄‖²", _step(zero, one, zero, 0.5)),
            Property(
                "it is the gradient plus λ (w − w̄)",
                _step(_random(4), _random(4, seed=1), _random(4, seed=2), 0.3),
            ),
        ],
    )


def proxy_cover(attempt: Any = None) -> Callable:
    """Check `attempt(embeddings (N, d), labels (N,), proxies (C, K, d)) -> (C,)`, the cover radius of each class.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 04.
    """
    x, y = torch.tensor([[0.0], [2.0], [10.0], [11.0]]), torch.tensor([0, 0, 1, 1])
    return check(
        attempt,
        geometry.proxy_cover,
        [
            Property(
                "one radius a class",
                _cover(x, y, torch.tensor([[[0.0], [1.0]], [[10.0], [10.0]]])),
                only_shape=True,
            ),
            Property(
                "a sample counts at its nearest proxy: with a proxy on every sample all radii are 0",
                _cover(x, y, torch.tensor([[[2.0], [0.0]], [[11.0], [10.0]]])),
            ),
            Property(
                "the worst sample of the class counts: the maximum, not the mean",
                _cover(x, y, torch.tensor([[[0.0], [0.5]], [[10.0], [10.0]]])),
            ),
            Property(
                "only proxies of the sample's own class cover it",
                _cover(x, y, torch.tensor([[[10.0], [11.0]], [[0.0], [2.0]]])),
            ),
            Property(
                "it is a Euclidean distance, not squared",
                _cover(torch.tensor([[3.0, 4.0]]), torch.tensor([0]), torch.zeros(1, 1, 2)),
            ),
            Property(
                "it is the largest distance of a sample to its nearest proxy",
                _cover(_random(20, 3), torch.arange(20) % 4, _random(4, 3, 3, seed=1)),
            ),
        ],
    )


def markov_bound(attempt: Any = None) -> Callable:
    """Check `attempt(losses (N,), threshold) -> number`: Markov's bound on the share of losses >= threshold, at most 1.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 04.
    """
    return check(
        attempt,
        _markov_bound,
        [
            Property("one number", {"losses": _random(6).abs(), "threshold": 1.0}, only_shape=True),
            Property("no loss, no violation: 0", {"losses": torch.zeros(4), "threshold": 0.5}),
            Property(
                "it bounds the share from the mean alone; it is not the share itself",
                {"losses": torch.tensor([0.0, 0.0, 0.0, 0.4]), "threshold": 0.5},
            ),
            Property(
                "a larger threshold gives a smaller bound: divide by it",
                {"losses": torch.tensor([0.5, 0.5]), "threshold": 2.0},
            ),
            Property("a share is never above 1", {"losses": torch.tensor([3.0, 5.0]), "threshold": 1.0}),
            Property(
                "it is the mean loss over the threshold", {"losses": _random(9).abs(), "threshold": 1.7}
            ),
        ],
    )


def _farthest_first(points: Tensor, k: int) -> Tensor:
    return geometry.greedy_k_center(points[None], points[None, :0], k)[0]


def _proximal_gradient(gradient: Tensor, weights: Tensor, anchor: Tensor, strength: float) -> Tensor:
    return gradient + strength * (weights - anchor)


def _markov_bound(losses: Tensor, threshold: float) -> float:
    return min(1.0, float(losses.mean()) / threshold)


def _step(gradient: Tensor, weights: Tensor, anchor: Tensor, strength: float) -> dict[str, Any]:
    return {"gradient": gradient, "weights": weights, "anchor": anchor, "strength": strength}


def _cover(embeddings: Tensor, labels: Tensor, proxies: Tensor) -> dict[str, Tensor]:
    return {"embeddings": embeddings, "labels": labels, "proxies": proxies}


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
