"""Norms: vectors on the unit sphere or clipped to the unit ball."""

import torch
from torch import Tensor

from dmlnb._inputs import require_floats, traced, wide


def clip_to_ball(v: Tensor, dim: int = -1) -> Tensor:
    """Project vectors on the closed unit ball: $v / \\max(1, \\lVert v \\rVert)$.

    The gradient is the identity inside the ball and on its surface, and $(I - \\hat v \\hat v^\\top) /
    \\lVert v \\rVert$ outside. Unlike $v / \\lVert v \\rVert$ it is 1-Lipschitz and harmless at zero.

    Args:
        v: one axis or more, floating point; norms of float16 and bfloat16 are computed in float32.
        dim: the axis that holds the coordinates.

    Returns:
        As `v`.

    Raises:
        ValueError: for no floating-point tensor.

    Source: [gurbuz2023gsp], [gurbuz2024ccp] (the normalisation in the released code).
    """
    return clip_with_norms(v, dim)[0]


def clip_with_norms(v: Tensor, dim: int = -1) -> tuple[Tensor, Tensor]:
    """`clip_to_ball`, and the norms of what it gives, at most 1: as `v` with one coordinate, at least float32."""
    require_floats(v=v)
    clipped, norm = _divided(v, dim, above=1.0, tiny=0.0)
    return clipped, norm.clamp(max=1)


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
        return _divided(v, -1, above=0.0, tiny=1e-15)[0]
    if how == "ball":
        return clip_to_ball(v)
    if how is None:
        return v
    raise ValueError(f"normalize, how: expected 'sphere', 'ball' or None, got {how!r}")


def _divided(v: Tensor, dim: int, above: float, tiny: float) -> tuple[Tensor, Tensor]:
    """Vectors with a norm above a bound, divided by it; also those whose squares overflow or, below `tiny`, vanish.

    And the norms before that, at least float32.
    """
    rows = v.to(wide(v))
    if not rows.numel():
        return v, rows.sum(dim=dim, keepdim=True)
    if not traced():
        divided, norm = _Divided.apply(rows, dim, above)
        low, high = (bound.item() for bound in norm.detach().aminmax())
        if tiny <= low and high <= 1e15:
            return divided.to(v.dtype), norm
    size = rows.detach().abs().amax(dim=dim, keepdim=True)
    extreme = ((size > 1e15) & (size < torch.inf)) | ((size < tiny) & (size > 0))
    size = torch.where(extreme, size, torch.ones_like(size))
    rows = rows / size
    norm = norms(rows, dim)
    return (rows * _inverse(norm, above)).to(v.dtype), norm * size


def norms(v: Tensor, dim: int) -> Tensor:
    """Norms, keeping the axis, as fast along channels as along rows; the gradient at zero is zero."""
    return torch.linalg.vector_norm(v, dim=dim, keepdim=True) if traced() else _Norms.apply(v, dim)


def _norms(v: Tensor, dim: int) -> Tensor:
    if v.device.type == "cpu" and v.stride(dim) != 1:  # there `vector_norm` takes three times as long
        return v.square().sum(dim=dim, keepdim=True).sqrt()
    return torch.linalg.vector_norm(v, dim=dim, keepdim=True)


def _inverse(norm: Tensor, above: float) -> Tensor:
    return norm.where(norm > above, 1).reciprocal()


class _Norms(torch.autograd.Function):
    """Norms, and their gradient v / |v|."""

    @staticmethod
    def forward(ctx, v: Tensor, dim: int) -> Tensor:
        norm = _norms(v, dim)
        ctx.save_for_backward(v, norm)
        return norm

    @staticmethod
    def backward(ctx, g: Tensor):  # made of differentiable steps: second derivatives are right too
        v, norm = ctx.saved_tensors
        return v * (g * _inverse(norm, 0)), None


class _Divided(torch.autograd.Function):
    """u = v / |v| for vectors above a norm, v itself below it, and the norms |v|.

    The gradient is $(g - \\langle g, u \\rangle u) / \\lVert v \\rVert$ above it and g below it;
    that of the norm is v / |v|.
    """

    @staticmethod
    def forward(ctx, v: Tensor, dim: int, above: float) -> tuple[Tensor, Tensor]:
        norm = _norms(v, dim)
        divided = v * _inverse(norm, above)
        ctx.save_for_backward(divided, norm)
        ctx.dim, ctx.above = dim, above
        return divided, norm

    @staticmethod
    def backward(
        ctx, g: Tensor, on_norm: Tensor
    ):  # made of differentiable steps: second derivatives are right too
        divided, norm = ctx.saved_tensors
        inverse, is_divided = _inverse(norm, ctx.above), norm > ctx.above
        along = torch.linalg.vecdot(g, divided, dim=ctx.dim).unsqueeze(ctx.dim) * inverse
        on_norm = on_norm * _inverse(norm, 0).where(~is_divided, 1)
        return torch.addcmul(g * inverse, divided, on_norm - along.where(is_divided, 0)), None, None
