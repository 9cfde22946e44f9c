"""Checkers of notebook 06: template scores, soft codes, the decision matrix and the divergence of the templates."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb import distill
from dmlnb.course.checks.core import Property, check
from dmlnb.models.kd_layer import cosine_conv


def template_scores(attempt: Any = None) -> Callable:
    """Check `attempt(features (n, C), templates (K, C), scale) -> (n, K)`: scaled cosines.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 06.
    """
    square = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    return check(
        attempt,
        _template_scores,
        [
            Property("one score a region and template: (n, C), (K, C) → (n, K)", _case(3.0), only_shape=True),
            Property(
                "only directions count: a template ten times as long scores the same",
                {"features": square, "templates": 10 * square, "scale": 1.0},
            ),
            Property(
                "only directions count: features ten times as long score the same",
                {"features": 10 * square, "templates": square, "scale": 1.0},
            ),
            Property("the cosine is multiplied by the scale", _case(3.0)),
            Property(
                "a region of zeros has no direction: its scores are 0, not NaN",
                {"features": torch.zeros(1, 2), "templates": square, "scale": 3.0},
            ),
        ],
    )


def soft_codes(attempt: Any = None) -> Callable:
    """Check `attempt(features (n, D), codes (K, D), tau) -> (n, K)`: softmax of minus tau times squared distances.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 06.
    """
    line = {"features": torch.tensor([[1.0]]), "codes": torch.tensor([[0.0], [3.0]])}
    return check(
        attempt,
        _soft_codes,
        [
            Property("one share a region and code", _codes(1.0), only_shape=True),
            Property("the shares of a region sum to 1", _codes(1.0), of=lambda p: p.sum(dim=-1)),
            Property("the nearer code gets more: minus the distance", line | {"tau": 1.0},
                     of=lambda p: p[0, 0] > p[0, 1]),
            Property("the distance is squared", line | {"tau": 1.0}),
            Property("τ multiplies the squared distance: it is no temperature that divides", line | {"tau": 0.1}),
            Property("it is the softmax of −τ times the squared distances", _codes(0.7)),
        ],
    )  # fmt: skip


def decision_matrix(attempt: Any = None) -> Callable:
    """Check `attempt(own (N,), decided (N,), number) -> (G, G)`: share of the regions of g that are decided as g'.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 06.
    """
    own, decided = torch.tensor([0, 0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 1, 2, 1, 2, 2])
    return check(
        attempt,
        _decision_matrix,
        [
            Property(
                "one row and one column a sub-class, also for one that nobody is decided as",
                {"own": torch.tensor([0, 1]), "decided": torch.tensor([0, 0]), "number": 2},
                only_shape=True,
            ),
            Property(
                "rows are shares and sum to 1: they are no counts",
                {"own": own, "decided": decided, "number": 3},
                of=lambda table: table.sum(dim=1),
            ),
            Property(
                "the row is the region's own sub-class, the column is what was decided",
                {"own": torch.tensor([0, 0, 1, 1]), "decided": torch.tensor([1, 1, 1, 1]), "number": 2},
            ),
            Property("it is the share of each row's regions", {"own": own, "decided": decided, "number": 3}),
        ],
    )


def template_divergence(attempt: Any = None) -> Callable:
    """Check `attempt(scores (n, K), targets (n, K)) -> scalar`: mean over regions of KL(target ‖ softmax(scores)).

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 06.
    """
    scores = _random(5, 4)
    soft = _random(5, 4, seed=1).softmax(dim=1)
    hard = torch.eye(4)[[0, 1, 2, 3, 0]]
    return check(
        attempt,
        _template_divergence,
        [
            Property("one number for all regions", {"scores": scores, "targets": soft}, only_shape=True),
            Property(
                "it is 0 when the softmax of the scores is the target: the target's entropy belongs to it",
                {"scores": scores, "targets": scores.softmax(dim=1)},
            ),
            Property("0 · log 0 is 0, not NaN: a one-hot target gives cross-entropy",
                     {"scores": scores, "targets": hard}),
            Property("the target stands first, KL(target ‖ belief), and it is a mean over the regions",
                     {"scores": scores, "targets": soft}),
        ],
    )  # fmt: skip


def _template_scores(features: Tensor, templates: Tensor, scale: float) -> Tensor:
    return cosine_conv(features[:, :, None, None], templates, scale)[:, :, 0, 0]


def _soft_codes(features: Tensor, codes: Tensor, tau: float) -> Tensor:
    return distill.Codebook(codes, tau).targets(features[:, :, None, None])[:, :, 0, 0]


def _decision_matrix(own: Tensor, decided: Tensor, number: int) -> Tensor:
    table = torch.bincount(own * number + decided, minlength=number**2).view(number, number).float()
    return table / table.sum(dim=1, keepdim=True)


def _template_divergence(scores: Tensor, targets: Tensor) -> Tensor:
    return distill.template_kl(scores[:, :, None, None], targets[:, :, None, None])


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _case(scale: float) -> dict:
    return {"features": _random(5, 3), "templates": _random(4, 3, seed=1), "scale": scale}


def _codes(tau: float) -> dict:
    return {"features": _random(5, 3), "codes": _random(4, 3, seed=1), "tau": tau}
