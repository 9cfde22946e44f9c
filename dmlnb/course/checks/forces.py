"""Checkers of notebook 09: batch-hard pairs, a ring of remembered rows, the pulls of a softmax, a SupCon with a bug."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb.course.checks.core import Property, check
from dmlnb.losses import supcon_loss


def supcon(attempt: Any = None) -> Callable:
    """Check `attempt(s (N, N), labels (N,), temperature) -> scalar`: SupCon from the similarities of a batch.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 09.
    """
    two = torch.tensor([[1.0, 0.6], [0.6, 1.0]])
    four = torch.eye(4) + 0.5 * (1 - torch.eye(4))
    return check(
        attempt,
        _supcon,
        [
            Property("one number", _batch(four, [0, 0, 1, 1], 1.0), only_shape=True),
            Property(
                "an anchor is not compared with itself: alone with its one positive it is not surprised",
                _batch(two, [0, 0], 0.5),
            ),
            Property(
                "an anchor's positives are in its denominator too: in a batch of one class they still compete",
                _batch(four, [0, 0, 0, 0], 1.0),
                of=lambda loss: loss > 0.1,
            ),
            Property(
                "it is the mean over an anchor's positives, not their sum", _batch(four, [0, 0, 0, 0], 1.0)
            ),
            Property(
                "an anchor without a positive does not count", _batch(_similarities(5), [0, 0, 1, 1, 2], 0.5)
            ),
            Property("it is SupCon", _batch(_similarities(8), [0, 1, 2, 0, 1, 2, 0, 0], 0.2)),
        ],
    )


def batch_hard(attempt: Any = None) -> Callable:
    """Check `attempt(d (N, N), labels (N,), margin) -> scalar`: each anchor's farthest positive and nearest negative.

    $$ \\frac1N \\sum_a \\bigl( \\max_{p} d_{ap} - \\min_{n} d_{an} + m \\bigr)_+ $$

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 09.
    """
    line = lambda *places: (torch.tensor(places)[:, None] - torch.tensor(places)).abs()
    classes = torch.tensor([0, 0, 0, 1, 1, 1])
    same = classes[:, None] == classes
    within = torch.tensor([[0.0, 2.0, 3.0], [2.0, 0.0, 3.0], [3.0, 3.0, 0.0]])
    return check(
        attempt,
        _batch_hard,
        [
            Property(
                "one number", _pairs(line(0.0, 1.0, 5.0, 6.0), classes[[0, 1, 3, 4]], 0.2), only_shape=True
            ),
            Property(
                "classes that are farther apart than wide cost nothing: an anchor is not its own negative",
                _pairs(line(0.0, 1.0, 5.0, 6.0), classes[[0, 1, 3, 4]], 0.2),
            ),
            Property(
                "of the positives the farthest counts",
                _pairs(within.repeat(2, 2).where(same, 1.0), classes, 0.0),
            ),
            Property(
                "of the negatives the nearest counts",
                _pairs(torch.where(same, 3 * (1 - torch.eye(6)), within.repeat(2, 2) + 1), classes, 0.0),
            ),
            Property(
                "an anchor is not its own negative, and its own distance is no positive's",
                _pairs(line(0.0, 1.0, 1.5, 2.5), classes[[0, 1, 3, 4]], 1.0),
            ),
            Property(
                "an anchor that costs nothing counts in the mean",
                _pairs(line(0.0, 1.0, 1.2, 2.0), torch.tensor([0, 0, 1, 1]), 0.1),
            ),
            Property(
                "it is the batch-hard triplet loss",
                _pairs(torch.cdist(_random(9, 3), _random(9, 3)), torch.arange(9) % 3, 0.3),
            ),
        ],
    )


def remember(attempt: Any = None) -> Callable:
    """Check `attempt(memory (M, d), seen, batch (B, d)) -> (M, d)`: the memory after a batch replaced the oldest rows.

    `seen` rows were remembered before, each in the place that is its number modulo M.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 09.
    """
    empty, rows = torch.zeros(5, 1), torch.arange(1.0, 5.0)[:, None]
    full = 10 * torch.arange(1.0, 6.0)[:, None]
    return check(
        attempt,
        _remember,
        [
            Property(
                "as many rows as before", {"memory": empty, "seen": 0, "batch": rows[:2]}, only_shape=True
            ),
            Property(
                "the first batch goes to the first rows", {"memory": empty, "seen": 0, "batch": rows[:2]}
            ),
            Property("the next batch stands after it", {"memory": full, "seen": 2, "batch": rows[:2]}),
            Property(
                "what does not fit goes on at the beginning", {"memory": full, "seen": 3, "batch": rows}
            ),
            Property(
                "a full memory loses its oldest rows, wherever they stand",
                {"memory": full, "seen": 14, "batch": rows[:3]},
            ),
        ],
    )


def softmax_pulls(attempt: Any = None) -> Callable:
    """Check `attempt(s (C,), own, temperature) -> (C,)`: how hard a normalised softmax pulls a point to each proxy.

    $$ w_c = -\\frac{\\partial}{\\partial s_c} \\bigl( -\\log \\mathrm{softmax}(s / T)_{own} \\bigr) $$

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 09.
    """
    even, steep = torch.zeros(4), torch.tensor([0.9, 0.1, 0.5])
    call = lambda s, own, temperature: {"s": s, "own": own, "temperature": temperature}
    return check(
        attempt,
        _softmax_pulls,
        [
            Property("one number a proxy", call(even, 1, 1.0), only_shape=True),
            Property(
                "at equal similarities and T = 1 the own proxy pulls with 1 minus its share",
                call(even, 1, 1.0),
            ),
            Property("a lower temperature pulls harder: the pulls carry 1 / T", call(even, 0, 0.1)),
            Property(
                "the pulls sum to zero: what the own proxy pulls, the others push",
                call(steep, 2, 0.5),
                of=torch.sum,
            ),
            Property("a near proxy of another class pushes harder than a far one", call(steep, 2, 0.5)),
            Property("it is minus the derivative", call(_random(6), 3, 0.2)),
        ],
    )


def _batch(s: Tensor, labels: list[int], temperature: float) -> dict:
    return {"s": s, "labels": torch.tensor(labels), "temperature": temperature}


def _pairs(d: Tensor, labels: Tensor, margin: float) -> dict:
    return {"d": d, "labels": labels, "margin": margin}


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def _similarities(n: int) -> Tensor:
    x = torch.nn.functional.normalize(_random(n, 4), dim=1)
    return x @ x.T


def _supcon(s: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """SupCon of vectors that have these similarities: the rows of a root of their matrix."""
    values, vectors = torch.linalg.eigh(s.double())
    root = vectors * values.clamp(min=0).sqrt()
    return supcon_loss(root, labels, temperature=temperature)


def _batch_hard(d: Tensor, labels: Tensor, margin: float) -> Tensor:
    same = labels[:, None] == labels
    itself = torch.eye(len(d), dtype=torch.bool)
    farthest = d.masked_fill(~same | itself, -torch.inf).amax(dim=1)
    nearest = d.masked_fill(same, torch.inf).amin(dim=1)
    return (farthest - nearest + margin).clamp(min=0).mean()


def _remember(memory: Tensor, seen: int, batch: Tensor) -> Tensor:
    after = memory.clone()
    after[(seen + torch.arange(len(batch))) % len(memory)] = batch
    return after


def _softmax_pulls(s: Tensor, own: int, temperature: float) -> Tensor:
    wanted = torch.zeros_like(s)
    wanted[own] = 1
    return (wanted - torch.softmax(s / temperature, dim=0)) / temperature
