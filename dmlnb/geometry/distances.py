"""Geometry that several methods share: unit ball, distances, farthest-first selection, cover radius."""

import torch
from torch import Tensor


def clip_to_ball(v: Tensor, dim: int = -1) -> Tensor:
    """Project vectors on the closed unit ball: $v / \\max(1, \\lVert v \\rVert)$.

    The gradient is the identity inside the ball and on its surface, and $(I - \\hat v \\hat v^\\top) /
    \\lVert v \\rVert$ outside. Unlike $v / \\lVert v \\rVert$ it is 1-Lipschitz and harmless at zero.

    Args:
        v: any shape, floating point; norms of float16 and bfloat16 are computed in float32.
        dim: the axis that holds the coordinates.

    Returns:
        As `v`.

    Source: [gurbuz2023gsp], [gurbuz2024ccp] (the normalisation in the released code). Taught in notebooks 02
    and 04.
    """
    norm = torch.linalg.vector_norm(v, dim=dim, keepdim=True, dtype=_wide(v))
    return (v / torch.where(norm > 1, norm, torch.ones_like(norm))).to(v.dtype)


def normalize(v: Tensor, how: str | None = "sphere") -> Tensor:
    """Rows on the unit sphere (`"sphere"`), clipped to the unit ball (`"ball"`), or untouched (None).

    On the sphere every row but zero gets norm 1, however large or small it is; zero stays zero.

    Args:
        v: `(..., d)`, floating point.
        how: `"sphere"`, `"ball"` or None.

    Returns:
        As `v`.

    Raises:
        ValueError: for any other `how`.
    """
    if how == "sphere":
        wide = v.to(_wide(v))
        size = wide.detach().abs().amax(dim=-1, keepdim=True)  # squares beyond 1e15 or below 1e-15 need care
        extreme = ((size > 1e15) & (size < torch.inf)) | ((size < 1e-15) & (size > 0))
        wide = wide / torch.where(extreme, size, torch.ones_like(size))
        norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        return (wide / torch.where(norm > 0, norm, torch.ones_like(norm))).to(v.dtype)
    if how == "ball":
        return clip_to_ball(v)
    if how is None:
        return v
    raise ValueError(f"normalize, how: expected 'sphere', 'ball' or None, got {how!r}")


def pairwise_distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances, $d_{ij} = \\lVert a_i - b_j \\rVert_2$, not squared.

    They are computed from differences, not from $|a|^2 + |b|^2 - 2ab$, whose rounding hides the distance of
    near points. No (N, M, d) tensor is formed. The gradient at distance zero is zero.

    Args:
        a: `(..., N, d)`.
        b: `(..., M, d)`.

    Returns:
        `(..., N, M)`; float16 and bfloat16 are computed, and returned, in float32, also under autocast.

    Raises:
        ValueError: if the last axes differ.

    Taught in notebook 01.
    """
    _require_same_space(a, b)
    wide = torch.promote_types(_wide(a), _wide(b))
    with torch.autocast(a.device.type, enabled=False):
        return torch.cdist(a.to(wide), b.to(wide), compute_mode="donot_use_mm_for_euclid_dist")


def inner_products(a: Tensor, b: Tensor) -> Tensor:
    """All inner products, $s_{ij} = \\langle a_i, b_j \\rangle$; of unit vectors, their cosine similarities.

    Args:
        a: `(..., N, d)`.
        b: `(..., M, d)`.

    Returns:
        `(..., N, M)`, at least float32, also under autocast.

    Raises:
        ValueError: if the last axes differ.

    Taught in notebook 00.
    """
    _require_same_space(a, b)
    wide = torch.promote_types(_wide(a), _wide(b))
    with torch.autocast(a.device.type, enabled=False):
        return a.to(wide) @ b.to(wide).transpose(-2, -1)


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

    Taught in notebooks 01 and 04.
    """
    if pool.ndim != 3 or current.ndim != 3 or pool.shape[::2] != current.shape[::2]:
        raise ValueError(
            "pool, current: expected (C, b, D) and (C, K0, D), "
            f"got {tuple(pool.shape)} and {tuple(current.shape)}"
        )
    for name, vectors in (("pool", pool), ("current", current)):
        if not vectors.is_floating_point() or not torch.isfinite(vectors).all():
            raise ValueError(f"{name}: expected finite floating point, got {vectors.dtype}, NaN or infinity")
    if not 1 <= k <= pool.shape[1]:
        raise ValueError(f"k: expected 1 .. {pool.shape[1]} (candidates a class), got {k}")
    wide = torch.promote_types(_wide(pool), _wide(current))
    pool, current = pool.to(wide), current.to(wide)
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
            "points, centres: expected (N, D) and (K, D), not empty, "
            f"got {tuple(points.shape)} and {tuple(centres.shape)}"
        )
    rows = max(1, 2**22 // len(centres))  # at most 4 million distances at a time
    radii = [pairwise_distances(part, centres).amin(dim=1).amax() for part in points.split(rows)]
    return torch.stack(radii).amax()


def _wide(v: Tensor) -> torch.dtype:
    """The dtype to compute in: that of `v`, at least float32."""
    return torch.promote_types(v.dtype, torch.float32)


def _require_same_space(a: Tensor, b: Tensor) -> None:
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"a, b: expected (..., N, d) and (..., M, d), got {tuple(a.shape)} and {tuple(b.shape)}"
        )
