"""Geometry that several methods share: the unit ball, accurate distances, farthest-first selection, cover radius."""

import torch
from torch import Tensor


def clip_to_ball(v: Tensor, dim: int = -1) -> Tensor:
    """Project vectors on the closed unit ball: $v / \\max(1, \\lVert v \\rVert)$.

    The gradient is the identity inside the ball and on its surface, and $(I - \\hat v \\hat v^\\top) / \\lVert v \\rVert$
    outside. Unlike $v / \\lVert v \\rVert$ it is 1-Lipschitz and harmless at zero.

    Args:
        v: any shape, floating point.
        dim: the axis that holds the coordinates.

    Returns:
        As `v`.

    Source: [gurbuz2023gsp], [gurbuz2024ccp] (the normalisation in the released code). Taught in notebooks 02 and 04.
    """
    norm = torch.linalg.vector_norm(v, dim=dim, keepdim=True)
    return v / torch.where(norm > 1, norm, torch.ones_like(norm))


def normalize(v: Tensor, how: str | None = "sphere") -> Tensor:
    """Rows on the unit sphere (`"sphere"`), clipped to the unit ball (`"ball"`), or untouched (None).

    Raises:
        ValueError: for any other `how`.
    """
    if how == "sphere":
        norm = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
        return v / torch.where(norm > 0, norm, torch.ones_like(norm))  # zero stays zero, its gradient finite
    if how == "ball":
        return clip_to_ball(v)
    if how is None:
        return v
    raise ValueError(f"how: expected 'sphere', 'ball' or None, got {how!r}")


def pairwise_distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances, $d_{ij} = \\lVert a_i - b_j \\rVert_2$, not squared.

    They are computed from differences, not from $|a|^2 + |b|^2 - 2ab$, whose rounding hides the distance of near
    points. No (N, M, d) tensor is formed. The gradient at distance zero is zero.

    Args:
        a: `(..., N, d)`.
        b: `(..., M, d)`.

    Returns:
        `(..., N, M)`; float16 and bfloat16 are computed, and returned, in float32.

    Raises:
        ValueError: if the last axes differ.

    Taught in notebook 01.
    """
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"a, b: expected (..., N, d) and (..., M, d), got {tuple(a.shape)} and {tuple(b.shape)}")
    if a.dtype in (torch.float16, torch.bfloat16):
        a, b = a.float(), b.float()
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def greedy_k_center(pool: Tensor, current: Tensor, k: int) -> Tensor:
    """Farthest-first selection: k times, take the pool point that is farthest from all centres so far.

    $$ j^\\star = \\arg\\max_j \\min_{c \\in \\text{current} \\cup \\text{picked}} \\lVert p_j - c \\rVert $$

    Its cover radius is at most twice the best one possible [gonzalez1985kcenter]. All classes are processed at once;
    memory is that of the pool and of one distance a pool point.

    Args:
        pool: `(C, b, D)` candidates of each class.
        current: `(C, K0, D)` centres that are there already; K0 may be 0, then the first pick is candidate 0.
        k: picks a class, 1 <= k <= b.

    Returns:
        `(C, k)` indices into the pool, in the order of picking; the first index wins ties.

    Raises:
        ValueError: for shapes that do not fit, or k outside 1 .. b.

    Taught in notebooks 01 and 04.
    """
    if pool.ndim != 3 or current.ndim != 3 or pool.shape[::2] != current.shape[::2]:
        raise ValueError(
            f"pool, current: expected (C, b, D) and (C, K0, D), got {tuple(pool.shape)} and {tuple(current.shape)}"
        )
    if not 1 <= k <= pool.shape[1]:
        raise ValueError(f"k: expected 1 .. {pool.shape[1]} (candidates a class), got {k}")
    rows = torch.arange(len(pool), device=pool.device)
    nearest = pool.new_full(pool.shape[:2], torch.inf)  # (C, b) squared distance to the nearest centre
    for centre in current.unbind(dim=1):
        nearest = torch.minimum(nearest, (pool - centre[:, None]).square().sum(dim=2))
    picks = []
    for _ in range(k):
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
    if points.ndim != 2 or centres.ndim != 2 or 0 in points.shape or 0 in centres.shape:
        raise ValueError(
            f"points, centres: expected (N, D) and (K, D), not empty, got {tuple(points.shape)}, {tuple(centres.shape)}"
        )
    return torch.stack([pairwise_distances(rows, centres).amin(dim=1).amax() for rows in points.split(8192)]).amax()
