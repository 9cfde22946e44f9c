"""Checkers of notebook 05: choosing a template, batch normalisation with ReLU, the block, and its supervision."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb.course.checks.core import Property, check
from dmlnb.losses import class_template_loss
from dmlnb.models import entropy_assignment


def softmax_with_no_match(attempt: Any = None) -> Callable:
    """Check `attempt(scores (K,), no_match, sharpness) -> (K,)`: shares of the templates, beside one of no match.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 05.
    """
    flat = {"scores": torch.zeros(3), "no_match": 0.0}
    return check(
        attempt,
        _softmax_with_no_match,
        [
            Property(
                "one share a template; the share of no match is not returned",
                {"scores": torch.tensor([0.5, -1.0, 2.0]), "no_match": 0.3, "sharpness": 1.0},
                only_shape=True,
            ),
            Property(
                "no match takes part: three equal templates as good as no match get a quarter each, not a third",
                flat | {"sharpness": 1.0},
            ),
            Property(
                "the score of no match counts: a high one leaves next to nothing for the templates",
                {"scores": torch.zeros(2), "no_match": 9.0, "sharpness": 1.0},
            ),
            Property(
                "the sharpness multiplies the score of no match too",
                {"scores": torch.tensor([1.0, 0.0]), "no_match": 2.0, "sharpness": 3.0},
            ),
            Property(
                "no overflow: e to the score is never formed alone, large scores work",
                {"scores": torch.tensor([1000.0, 998.0]), "no_match": 999.0, "sharpness": 1.0},
            ),
            Property(
                "it is the softmax over K + 1 options, without the first",
                {"scores": _random(7), "no_match": -0.4, "sharpness": 2.2},
            ),
        ],
    )


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


def add_matches(attempt: Any = None) -> Callable:
    """Check `attempt(x (C, H, W), shares (K, H, W), vectors (C, K)) -> (C, H, W)`: vectors by shares.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 05.
    """
    one = torch.zeros(2, 1, 3)
    one[1, 0, 2] = 2.0  # template 1 at the last region
    vectors = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    return check(
        attempt,
        _add_matches,
        [
            Property(
                "a map of the shape of x",
                {"x": _random(3, 2, 4), "shares": _random(5, 2, 4), "vectors": _random(3, 5)},
                only_shape=True,
            ),
            Property(
                "a region without a match is left alone: the shortcut carries x",
                {"x": _random(3, 2, 2), "shares": torch.zeros(2, 2, 2), "vectors": vectors},
            ),
            Property(
                "the vector of a template is a column: two shares of template 1 add (20, 40, 60)",
                {"x": torch.zeros(3, 1, 3), "shares": one, "vectors": vectors},
            ),
            Property(
                "shares are used as they are, not divided by their sum",
                {"x": torch.zeros(3, 1, 1), "shares": torch.ones(2, 1, 1), "vectors": vectors},
            ),
            Property(
                "it is x plus the sum over templates of share times vector, region by region",
                {"x": _random(3, 4, 2), "shares": _random(5, 4, 2, seed=1), "vectors": _random(3, 5, seed=2)},
            ),
        ],
    )


def dense_loss(attempt: Any = None) -> Callable:
    """Check `attempt(scores (B, K, H, W), labels (B,)) -> scalar`: mean cross-entropy of all regions.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 05.
    """
    half = torch.zeros(1, 4, 1, 2)
    half[0, 1, 0, 0] = 30.0
    return check(
        attempt,
        class_template_loss,
        [
            Property(
                "one number", {"scores": _random(2, 3, 2, 2), "labels": torch.tensor([0, 2])}, only_shape=True
            ),
            Property(
                "the mean over regions, not their sum: even scores of K classes give log K, however many regions",
                {"scores": torch.zeros(2, 5, 3, 3), "labels": torch.tensor([4, 0])},
            ),
            Property(
                "every region is asked, not their average: one sure and one silent region give half of log K",
                {"scores": half, "labels": torch.tensor([1])},
            ),
            Property(
                "classes are the second axis, regions the last two",
                {"scores": _random(2, 3, 3, 3), "labels": torch.tensor([0, 2])},
            ),
            Property(
                "it is the cross-entropy of each region with the label of its image",
                {"scores": 3 * _random(4, 6, 3, 2), "labels": torch.tensor([5, 0, 3, 3])},
            ),
        ],
    )


def _softmax_with_no_match(scores: Tensor, no_match: float, sharpness: float) -> Tensor:
    return entropy_assignment(scores, no_match, sharpness=sharpness).weights


def _batchnorm_relu(scores: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    normal = torch.nn.functional.batch_norm(scores, None, None, gamma, beta, training=True)
    return torch.relu(normal)


def _add_matches(x: Tensor, shares: Tensor, vectors: Tensor) -> Tensor:
    return x + torch.einsum("khw,ck->chw", shares, vectors)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
