"""Chance constraints: the loss of a pair, and how often it is too large."""

import torch
from torch import Tensor

from dmlnb._inputs import (
    as_labels,
    require_embeddings,
    require_finite,
    require_floats,
    require_positive,
    traced,
    wide,
)
from dmlnb.geometry import pairwise_distances


def pair_terms(
    anchors: Tensor,
    anchor_labels: Tensor,
    points: Tensor,
    point_labels: Tensor,
    *,
    boundary: float = 0.5,
    margin: float = 0.25,
) -> Tensor:
    """Generalised contrastive loss of every anchor with every point.

    $$ \\ell(x_i, x_j) = \\bigl( y_{ij} (d_{ij} - \\beta) + \\alpha \\bigr)_+, \\qquad
       y_{ij} = +1 \\text{ for the same class, } -1 \\text{ otherwise} $$

    Args:
        anchors: `(A, d)`.
        anchor_labels: `(A,)`.
        points: `(N, d)`.
        point_labels: `(N,)`.
        boundary: β, the distance that should separate positive from negative pairs.
        margin: α > 0. A pair on the wrong side of β has ℓ > α.

    Returns:
        `(A, N)`, at least float32.

    Raises:
        ValueError: for bad shapes, NaN, or a margin that is not positive.

    Source: [gurbuz2024ccp], supplement. Taught in notebook 04.
    """
    require_embeddings(anchors, "anchors")
    require_embeddings(points, "points")
    anchor_labels = as_labels(anchor_labels, len(anchors), name="anchor_labels")
    point_labels = as_labels(point_labels, len(points), name="point_labels")
    require_positive(margin=margin)
    require_finite(boundary=boundary)
    distance = pairwise_distances(anchors, points)
    sign = torch.where(anchor_labels[:, None] == point_labels, 1.0, -1.0).to(distance)
    return (sign * (distance - boundary) + margin).clamp(min=0)


def violation_rate(terms: Tensor, threshold: float) -> Tensor:
    """Empirical chance-constraint violation of each anchor, $\\Pr_x[\\ell(x_i, x) \\ge t]$.

    By Markov's inequality it is at most `terms.mean(dim=1) / threshold`.

    Args:
        terms: `(A, N)`, not negative, as `pair_terms` returns them.
        threshold: t > 0.

    Returns:
        `(A,)` shares in 0 .. 1, at least float32.

    Raises:
        ValueError: for another shape, negative terms, or a threshold that is not positive.

    Source: [gurbuz2024ccp]. Taught in notebook 04.
    """
    require_positive(threshold=threshold)
    require_floats(terms=terms, finite=True)
    if terms.ndim != 2 or 0 in terms.shape or not (traced() or (terms >= 0).all()):
        raise ValueError(f"terms: expected (A, N), not empty, not negative, got {tuple(terms.shape)}")
    return (terms >= threshold).to(wide(terms)).mean(dim=1)
