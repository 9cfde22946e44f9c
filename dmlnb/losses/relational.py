"""Relational knowledge distillation: the distances of all pairs, or the angles of all triplets, shall agree.

Called `loss(target (n, d_t), source (n, d_s))`; the dimensions may differ, the source gets no gradient. Half precision
is computed in float32.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import huber_loss

from dmlnb._inputs import traced
from dmlnb.geometry import pairwise_distances
from dmlnb.losses.transfer import require_pair

BLOCK = 1 << 18  # numbers of an angle table that are worked on at a time: they stay in the cache


class RelationalDistanceLoss(nn.Module):
    """RKD-D: distances of the two spaces, each in units of its mean distance, shall agree.

    $$ \\frac{1}{n^2} \\sum_{ij} h\\bigl(\\phi(t)_{ij} - \\phi(s)_{ij}\\bigr), \\qquad
       \\phi(x)_{ij} = d_{ij} / \\overline{d_{kl}}\\ (k \\ne l), \\qquad h \\text{ Huber's, threshold 1} $$

    Shape:
        target `(n, d_t)`, source `(n, d_s)` -> scalar; 0 for a batch of one.

    Raises:
        ValueError: for shapes that do not fit, or NaN.

    Source: [park2019rkd], sec. 3.2.1. Taught in notebook 07.
    """

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        require_pair(target, source)
        with torch.no_grad():
            wanted = _mean_distance_one(source)
        distance = _mean_distance_one(target)
        return huber_loss(distance, wanted.to(distance.dtype))


class RelationalAngleLoss(nn.Module):
    """RKD-A: the angles of all triplets shall agree.

    $$ \\frac{1}{n^3} \\sum_{ijk} h\\bigl(\\psi(t)_{ijk} - \\psi(s)_{ijk}\\bigr), \\qquad
       \\psi(x)_{ijk} = \\Bigl\\langle \\tfrac{x_j - x_i}{d_{ij}}, \\tfrac{x_k - x_i}{d_{ik}} \\Bigr\\rangle
                      = \\frac{d_{ij}^2 + d_{ik}^2 - d_{jk}^2}{2 d_{ij} d_{ik}} $$

    The second form, the law of cosines, needs distances only: neither the $n^2 d$ numbers of all directions nor the
    $n^3 d$ products are formed. Coinciding rows have no direction; their angles count as 0, without gradient.

    Shape:
        target `(n, d_t)`, source `(n, d_s)` -> scalar.

    Raises:
        ValueError: for shapes that do not fit, or NaN.

    Source: [park2019rkd], sec. 3.2.2.
    """

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        require_pair(target, source)
        with torch.no_grad():
            source_distance = _mean_distance_one(source)
        target_distance = _mean_distance_one(target)
        both = target_distance, source_distance.to(target_distance.dtype)
        return angle_difference(*both) if traced() else _AngleDifference.apply(*both)


def angle_difference(distance: Tensor, source_distance: Tensor) -> Tensor:
    """The formula of `RelationalAngleLoss`, from two (n, n) tables of distances, with all n³ angles at once."""
    return huber_loss(_angles(distance), _angles(source_distance))


def _angles(distance: Tensor) -> Tensor:
    """Cosines of the angles at i between j and k, by the law of cosines: (n, n) -> (n, n, n)."""
    to_j, to_k, opposite = distance[:, :, None], distance[:, None, :], distance[None]
    return (to_j**2 + to_k**2 - opposite**2) * _inverse(to_j) * _inverse(to_k) / 2


def _inverse(distance: Tensor) -> Tensor:
    """1 / distance, and 0 where the distance is 0."""
    return distance.where(distance > 0, torch.inf).reciprocal()


class _AngleDifference(torch.autograd.Function):
    """`angle_difference` a few anchors at a time: n² numbers are kept, and the gradient is found in the same sweep."""

    @staticmethod
    def forward(ctx, distance: Tensor, source_distance: Tensor) -> Tensor:
        n = len(distance)
        inverse, wanted_inverse = _inverse(distance), _inverse(source_distance)
        squared, wanted_squared = distance.square(), source_distance.square()
        total = distance.new_zeros(())
        direct, opposite, shrink = (torch.zeros_like(distance) for _ in range(3))
        for anchors in torch.arange(n, device=distance.device).split(max(1, BLOCK // n**2)):
            cosine = _cosines(squared, inverse, anchors)  # (b, n, n)
            difference = cosine - _cosines(wanted_squared, wanted_inverse, anchors)
            slope = difference.clamp(-1, 1)  # derivative of Huber's h
            total += (slope * difference.sub_(slope / 2)).sum()
            shrink[anchors] = (slope * cosine).sum(dim=2)  # sum over k
            scaled = slope.mul_(inverse[anchors, None, :])
            direct[anchors] = scaled.sum(dim=2)
            opposite += scaled.mul_(inverse[anchors, :, None]).sum(dim=0)  # the side opposite to the anchor
        ctx.save_for_backward((2 * direct - 2 * inverse * shrink - opposite * distance) / n**3)
        return total / n**3

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None


def _cosines(squared: Tensor, inverse: Tensor, anchors: Tensor) -> Tensor:  # -> (b, n, n)
    """The angles at some of the anchors."""
    cosine = squared[anchors, :, None] + squared[anchors, None, :]
    return cosine.sub_(squared).mul_(inverse[anchors, :, None]).mul_(inverse[anchors, None, :] / 2)


def _mean_distance_one(x: Tensor) -> Tensor:
    """Distances in units of their mean over the pairs that do not coincide; zeros if all do."""
    distance = pairwise_distances(x, x)
    mean = distance.sum() / (distance > 0).sum().clamp(min=1)
    return distance / torch.where(mean > 0, mean, torch.ones_like(mean))
