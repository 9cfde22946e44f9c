"""Checkers of notebook 05: batch normalisation with ReLU, its signs, full regions, and templates taught by labels."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb.course.checks.core import Property, check
from dmlnb.losses import class_template_loss
from dmlnb.models import quadratic_assignment


def batchnorm_relu(attempt: Any = None) -> Callable:
    """Check `attempt(scores (N, K), gamma (K,), beta (K,)) -> (N, K)`: standardise each template, scale, shift, ReLU.

    The variance divides by N, and 1e-5 is added to it.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 05.
    """
    ones, zeros = torch.ones(2), torch.zeros(2)
    scales = torch.tensor([[1.0, 100.0], [2.0, 300.0], [6.0, 200.0], [3.0, 400.0]])
    return check(
        attempt,
        _batchnorm_relu,
        [
            Property(
                "one share for each region and template",
                {"scores": _random(5, 2), "gamma": ones, "beta": zeros},
                only_shape=True,
            ),
            Property(
                "no share is negative: the ReLU comes last",
                {"scores": scales, "gamma": ones, "beta": torch.tensor([-0.3, 0.2])},
                of=lambda p: p.amin() >= 0,
            ),
            Property(
                "mean and deviation are those of one template over all regions, not of one region over templates",
                {"scores": scales, "gamma": ones, "beta": zeros},
            ),
            Property(
                "beta is added after gamma has multiplied",
                {
                    "scores": scales,
                    "gamma": torch.tensor([3.0, 0.5]),
                    "beta": torch.tensor([1.0, 0.25]),
                },
            ),
            Property(
                "equal scores give max(0, beta): 1e-5 stands under the root",
                {"scores": torch.full((3, 2), 4.0), "gamma": ones, "beta": torch.tensor([0.5, -0.5])},
            ),
            Property(
                "it is batch normalisation followed by ReLU",
                {"scores": _random(30, 4), "gamma": _random(4, seed=1).abs(), "beta": _random(4, seed=2)},
            ),
        ],
    )


def positive_templates(attempt: Any = None) -> Callable:
    """Check `attempt(templates (K, C), gamma (K,)) -> (K, C)`: templates that need no negative gamma.

    With them, |gamma| and the same beta give the shares that the given templates have with gamma. Their lengths are
    free, since each score is standardised.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 05.
    """
    two = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    return check(
        attempt,
        _positive_templates,
        [
            Property(
                "one template for each of the given ones",
                {"templates": _random(5, 3), "gamma": torch.tensor([1.0, -1.0, 2.0, -0.5, 0.3])},
                only_shape=True,
            ),
            Property(
                "with positive gammas the shares are those of the given templates",
                {"templates": two, "gamma": torch.tensor([2.0, 0.5])},
                of=_shares_with(torch.tensor([2.0, 0.5])),
            ),
            Property(
                "where gamma is negative, a region that fits the given template badly fits the new one well",
                {"templates": two, "gamma": torch.tensor([1.0, -1.0])},
                of=_shares_with(torch.tensor([1.0, -1.0])),
            ),
            Property(
                "it is so for every template",
                {"templates": _random(4, 2), "gamma": torch.tensor([-2.0, 0.1, -0.3, 1.5])},
                of=_shares_with(torch.tensor([-2.0, 0.1, -0.3, 1.5])),
            ),
        ],
    )


def full_shares(attempt: Any = None) -> Callable:
    """Check `attempt(scores (K,), gamma (K,), threshold (K,)) -> (K,)`: the quadratic choice, full regions included.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 05.
    """
    ones, zeros = torch.ones(2), torch.zeros(2)
    return check(
        attempt,
        _full_shares,
        [
            Property(
                "one share a template; the share of no match is not returned",
                {"scores": _random(4), "gamma": torch.ones(4), "threshold": torch.zeros(4)},
                only_shape=True,
            ),
            Property(
                "with room left it is the ReLU, and nothing is divided",
                {"scores": torch.tensor([0.9, 0.2]), "gamma": 0.5 * ones, "threshold": 0.1 * ones},
            ),
            Property(
                "the shares sum to 1 at most",
                {"scores": torch.tensor([2.0, 1.5]), "gamma": ones, "threshold": zeros},
                of=lambda p: p.sum() <= 1 + 1e-5,
            ),
            Property(
                "a full region raises all thresholds by the same amount: two templates at 2 and 1.5 keep their "
                "difference",
                {"scores": torch.tensor([2.0, 1.5]), "gamma": ones, "threshold": zeros},
            ),
            Property(
                "a template that the raised threshold passes gets nothing",
                {"scores": torch.tensor([3.0, 1.0]), "gamma": ones, "threshold": zeros},
            ),
            Property(
                "gamma multiplies what is left above the raised threshold",
                {"scores": torch.tensor([2.0, 2.0]), "gamma": torch.tensor([3.0, 1.0]), "threshold": zeros},
            ),
            Property(
                "it is the best plan under the quadratic price",
                {
                    "scores": 2 * _random(8),
                    "gamma": _random(8, seed=1).abs() + 0.1,
                    "threshold": _random(8, seed=2),
                },
            ),
        ],
    )


def best_loss(attempt: Any = None) -> Callable:
    """Check `attempt(scores (B, K, H, W), labels (B,), per_class) -> scalar`: the best regions answer for the image.

    Templates `c per_class ... (c + 1) per_class - 1` belong to class c.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 05.
    """
    sure = torch.zeros(1, 4, 1, 3)
    sure[0, 2, 0, 0] = 20.0
    pair = torch.tensor([3.0, 3.0, 3.0, -9.0]).view(1, 4, 1, 1)
    return check(
        attempt,
        _best_loss,
        [
            Property(
                "one number",
                {"scores": _random(2, 4, 2, 2), "labels": torch.tensor([0, 1]), "per_class": 2},
                only_shape=True,
            ),
            Property(
                "one sure region is enough: the silent ones cost next to nothing",
                {"scores": sure, "labels": torch.tensor([2]), "per_class": 1},
            ),
            Property(
                "regions are summed after the exponential: none of them is thrown away",
                {"scores": _random(1, 3, 2, 2), "labels": torch.tensor([1]), "per_class": 1},
            ),
            Property(
                "two templates of a class that both fit say more than one: neither their mean nor the larger counts",
                {"scores": pair, "labels": torch.tensor([0]), "per_class": 2},
            ),
            Property(
                "templates that follow each other belong to one class",
                {"scores": _random(1, 6, 1, 1), "labels": torch.tensor([1]), "per_class": 3},
            ),
            Property(
                "it is the cross-entropy of the log-sum-exp over a class's templates and all regions",
                {"scores": 2 * _random(4, 6, 3, 2), "labels": torch.tensor([2, 0, 1, 1]), "per_class": 2},
            ),
        ],
    )


def _batchnorm_relu(scores: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    normal = torch.nn.functional.batch_norm(scores, None, None, gamma, beta, training=True)
    return torch.relu(normal)


def _positive_templates(templates: Tensor, gamma: Tensor) -> Tensor:
    return templates * gamma.sign()[:, None]


def _shares_with(gamma: Tensor) -> Callable:
    """The shares of 40 regions under templates with |gamma| and a common beta."""

    def shares(templates: Tensor) -> Tensor:
        scores = _random(40, templates.shape[1]).double() @ templates.double().T  # (N, K)
        normal = (scores - scores.mean(dim=0)) / scores.std(dim=0, unbiased=False)
        return torch.relu(gamma.abs() * normal + 0.2)

    return shares


def _full_shares(scores: Tensor, gamma: Tensor, threshold: Tensor) -> Tensor:
    return quadratic_assignment(scores, gamma, threshold).weights


def _best_loss(scores: Tensor, labels: Tensor, per_class: int) -> Tensor:
    return class_template_loss(scores, labels, variant="best", per_class=per_class)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
