"""Checkers of notebook 04: selection, covers, a spare proxy, how many samples a promise needs, a proximal minimum."""

import math
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


def proximal_minimum(attempt: Any = None) -> Callable:
    """Check `attempt(curvature (P,), minimum (P,), anchor (P,), strength) -> (P,)`, the solution of a proximal problem.

    $$ \\arg\\min_w\\ \\sum_j \\tfrac{a_j}{2} (w_j - m_j)^2 + \\tfrac{\\lambda}{2} \\lVert w - \\bar w \\rVert^2 $$

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 04.
    """
    one, low, high = torch.ones(2), torch.tensor([0.0, 2.0]), torch.tensor([4.0, 4.0])
    return check(
        attempt,
        _proximal_minimum,
        [
            Property("one number a weight", _bowl(one, low, high, 1.0), only_shape=True),
            Property("without an anchor (λ = 0) it is the minimum of the loss", _bowl(one, low, high, 0.0)),
            Property("with curvature 1 and λ = 1 it is halfway to the anchor", _bowl(one, low, high, 1.0)),
            Property("a firmer anchor (larger λ) keeps it nearer to the anchor", _bowl(one, low, high, 3.0)),
            Property(
                "a weight in which the loss is steeper (larger curvature) goes nearer to its minimum",
                _bowl(torch.tensor([1.0, 9.0]), torch.zeros(2), high, 1.0),
            ),
            Property(
                "it is where the gradients of loss and proximal term cancel",
                _bowl(_random(4).abs() + 0.1, _random(4, seed=1), _random(4, seed=2), 0.3),
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
                "it is a Euclidean distance, not squared",
                _cover(torch.tensor([[3.0, 4.0]]), torch.tensor([0]), torch.zeros(1, 1, 2)),
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
                "it is the largest distance of a sample to its nearest proxy",
                _cover(_random(20, 3), torch.arange(20) % 4, _random(4, 3, 3, seed=1)),
            ),
        ],
    )


def spare_proxy(attempt: Any = None) -> Callable:
    """Check `attempt(points (N, d), proxies (K, d)) -> int`: the proxy without which the cover radius is smallest.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 04.
    """
    line = lambda *places: torch.tensor(places)[:, None]
    few = line(0.0, 1.0, 2.0, 10.0)
    return check(
        attempt,
        _spare_proxy,
        [
            Property("one number", {"points": few, "proxies": line(1.0, 10.0)}, only_shape=True),
            Property(
                "a proxy that alone covers a far sample is not spare, even if it covers few samples",
                {"points": few, "proxies": line(10.0, 0.0, 1.0)},
            ),
            Property(
                "what counts is how well the others cover, not how near two proxies are to each other",
                {"points": line(0.0, 4.0, 9.0), "proxies": line(0.0, 9.0, 14.0, 4.0)},
            ),
            Property(
                "the worst sample counts: the maximum over samples, not their mean",
                {"points": line(0.0, 0.0, 0.0, 0.0, 3.0, 10.0), "proxies": line(0.0, 3.0, 10.0)},
            ),
            Property(
                "it is the proxy without which the cover radius is smallest",
                {"points": _random(30, 3), "proxies": _random(6, 3, seed=1)},
            ),
        ],
    )


def samples_needed(attempt: Any = None) -> Callable:
    """Check `attempt(largest, slack) -> int`: how many samples bring the surcharge of a held-out promise below slack.

    $$ \\text{largest} \\sqrt{\\log 20 / (2 n)} \\le \\text{slack} $$

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 04.
    """
    return check(
        attempt,
        _samples_needed,
        [
            Property("one number", {"largest": 1.0, "slack": 0.1}, only_shape=True),
            Property(
                "the slack falls with the root of n: a hundredth of the loss needs about 15,000 samples",
                {"largest": 1.0, "slack": 0.01},
                of=lambda n: n // 1000,
            ),
            Property(
                "a whole number of samples, rounded up: one fewer would not be enough",
                {"largest": 1.0, "slack": 0.3},
            ),
            Property("half the slack needs four times the samples", {"largest": 1.0, "slack": 0.05}),
            Property("twice the loss needs four times the samples", {"largest": 2.0, "slack": 0.1}),
            Property(
                "it is the smallest n with largest · sqrt(log 20 / (2 n)) ≤ slack",
                {"largest": 1.7, "slack": 0.043},
            ),
        ],
    )


def _farthest_first(points: Tensor, k: int) -> Tensor:
    return geometry.greedy_k_center(points[None], points[None, :0], k)[0]


def _proximal_minimum(curvature: Tensor, minimum: Tensor, anchor: Tensor, strength: float) -> Tensor:
    return (curvature * minimum + strength * anchor) / (curvature + strength)


def _spare_proxy(points: Tensor, proxies: Tensor) -> int:
    others = [torch.cat([proxies[:k], proxies[k + 1 :]]) for k in range(len(proxies))]
    return int(torch.stack([geometry.cover_radius(points, rest) for rest in others]).argmin())


def _samples_needed(largest: float, slack: float) -> int:
    return math.ceil(math.log(20) / 2 * (largest / slack) ** 2)


def _bowl(curvature: Tensor, minimum: Tensor, anchor: Tensor, strength: float) -> dict[str, Any]:
    return {"curvature": curvature, "minimum": minimum, "anchor": anchor, "strength": strength}


def _cover(embeddings: Tensor, labels: Tensor, proxies: Tensor) -> dict[str, Tensor]:
    return {"embeddings": embeddings, "labels": labels, "proxies": proxies}


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
