"""Covering: how few centres stand for many points, and how far apart classes and proxies are."""

import torch
from torch import Tensor

from dmlnb._inputs import as_int, as_labels, require_embeddings, require_floats, wide, widest
from dmlnb.geometry.distances import pairwise_distances

_BLOCK = 1 << 22  # distances at a time


def greedy_k_center(pool: Tensor, current: Tensor, k: int) -> Tensor:
    """Farthest-first selection: k times, take the pool point that is farthest from all centres so far.

    $$ j^\\star = \\arg\\max_j \\min_{c \\in \\text{current} \\cup \\text{picked}} \\lVert p_j - c \\rVert $$

    Starting from no centre, its cover radius is at most twice the best one possible [gonzalez1985kcenter].
    All classes are processed at once; memory is that of the pool and of one distance a pool point. Distances
    are compared squared, so that equal ones stay exactly equal.

    Args:
        pool: `(C, b, D)` candidates of each class.
        current: `(C, K0, D)` centres that are there already; K0 may be 0, then candidate 0 is picked first.
        k: picks a class, 1 <= k <= b.

    Returns:
        `(C, k)` indices into the pool, in the order of picking; the first index wins ties.

    Raises:
        ValueError: for shapes that do not fit, integers, NaN, or k outside 1 .. b.

    Taught in notebook 04.
    """
    require_floats(pool=pool, current=current, finite=True)
    if pool.ndim != 3 or current.ndim != 3 or pool.shape[::2] != current.shape[::2]:
        raise ValueError(
            "pool, current: expected (C, b, D) and (C, K0, D), "
            f"got {tuple(pool.shape)} and {tuple(current.shape)}"
        )
    if not 1 <= as_int(k, "k", least=0) <= pool.shape[1]:
        raise ValueError(f"k: expected 1 .. {pool.shape[1]} (candidates a class), got {k}")
    dtype = wide(pool, current)
    pool, current = pool.to(dtype), current.to(dtype)
    size = torch.cat([part.abs().amax(dim=2) for part in (pool, current)], dim=1).amax(dim=1)  # (C,)
    unit = (
        torch.where(size > 0, size, 1).log2().floor().exp2()[:, None, None]
    )  # a power of two: nothing is rounded
    pool, current = pool / unit, current / unit  # and no square overflows
    rows = torch.arange(len(pool), device=pool.device)
    nearest = pool.new_full(pool.shape[:2], torch.inf)  # (C, b) squared distance to the nearest centre
    for centre in current.unbind(dim=1):
        nearest = torch.minimum(nearest, (pool - centre[:, None]).square().sum(dim=2))
    picks = []
    for _ in range(int(k)):
        farthest = nearest.argmax(dim=1)  # (C,)
        picks.append(farthest)
        nearest = torch.minimum(nearest, (pool - pool[rows, farthest][:, None]).square().sum(dim=2))
        nearest[rows, farthest] = -1.0  # never twice, even among duplicates
    return torch.stack(picks, dim=1)


def cover_radius(points: Tensor, centres: Tensor) -> Tensor:
    """The smallest radius with which balls round the centres cover the points.

    $$ \\delta = \\max_i \\min_k \\lVert p_i - c_k \\rVert $$

    Args:
        points: `(N, D)`.
        centres: `(K, D)`.

    Returns:
        Scalar tensor, in the unit of the points.

    Raises:
        ValueError: if there is no point or no centre.

    Taught in notebooks 01 and 04.
    """
    require_floats(points=points, centres=centres, finite=True)
    if points.ndim != 2 or centres.ndim != 2 or 0 in points.shape or 0 in centres.shape:
        raise ValueError(
            "points, centres: expected (N, D) and (K, D), not empty, "
            f"got {tuple(points.shape)} and {tuple(centres.shape)}"
        )
    rows = max(1, _BLOCK // len(centres))
    radii = [pairwise_distances(part, centres).amin(dim=1).amax() for part in points.split(rows)]
    return torch.stack(radii).amax()


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

    Source: [gurbuz2024ccp], figure of unseen classes in the supplement.
    """
    require_embeddings(points, "points")
    order = greedy_k_center(points[None], points[None, :0], len(points))[0]  # (n,)
    return pairwise_distances(points, points[order]).cummin(dim=1).values.amax(dim=0)


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
    require_floats(proxies=proxies, finite=True)
    if proxies.ndim != 3 or 0 in proxies.shape or proxies.shape[2] != embeddings.shape[1]:
        raise ValueError(
            f"proxies: expected (C, K, {embeddings.shape[1]}), not empty, got {tuple(proxies.shape)}"
        )
    labels = as_labels(labels, len(embeddings), len(proxies))
    dtype = wide(embeddings, proxies)
    # one sample against the K proxies of its class: (N, K)
    rows = max(1, _BLOCK // proxies[0].numel())
    nearest = torch.cat(
        [
            pairwise_distances(x.unsqueeze(1), proxies.to(x)[y]).flatten(1).amin(dim=1)
            for x, y in zip(embeddings.to(dtype).split(rows), labels.split(rows), strict=True)
        ]
    )
    radii = nearest.new_zeros(len(proxies))
    return radii.scatter_reduce(0, labels, nearest, "amax", include_self=True)


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
    require_floats(proxies=proxies, finite=True)
    if proxies.ndim != 3 or 0 in proxies.shape:
        raise ValueError(f"proxies: expected (C, K, d), not empty, got {tuple(proxies.shape)}")
    return pairwise_distances(proxies, proxies).flatten(1).amax(dim=1)


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
    """
    require_embeddings(embeddings)
    labels = as_labels(labels, len(embeddings))
    if labels.min() == labels.max():
        raise ValueError("labels: expected at least two classes, got one")
    rows = max(1, _BLOCK // len(embeddings))
    total, pairs = embeddings.new_zeros((), dtype=widest(embeddings)), 0
    for x, y in zip(embeddings.split(rows), labels.split(rows), strict=True):
        other = y[:, None] != labels  # (rows, N)
        total = total + pairwise_distances(x, embeddings).where(other, 0).sum(dtype=widest(x))
        pairs += int(other.sum())
    return total / pairs
