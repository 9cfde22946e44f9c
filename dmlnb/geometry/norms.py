"""Norms: vectors on the unit sphere or clipped to the unit ball."""

import torch
from torch import Tensor

from dmlnb._inputs import require_floats, traced, wide


def clip_to_ball(v: Tensor, dim: int = -1) -> Tensor:
    """Project vectors on the closed unit ball: $v / \\max(1, \\lVert v \\rVert)$.

    The gradient is the identity inside the ball and on its surface, and $(I - \\hat v \\hat v^\\top) /
    \\lVert v \\rVert$ outside. Unlike $v / \\lVert v \\rVert$ it is 1-Lipschitz and harmless at zero.

    Args:
        v: any shape, floating point; norms of float16 and bfloat16 are computed in float32.
        dim: the axis that holds the coordinates.

    Returns:
        As `v`.

    Raises:
        ValueError: for no floating-point tensor.

    Source: [gurbuz2023gsp], [gurbuz2024ccp] (the normalisation in the released code).
    """
    require_floats(v=v)
    rows, norm = _with_norms(v, dim)
    return (rows * norm.where(norm > 1, 1).reciprocal()).to(v.dtype)


def normalize(v: Tensor, how: str | None = "sphere") -> Tensor:
    """Rows on the unit sphere (`"sphere"`), clipped to the unit ball (`"ball"`), or untouched (None).

    On the sphere every row but zero gets norm 1, however large or small it is; zero stays zero.

    Args:
        v: `(..., d)`, floating point.
        how: `"sphere"`, `"ball"` or None.

    Returns:
        As `v`.

    Raises:
        ValueError: for any other `how`, or no floating-point tensor.
    """
    require_floats(v=v)
    if how == "sphere":
        rows, norm = _with_norms(v, -1, tiny=1e-15)
        return (rows * norm.where(norm > 0, 1).reciprocal()).to(v.dtype)
    if how == "ball":
        return clip_to_ball(v)
    if how is None:
        return v
    raise ValueError(f"normalize, how: expected 'sphere', 'ball' or None, got {how!r}")


def _with_norms(v: Tensor, dim: int, tiny: float = 0.0) -> tuple[Tensor, Tensor]:
    """Vectors, at least float32, and their norms. Those whose squares overflow or vanish are divided by their size."""
    rows = v.to(wide(v))
    norm = torch.linalg.vector_norm(rows, dim=dim, keepdim=True)
    if norm.numel() and not traced():
        low, high = (bound.item() for bound in norm.detach().aminmax())
        if tiny <= low and high <= 1e15:
            return rows, norm
    size = rows.detach().abs().amax(dim=dim, keepdim=True)
    extreme = ((size > 1e15) & (size < torch.inf)) | ((size < tiny) & (size > 0))
    rows = rows / torch.where(extreme, size, torch.ones_like(size))
    return rows, torch.linalg.vector_norm(rows, dim=dim, keepdim=True)
