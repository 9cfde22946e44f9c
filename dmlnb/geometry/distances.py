"""All distances, or inner products, between two sets of vectors."""

import torch
from torch import Tensor

from dmlnb._inputs import no_autocast, require_floats, traced, wide

FEW = 16  # coordinates up to which differences are as fast as a matrix product,
SMALL = 1 << 19  # and so they are up to this many differences in all
NEAR = 0.02  # a pair is near if its squared distance is below this part of the squared norms, both centred
MANY = 8  # near pairs a row, on average; if there are more, all pairs are computed from differences


def pairwise_distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances, $d_{ij} = \\lVert a_i - b_j \\rVert_2$, not squared.

    As fast as a matrix product: with the rows centred, $d_{ij}^2 = |a_i|^2 + |b_j|^2 - 2 \\langle a_i, b_j \\rangle$,
    and the gradient on $a_i$ is $\\sum_j g_{ij} (a_i - b_j) / d_{ij}$. For near pairs both subtractions lose all
    digits; these are computed from $a_i - b_j$ itself. Where there are many of them, or few coordinates, all pairs
    are, and also where torch compiles, exports or transforms the program. No (N, M, d) tensor is formed.

    Args:
        a: `(..., N, d)`.
        b: `(..., M, d)`. If it is the same tensor as `a`, only one half of the near pairs is computed.

    Returns:
        `(..., N, M)`, right to 1e-5 of each distance (in float32 down to 1e-18 of the largest number); coinciding rows
        are exactly 0 apart, with gradient 0. float16 and bfloat16 give float32, also under autocast.

    Raises:
        ValueError: if the last axes differ.

    Taught in notebook 01.
    """
    _require_same_space(a, b)
    same, dtype = a is b, wide(a, b)
    with no_autocast(a):
        a = a.to(dtype)
        b = a if same else b.to(dtype)
        if a.numel() == 0 or b.numel() == 0:
            return _from_differences(a, b)
        scale = _scale(a, b)
        lead = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        differences = lead.numel() * a.shape[-2] * b.shape[-2] * a.shape[-1]
        if a.shape[-1] <= FEW or traced() or differences <= SMALL:
            return scale * _from_differences(a / scale, b / scale)
        a = a.expand(*lead, -1, -1).reshape(-1, *a.shape[-2:])  # (L, N, d)
        b = a if same else b.expand(*lead, -1, -1).reshape(-1, *b.shape[-2:])  # (L, M, d)
        distance, near, centre = _by_product(a.detach(), b.detach(), scale, same)
        if len(near) > MANY * len(a) * max(a.shape[1], b.shape[1]):
            distance = scale * _from_differences(a / scale, b / scale)
        elif torch.is_grad_enabled() and (a.requires_grad or b.requires_grad):
            distance = _Distances.apply(a, b, distance, near, centre)
        return distance.view(*lead, *distance.shape[1:])


def inner_products(a: Tensor, b: Tensor) -> Tensor:
    """All inner products, $s_{ij} = \\langle a_i, b_j \\rangle$; of unit vectors, their cosine similarities.

    Args:
        a: `(..., N, d)`.
        b: `(..., M, d)`.

    Returns:
        `(..., N, M)`, at least float32, also under autocast.

    Raises:
        ValueError: if the last axes differ.
    """
    _require_same_space(a, b)
    dtype = wide(a, b)
    with no_autocast(a):
        return a.to(dtype) @ b.to(dtype).transpose(-2, -1)


def _from_differences(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _scale(a: Tensor, b: Tensor) -> Tensor:
    """A power of two, (), by which the largest number is divided, so that no square overflows."""
    size = a.detach().abs().amax()
    size = size if a is b else torch.maximum(size, b.detach().abs().amax())
    power = size.clamp(min=torch.finfo(size.dtype).tiny).log2().floor().exp2()
    return torch.where((size > 0) & (size < torch.inf), power, 1.0)


@torch.no_grad()
def _by_product(a: Tensor, b: Tensor, scale: Tensor, same: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Distances (L, N, M); the near pairs (m, 3), of two equal sets only i < j; the centres (L, 1, d)."""
    centre = (a.mean(dim=1, keepdim=True) + b.mean(dim=1, keepdim=True)) / 2
    x = (a - centre) / scale
    y = x if same else (b - centre) / scale
    norms = x.square().sum(dim=2)[:, :, None] + y.square().sum(dim=2)[:, None, :]
    squared = torch.baddbmm(norms, x, y.mT, alpha=-2)
    is_near = squared <= NEAR * norms
    near = (is_near.triu_(1) if same else is_near).nonzero()
    distance = squared.clamp_(min=0).sqrt_().mul_(scale)
    if same:
        distance.diagonal(dim1=1, dim2=2).zero_()
    if len(near) <= MANY * len(a) * max(a.shape[1], b.shape[1]):
        l, i, j = near.T
        distance[l, i, j] = _norm(a[l, i] - b[l, j])
        if same:
            distance[l, j, i] = distance[l, i, j]
    return distance, near, centre


def _norm(step: Tensor) -> Tensor:
    """Norms of the rows, whatever their size: (m, d) -> (m,)."""
    size = step.abs().amax(dim=1)
    size = size.where(size > 0, 1)
    return size * torch.linalg.vector_norm(step / size[:, None], dim=1)


class _Distances(torch.autograd.Function):
    """Distances that were found without gradient, and their gradient (formula in `pairwise_distances`)."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, distance: Tensor, near: Tensor, centre: Tensor) -> Tensor:
        distance = distance.view_as(distance)
        ctx.same = a is b
        ctx.save_for_backward(a, b, distance, near, centre)
        return distance

    @staticmethod
    def backward(ctx, upstream: Tensor):  # made of differentiable steps: second derivatives are right too
        a, b, distance, near, centre = ctx.saved_tensors
        x = a - centre
        y = x if ctx.same else b - centre
        apart = distance >= torch.finfo(distance.dtype).tiny
        pull = upstream / distance.where(apart, torch.inf)  # (L, N, M), g / d
        if ctx.same:
            pull = pull + pull.mT
        l, i, j = near.T
        step = pull[l, i, j, None] * (a[l, i] - b[l, j])  # (m, d)
        far = pull.index_put((l, i, j), pull.new_zeros(()))
        if ctx.same:
            far = far.index_put((l, j, i), pull.new_zeros(()))
        on_a = torch.baddbmm(far.sum(dim=2, keepdim=True) * x, far, y, alpha=-1)
        on_a = on_a.index_put((l, i), step, accumulate=True)
        if ctx.same:
            return on_a.index_put((l, j), -step, accumulate=True), *[None] * 4
        if not ctx.needs_input_grad[1]:
            return on_a, *[None] * 4
        on_b = torch.baddbmm(far.sum(dim=1)[:, :, None] * y, far.mT, x, alpha=-1)
        return on_a, on_b.index_put((l, j), -step, accumulate=True), *[None] * 3


def _require_same_space(a: Tensor, b: Tensor) -> None:
    require_floats(a=a, b=b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"a, b: expected (..., N, d) and (..., M, d), got {tuple(a.shape)} and {tuple(b.shape)}"
        )
