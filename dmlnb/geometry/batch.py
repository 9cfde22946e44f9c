"""Distances between all rows of one batch: as fast as a matrix product, and right for near rows too."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

NEAR = (
    0.02  # pairs nearer than about 14 % of their distance from the batch mean are computed from differences
)
MANY = 8  # so many of them a row: then all pairs are


def batch_distances(x: Tensor) -> Tensor:
    """Euclidean distances between the rows of a batch, $d_{ij} = \\lVert x_i - x_j \\rVert_2$.

    With the rows centred, $d_{ij}^2 = |x_i|^2 + |x_j|^2 - 2 \\langle x_i, x_j \\rangle$ is one matrix product, and so
    is the gradient, $\\sum_j (g_{ij} + g_{ji}) (x_i - x_j) / d_{ij}$. For near rows both subtractions lose all digits;
    these few pairs are computed from $x_i - x_j$ itself. Where there are many of them, all pairs are.

    Args:
        x: `(n, d)`, floating point.

    Returns:
        `(n, n)`, at least float32; diagonal and coinciding rows exactly 0, with gradient 0 there.

    Taught in notebook 07.
    """
    with torch.autocast(x.device.type, enabled=False):
        return _Distances.apply(x.to(torch.promote_types(x.dtype, torch.float32)))


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        low, high = x.aminmax()
        size = torch.maximum(-low, high)
        scale = torch.exp2(size.log2().floor()) if size > 0 else torch.ones_like(size)
        rows = x / scale  # neither huge nor tiny, so squares cannot overflow; a power of two loses no digit
        centred = rows - rows.mean(dim=0)  # distances do not change
        norms = centred.square().sum(dim=1)  # (n,)
        both = norms[:, None] + norms
        squared = torch.addmm(both, centred, centred.T, alpha=-2)  # (n, n)
        near = (squared <= NEAR * both).triu_(1).nonzero()  # (m, 2), i < j
        if len(near) > MANY * len(rows):
            distance = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
        else:
            i, j = near.T
            squared[i, j] = squared[j, i] = (rows[i] - rows[j]).square().sum(dim=1)
            distance = squared.clamp_(min=0).fill_diagonal_(0).sqrt_()
        ctx.save_for_backward(rows, centred, distance, near)
        return scale * distance

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> Tensor:
        rows, centred, distance, near = ctx.saved_tensors
        if len(near) > MANY * len(rows):
            with torch.enable_grad():
                rows = rows.detach().requires_grad_()
                distance = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
            return torch.autograd.grad(distance, rows, upstream)[0]
        pull = torch.where(distance > 0, (upstream + upstream.T) / distance, 0)  # (n, n)
        i, j = near.T
        step = pull[i, j, None] * (rows[i] - rows[j])  # (m, d)
        pull[i, j] = pull[j, i] = 0
        gradient = pull.sum(dim=1, keepdim=True) * centred - pull @ centred
        return gradient.index_add_(0, i, step).index_add_(0, j, step, alpha=-1)
