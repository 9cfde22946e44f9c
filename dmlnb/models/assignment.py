"""Which template gets a region: the hard choice, its entropy smoothing, and the quadratic form that BN-ReLU solves.

A region has a score for each of K templates. Besides them stands one more option, *no match*. All functions here answer
the same question, how much of the region each option gets; they differ in what they charge for an answer.
"""

from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor

from dmlnb._inputs import require_finite, require_positive, wide


class Assignment(NamedTuple):
    """How one region is shared out; weights and `unmatched` sum to 1.

    Attributes:
        weights: `(..., K, ...)` share of each template, >= 0; shape of the scores.
        unmatched: the share q of the no-match option; shape of the scores without the axis of templates.
    """

    weights: Tensor
    unmatched: Tensor


def hard_assignment(scores: Tensor, no_match: float = 0.0, *, dim: int = -1) -> Assignment:
    """All of the region to the best option.

    $$ \\max_{p, q \\ge 0}\\ q \\mu + \\sum_k p_k a_k \\quad \\text{subject to} \\quad q + \\sum_k p_k = 1 $$

    A linear program on a simplex has a solution at a corner: the best template if its score is above $\\mu$, else no
    match. The first of equal templates wins.

    Args:
        scores: a, `(..., K, ...)` floating point, finite.
        no_match: $\\mu$, the score of the no-match option.
        dim: axis of the K templates.

    Returns:
        An `Assignment` of zeros and ones.

    Raises:
        ValueError: for integer, empty or not finite scores.

    Source: [gorgun2023letkd], supplement, which restates [gorgun2022template]. Taught in notebook 05.
    """
    _require_scores(scores, dim)
    require_finite(no_match=no_match)
    best, winner = scores.max(dim=dim, keepdim=True)
    weights = torch.zeros_like(scores).scatter(dim, winner, (best > no_match).to(scores.dtype))
    return Assignment(weights, 1 - weights.sum(dim=dim))


def entropy_assignment(
    scores: Tensor, no_match: float = 0.0, *, sharpness: float = 1.0, dim: int = -1
) -> Assignment:
    """The hard problem with a reward for entropy: a softmax with one more, constant channel.

    $$ p_k = \\frac{e^{\\varepsilon a_k}}{e^{\\varepsilon \\mu} + \\sum_j e^{\\varepsilon a_j}}
       \\quad\\text{maximises}\\quad
       q \\mu + p^\\top a - \\tfrac1\\varepsilon \\bigl(q \\log q + \\textstyle\\sum_k p_k \\log p_k\\bigr) $$

    Args:
        scores: a, `(..., K, ...)` floating point, finite.
        no_match: $\\mu$.
        sharpness: $\\varepsilon$ > 0; infinitely sharp is `hard_assignment`.
        dim: axis of the K templates.

    Returns:
        The `Assignment`; every share is positive, up to rounding.

    Raises:
        ValueError: for bad scores, or a sharpness that is not positive.

    Source: as `hard_assignment`. Taught in notebook 05.
    """
    _require_scores(scores, dim)
    require_finite(no_match=no_match)
    if sharpness == float("inf"):
        return hard_assignment(scores, no_match, dim=dim)
    require_positive(sharpness=sharpness)
    slot = torch.full_like(scores.narrow(dim, 0, 1), no_match)
    share = torch.softmax(sharpness * torch.cat([slot, scores], dim=dim), dim=dim)
    count = scores.shape[dim]
    return Assignment(share.narrow(dim, 1, count), share.select(dim, 0))


def quadratic_assignment(
    scores: Tensor, gamma: Tensor | float = 1.0, threshold: Tensor | float = 0.0, *, dim: int = -1
) -> Assignment:
    """The hard problem with a quadratic charge: while the shares fit, the answer is a ReLU.

    $$ \\max_{p, q \\ge 0}\\ \\sum_k p_k (a_k - \\mu_k) - \\sum_k \\frac{p_k^2}{2 \\gamma_k}
       \\quad \\text{subject to} \\quad q + \\sum_k p_k = 1 $$

    has $p_k = \\gamma_k \\max(0, a_k - \\mu_k - \\lambda)$. Where $\\sum_k \\gamma_k \\max(0, a_k - \\mu_k) \\le 1$
    there is room for a no-match share, $\\lambda = 0$, and $p_k = \\max(0, \\gamma_k a_k + \\beta_k)$ with
    $\\beta_k = -\\gamma_k \\mu_k$: with standardised scores this is batch normalisation followed by ReLU. Otherwise
    $\\lambda > 0$ raises all thresholds until the shares sum to 1 and q = 0.

    Args:
        scores: a, `(..., K, ...)` floating point, finite.
        gamma: > 0, a number or `(K,)`: how decisive each template is.
        threshold: $\\mu$, a number or `(K,)`: the score above which each template begins to count.
        dim: axis of the K templates.

    Returns:
        The `Assignment`, exact (one sort, no iteration), differentiable almost everywhere.

    Raises:
        ValueError: for bad scores, or a gamma that is not positive.

    Source: ours. The entropy form it replaces is in [gorgun2023letkd], supplement. Taught in notebook 05.
    """
    _require_scores(scores, dim)
    for name, number in {"gamma": gamma, "threshold": threshold}.items():
        if not isinstance(number, Tensor | Real):
            raise ValueError(f"{name}: expected a number or a tensor, got {number!r}")
    gamma, threshold = (
        torch.as_tensor(number, dtype=wide(scores), device=scores.device) for number in (gamma, threshold)
    )
    if not ((gamma > 0) & (gamma < torch.inf)).all():
        raise ValueError(
            f"gamma: expected numbers > 0, finite, got {gamma.min().item()} .. {gamma.max().item()}"
        )
    if not torch.isfinite(threshold).all():
        raise ValueError("threshold: expected finite numbers, got NaN or infinity")
    margin = scores.to(wide(scores)).movedim(dim, -1) - threshold  # (..., K)
    gamma = gamma.expand_as(margin)
    top = margin.amax(dim=-1, keepdim=True).clamp(min=0)  # shares depend on differences: keep their digits
    sorted_margin, order = (margin - top).sort(dim=-1, descending=True)
    sorted_gamma = gamma.gather(-1, order)
    # with the best j templates at work, their shares sum to 1 for this lambda:
    mass = sorted_gamma.cumsum(dim=-1)
    shift = ((sorted_gamma * sorted_margin).cumsum(dim=-1) - 1) / mass  # (..., K)
    at_work = (
        (sorted_margin > shift).sum(dim=-1, keepdim=True).clamp(min=1)
    )  # true for the first of them only
    shift = shift.gather(-1, at_work - 1)  # lambda - top, (..., 1)
    weights = gamma * torch.relu(
        torch.where(shift > -top, margin - top - shift, margin)
    )  # lambda is not below 0
    unmatched = (1 - weights.sum(dim=-1)).clamp(min=0)
    return Assignment(weights.movedim(-1, dim).to(scores.dtype), unmatched.to(scores.dtype))


def _require_scores(scores: Tensor, dim: int) -> None:
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        got = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f"scores: expected a floating-point tensor, got {got}")
    if scores.ndim == 0 or scores.shape[dim] == 0:
        raise ValueError(
            f"scores: expected at least one template on axis {dim}, got shape {tuple(scores.shape)}"
        )
    if not torch.isfinite(scores).all():
        raise ValueError("scores: expected finite numbers, got NaN or infinity")
