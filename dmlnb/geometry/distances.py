"""All distances, or inner products, between two sets of vectors."""

import math

import torch
from torch import Tensor

from dmlnb._inputs import no_autocast, require_floats, traced, wide, widest

FEW = 16  # coordinates up to which differences are as fast as a matrix product,
SMALL = 1 << 19  # and so they are up to this many differences in all
NEAR = 0.02  # a pair is near if its squared distance is below this part of the squared norms, both centred,
NEARER = 1e-7  # or below this part, where the product is one of float64;
STEEP = 1e-3  # below this part its gradient, too, needs float64;
FLOOR = 1e-30  # a pair below this number is near as well: float32 has few digits of it
LARGE = 1 << 26  # multiplications from which a product is worth a look beforehand whether it can be used
MANY = 2  # near pairs a row, on average; if there are more, all pairs are computed anew


def pairwise_distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances, $d_{ij} = \\lVert a_i - b_j \\rVert_2$, not squared.

    As fast as a matrix product: with the rows centred, $d_{ij}^2 = |a_i|^2 + |b_j|^2 - 2 \\langle a_i, b_j \\rangle$,
    and the gradient on $a_i$ is $\\sum_j g_{ij} (a_i - b_j) / d_{ij}$. For near pairs both subtractions lose all
    digits; these are computed from $a_i - b_j$ itself. Where there are many of them, as in classes that have collapsed,
    the product is one of float64; where even that leaves many, or there are few coordinates, all pairs are computed
    from their differences, and also where torch compiles, exports or transforms the program. No (N, M, d) tensor is
    formed.

    Args:
        a: `(..., N, d)`.
        b: `(..., M, d)`. If it is the same tensor as `a`, only one half of the near pairs is computed.

    Returns:
        `(..., N, M)`, right to 2e-5 of each distance (in float32 down to 1e-18 of the largest number), or to 1e-3 where
        `torch.set_float32_matmul_precision` lets a GPU round; coinciding rows are exactly 0 apart, with gradient 0.
        float16 and bfloat16 give float32, also under autocast.

    Raises:
        ValueError: if the last axes differ.

    Taught in notebook 01.
    """
    _require_same_space(a, b)
    same, dtype = a is b, wide(a, b)
    with no_autocast(a):
        a = a.to(dtype)
        b = a if same else b.to(dtype)
        lead = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        differences = math.prod(lead) * a.shape[-2] * b.shape[-2] * a.shape[-1]
        if a.shape[-1] <= FEW or traced() or differences <= SMALL:
            return _from_differences(a, b)
        a = a.expand(*lead, -1, -1).reshape(-1, *a.shape[-2:])  # (L, N, d)
        b = a if same else b.expand(*lead, -1, -1).reshape(-1, *b.shape[-2:])  # (L, M, d)
        distance = _by_product(a, b, NEAR)
        return distance.view(*lead, *distance.shape[1:])


def inner_products(a: Tensor, b: Tensor) -> Tensor:
    """All inner products, $s_{ij} = \\langle a_i, b_j \\rangle$; of unit vectors, their cosine similarities.

    Args:
        a: `(..., N, d)`.
        b: `(..., M, d)`. If it is the same tensor as `a`, the gradient takes one matrix product instead of two.

    Returns:
        `(..., N, M)`, at least float32, also under autocast.

    Raises:
        ValueError: if the last axes differ.
    """
    _require_same_space(a, b)
    dtype = wide(a, b)
    with no_autocast(a):
        if a is b and not traced():
            return _Gram.apply(a.to(dtype))
        return a.to(dtype) @ b.to(dtype).mT


def _from_differences(a: Tensor, b: Tensor) -> Tensor:
    """Distances from all differences, divided by a power of two near the largest, so that no square overflows."""
    if a.numel() == 0 or b.numel() == 0:
        return torch.cdist(a, b)
    size = a.detach().abs().amax()
    size = size if a is b else torch.maximum(size, b.detach().abs().amax())
    power = size.clamp(min=torch.finfo(size.dtype).tiny).log2().floor().exp2()
    scale = torch.where((size > 0) & (size < torch.inf), power, 1.0)
    return scale * torch.cdist(a / scale, b / scale, compute_mode="donot_use_mm_for_euclid_dist")


def _by_product(a: Tensor, b: Tensor, part: float) -> Tensor:
    """Distances (L, N, M) by a matrix product; pairs below `part` of their squared norms are near."""
    found = _squares(a, b, part)
    if found is None and a.dtype != widest(a):
        wider = a.to(widest(a))
        others = wider if a is b else b.to(wider)
        found = _squares(wider, others, STEEP)
        if found is None or len(found[1]):
            return _by_product(wider, others, NEARER).to(a.dtype)
    if found is None:
        return _from_differences(a, b)
    distance, near, centre = found
    distance, centre = distance.to(a.dtype), centre.to(a.dtype)  # float32 has digits enough for the gradient
    if len(near):
        l, i, j = near.T
        distance[l, i, j] = _norm(a.detach()[l, i] - b.detach()[l, j])
        if a is b:
            distance[l, j, i] = distance[l, i, j]
    if torch.is_grad_enabled() and (a.requires_grad or b.requires_grad):
        return _Distances.apply(a, b, distance, near, centre)
    return distance


@torch.no_grad()
def _squares(a: Tensor, b: Tensor, part: float) -> tuple[Tensor, Tensor, Tensor] | None:
    """Distances (L, N, M), wrong for the near pairs; these (m, 3); the centres (L, 1, d). None where many are near.

    If `b` is `a`, of each near pair only i < j is listed.
    """
    same = a is b
    centre = a.mean(dim=1, keepdim=True)
    centre = centre if same else (centre + b.mean(dim=1, keepdim=True)) / 2
    x = a - centre
    y = x if same else b - centre
    squares = [torch.linalg.vector_norm(z, dim=2).square() for z in (x, y)]  # (L, N), (L, M)
    norms = lambda: squares[0][:, :, None] + squares[1][:, None, :]  # (L, N, M)
    largest = (squares[0].max() + squares[1].max()).item()
    if not largest < torch.inf:
        return None
    if x.numel() * y.shape[1] > LARGE and _sample_is_near(x, y, squares, part):
        return None
    squared = norms().baddbmm_(x, y.mT, alpha=-2)
    if same:
        squared.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    near = a.new_empty(0, 3, dtype=torch.int64)
    if squared.amin().item() <= part * largest + FLOOR:
        is_near = squared <= norms() * part + FLOOR
        is_near = is_near.triu_(1) if same else is_near
        if is_near.sum().item() > MANY * len(a) * max(squared.shape[1:]):
            return None
        near = is_near.nonzero()
        squared.clamp_(min=0)
    distance = squared.sqrt_()
    if same:
        distance.diagonal(dim1=1, dim2=2).zero_()
    return distance, near, centre


def _sample_is_near(x: Tensor, y: Tensor, squares: list[Tensor], part: float) -> bool:
    """Whether so many pairs of a few rows are near that all of them most likely are, and the product is not for use."""
    rows = slice(None, None, max(x.shape[1] // FEW, 1))
    norms = squares[0][:, rows, None] + squares[1][:, None, :]  # (L, about FEW, M)
    is_near = norms.baddbmm(x[:, rows], y.mT, alpha=-2) <= norms * part + FLOOR
    share = is_near.sum().item() / is_near[:, :, 0].numel()  # near pairs a row
    if x is y:
        share = (share - 1) / 2  # without the row itself, each pair once
    return share * x.shape[1] > MANY * max(x.shape[1], y.shape[1])


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
        if ctx.same:
            upstream = _plus_transposed(upstream)
        l, i, j = near.T
        divisor = distance.clone()
        if ctx.same:
            divisor.diagonal(dim1=1, dim2=2).fill_(torch.inf)
        if len(near):
            divisor[l, i, j] = torch.inf
        if len(near) and ctx.same:
            divisor[l, j, i] = torch.inf
        far = upstream / divisor  # (L, N, M), g / d, and 0 for near pairs
        if ctx.same:
            far.diagonal(dim1=1, dim2=2).sub_(far.sum(dim=2))  # far is 0 there
            on_a = (far @ x).neg_()
        else:
            on_a = (far.sum(dim=2, keepdim=True) * x).baddbmm_(far, y, alpha=-1)
        on_b = None
        if not ctx.same and ctx.needs_input_grad[1]:
            on_b = (far.sum(dim=1)[:, :, None] * y).baddbmm_(far.mT, x, alpha=-1)
        if len(near):
            length = distance[l, i, j]  # (m,)
            pull = upstream[l, i, j] / length.where(length >= torch.finfo(length.dtype).tiny, torch.inf)
            step = pull[:, None] * (a[l, i] - b[l, j])  # (m, d)
            on_a = on_a.index_put((l, i), step, accumulate=True)
            if ctx.same:
                on_a = on_a.index_put((l, j), -step, accumulate=True)
            elif on_b is not None:
                on_b = on_b.index_put((l, j), -step, accumulate=True)
        return on_a, on_b, None, None, None


class _Gram(torch.autograd.Function):
    """All inner products of one set."""

    @staticmethod
    def forward(ctx, a: Tensor) -> Tensor:
        ctx.save_for_backward(a)
        return a @ a.mT

    @staticmethod
    def backward(ctx, upstream: Tensor) -> Tensor:
        (a,) = ctx.saved_tensors
        return _plus_transposed(upstream) @ a


def _plus_transposed(table: Tensor) -> Tensor:
    """(..., N, N). One table is transposed first, which torch does in blocks, and two to four times as fast."""
    if table.ndim > 2 and table.shape[:-2].numel() > 1:
        return table + table.mT
    turned = table.reshape(table.shape[-2:]).T.clone(memory_format=torch.contiguous_format)
    return turned.view_as(table).add_(table)


def _require_same_space(a: Tensor, b: Tensor) -> None:
    require_floats(a=a, b=b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"a, b: expected (..., N, d) and (..., M, d), got {tuple(a.shape)} and {tuple(b.shape)}"
        )
