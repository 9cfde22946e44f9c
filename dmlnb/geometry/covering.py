"""Diagnostics of proxies: what they cover, how far classes are apart, how often a chance constraint is violated.

All are functions of finished embeddings and need no gradient. Taught in notebook 04.
"""

import torch
from torch import Tensor

from dmlnb._inputs import require_embeddings, require_labels, require_positive
from dmlnb.geometry import greedy_k_center, pairwise_distances

_BLOCK = 1 << 22  # distances at a time


def proxy_cover(embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
    """For each class, the radius of equal balls round its proxies that cover its samples.

    $$ r_c = \\max_{i : y_i = c}\\ \\min_k\\ \\lVert x_i - \\rho_{ck} \\rVert $$

    Args:
        embeddings: `(N, d)`, normalised as the loss does it, and so are
        proxies: `(C, K, d)`.
        labels: `(N,)` in 0 .. C - 1.

    Returns:
        `(C,)`; 0 for a class without samples.

    Raises:
        ValueError: for bad shapes, labels out of range, or NaN.

    Source: the bound on the generalisation of proxy losses in [gurbuz2024ccp]. Taught in notebook 04.
    """
    require_embeddings(embeddings)
    if proxies.ndim != 3 or 0 in proxies.shape or proxies.shape[2] != embeddings.shape[1]:
        raise ValueError(
            f"proxies: expected (C, K, {embeddings.shape[1]}), not empty, got {tuple(proxies.shape)}"
        )
    require_labels(labels, len(embeddings), len(proxies))
    wide = torch.promote_types(embeddings.dtype, torch.float32)
    # one sample against the K proxies of its class: (N, K)
    rows = max(1, _BLOCK // proxies[0].numel())
    nearest = torch.cat(
        [
            pairwise_distances(x.unsqueeze(1), proxies[y].to(x)).flatten(1).amin(dim=1)
            for x, y in zip(embeddings.to(wide).split(rows), labels.long().split(rows), strict=True)
        ]
    )
    radii = nearest.new_zeros(len(proxies))
    return radii.scatter_reduce(0, labels.long(), nearest, "amax", include_self=True)


def proxy_spread(proxies: Tensor) -> Tensor:
    """For each class, the largest distance between two of its proxies; 0 when they have coalesced.

    Args:
        proxies: `(C, K, d)`.

    Returns:
        `(C,)`.

    Raises:
        ValueError: for another shape.

    Taught in notebook 04.
    """
    if proxies.ndim != 3 or 0 in proxies.shape:
        raise ValueError(f"proxies: expected (C, K, d), not empty, got {tuple(proxies.shape)}")
    return pairwise_distances(proxies, proxies).flatten(1).amax(dim=1)


def k_center_profile(points: Tensor) -> Tensor:
    """Cover radius of the first k farthest-first centres among the points, for each k.

    $$ \\delta_k = \\max_i \\min_{j \\le k} \\lVert p_i - p_{(j)} \\rVert, \\quad k = 1, \\dots, n $$

    Its mean over k says how spread out a class is, without any proxies.

    Args:
        points: `(n, d)`, one class.

    Returns:
        `(n,)`, not increasing; the last is 0.

    Raises:
        ValueError: for bad shapes or NaN.

    Source: [gurbuz2024ccp], figure of unseen classes in the supplement. Taught in notebook 04.
    """
    require_embeddings(points, "points")
    order = greedy_k_center(points[None], points[None, :0], len(points))[0]  # (n,)
    return pairwise_distances(points, points[order]).cummin(dim=1).values.amax(dim=0)


def interclass_distance(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Mean distance of two samples of different classes.

    $$ \\mathbb{E}[\\, \\lVert x_i - x_j \\rVert \\mid y_i \\ne y_j \\,] $$

    Args:
        embeddings: `(N, d)`.
        labels: `(N,)` integers >= 0, at least two classes.

    Returns:
        Scalar tensor.

    Raises:
        ValueError: for bad shapes, NaN, or a single class.

    Taught in notebook 04.
    """
    require_embeddings(embeddings)
    require_labels(labels, len(embeddings))
    if labels.min() == labels.max():
        raise ValueError("labels: expected at least two classes, got one")
    rows = max(1, _BLOCK // len(embeddings))
    total, pairs = 0.0, 0
    for x, y in zip(embeddings.split(rows), labels.split(rows), strict=True):
        other = y[:, None] != labels  # (rows, N)
        total = total + pairwise_distances(x, embeddings).where(other, 0).double().sum()
        pairs += int(other.sum())
    return total / pairs


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

    $$ \\ell(z_i, z_j) = \\bigl( y_{ij} (d_{ij} - \\beta) + \\alpha \\bigr)_+, \\qquad
       y_{ij} = +1 \\text{ for the same class, } -1 \\text{ otherwise} $$

    Args:
        anchors: `(A, d)`.
        anchor_labels: `(A,)`.
        points: `(N, d)`.
        point_labels: `(N,)`.
        boundary: β, the distance that should separate positive from negative pairs.
        margin: α > 0. A pair on the wrong side of β has ℓ > α.

    Returns:
        `(A, N)`.

    Raises:
        ValueError: for bad shapes, NaN, or a margin that is not positive.

    Source: [gurbuz2024ccp], supplement. Taught in notebook 04.
    """
    require_embeddings(anchors, "anchors")
    require_embeddings(points, "points")
    require_labels(anchor_labels, len(anchors), name="anchor_labels")
    require_labels(point_labels, len(points), name="point_labels")
    require_positive(margin=margin)
    distance = pairwise_distances(anchors, points)
    sign = torch.where(anchor_labels[:, None] == point_labels, 1.0, -1.0).to(distance)
    return (sign * (distance - boundary) + margin).clamp(min=0)


def violation_rate(terms: Tensor, threshold: float) -> Tensor:
    """Empirical chance-constraint violation of each anchor, $\\Pr_z[\\ell(z_i, z) \\ge t]$.

    By Markov's inequality it is at most `terms.mean(dim=1) / threshold`.

    Args:
        terms: `(A, N)`, not negative, as `pair_terms` returns them.
        threshold: t > 0.

    Returns:
        `(A,)` shares in 0 .. 1.

    Raises:
        ValueError: for another shape, negative terms, or a threshold that is not positive.

    Source: [gurbuz2024ccp]. Taught in notebook 04.
    """
    require_positive(threshold=threshold)
    if terms.ndim != 2 or 0 in terms.shape or not (terms >= 0).all():
        raise ValueError(f"terms: expected (A, N), not empty, not negative, got {tuple(terms.shape)}")
    return (terms >= threshold).to(terms.dtype).mean(dim=1)
