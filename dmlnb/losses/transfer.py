"""Rivals of relaxed labels: losses that let a target take over relations from a source.

All are called `loss(target (n, d_t), source (n, d_s))`; the dimensions may differ, the source gets no gradient.
Half precision is computed in float32. Losses that copy feature maps instead are in `dmlnb.losses.hints`.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import huber_loss

from dmlnb._inputs import as_int, require_embeddings, require_finite, require_positive, traced, wide
from dmlnb.geometry import inner_products, normalize, pairwise_distances
from dmlnb.losses.pairs import triplet_loss

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
        _require_pair(target, source)
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

    Source: [park2019rkd], sec. 3.2.2. Taught in notebook 07.
    """

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        _require_pair(target, source)
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


class ProbabilisticTransferLoss(nn.Module):
    """PKT: each row's similarities, as probabilities of picking a neighbour, shall agree.

    $$ \\frac{1}{n^2} \\sum_{ij} p_{ij} \\ln \\frac{p_{ij} + \\varepsilon}{q_{ij} + \\varepsilon}, \\qquad
       p_{ij} = \\frac{K_{ij}}{\\sum_k K_{ik}}, \\quad K = \\frac{1 + \\cos}{2} $$

    p is of the source, q of the target, the row itself counts. A mean over $n^2$, so the value is small: give it a
    weight when it is added to other losses.

    Shape:
        target `(n, d_t)`, source `(n, d_s)` -> scalar; 0 for a batch of one.

    Raises:
        ValueError: for shapes that do not fit, or NaN.

    Source: [passalis2018pkt]; mean and floors as released with [kim2021relaxed]. Taught in notebook 07.
    """

    def __init__(self, eps: float = 1e-7):
        super().__init__()
        require_positive(eps=eps)
        self.eps = eps

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        _require_pair(target, source)
        with torch.no_grad():
            wanted = self._probabilities(source)
        found = self._probabilities(target)
        wanted = wanted.to(found.dtype)
        return (wanted * ((wanted + self.eps) / (found + self.eps)).log()).mean()

    @staticmethod
    def _probabilities(x: Tensor) -> Tensor:
        unit = normalize(x.to(wide(x)))
        kernel = (1 + inner_products(unit, unit)).clamp(min=0) / 2
        return kernel / kernel.sum(dim=1, keepdim=True)


class DarkRankLoss(nn.Module):
    """DarkRank: the target shall rank each anchor's nearest source neighbours as the source does.

    With scores $S = -\\alpha d^\\beta$ of unit vectors, a ranking π of K items has the probability

    $$ P(\\pi) = \\prod_{k=1}^K \\frac{e^{S_{\\pi_k}}}{\\sum_{l \\ge k} e^{S_{\\pi_l}}} . $$

    The loss is minus the log of the target's probability of the source's own ranking, mean over anchors.

    Args:
        alpha, beta: of the score, > 0.
        list_length: K; fewer where the batch has fewer other rows.
        margin: of the triplet loss that is added when class labels are given.

    Shape:
        target `(n, d_t)`, source `(n, d_s)`, labels `(n,)` or None -> scalar; 0 for a batch of one.

    Raises:
        ValueError: for shapes that do not fit, or NaN.

    Source: [chen2018darkrank]; scores and the added triplet loss as released with [kim2021relaxed].
    Taught in notebook 07.
    """

    def __init__(
        self,
        alpha: float = 3.0,
        beta: float = 3.0,
        list_length: int = 4,
        margin: float = 0.2,
    ):
        super().__init__()
        require_positive(alpha=alpha, beta=beta)
        require_finite(margin=margin)
        self.alpha, self.beta, self.margin = alpha, beta, margin
        self.list_length = as_int(list_length, "list_length")

    def forward(self, target: Tensor, source: Tensor, labels: Tensor | None = None) -> Tensor:
        _require_pair(target, source)
        itself = torch.eye(len(source), dtype=torch.bool, device=source.device)
        with torch.no_grad():
            scores = self._scores(source).masked_fill(itself, -torch.inf)
            length = min(self.list_length, len(source) - 1)
            order = scores.topk(length, dim=1).indices  # (n, K), nearest first
        loss = -_log_likelihood(self._scores(target).gather(1, order)).mean()
        return loss if labels is None else loss + triplet_loss(target, labels, margin=self.margin)

    def _scores(self, x: Tensor) -> Tensor:
        unit = normalize(x.to(wide(x)))
        return -self.alpha * pairwise_distances(unit, unit) ** self.beta


def _log_likelihood(scores: Tensor) -> Tensor:
    """Plackett-Luce: log-probability that items with scores `(..., K)` are drawn in this order, `(...)`."""
    remaining = scores.flip(-1).logcumsumexp(-1).flip(-1)  # log-sum-exp over l >= k
    return (scores - remaining).sum(dim=-1)


def _mean_distance_one(x: Tensor) -> Tensor:
    """Distances in units of their mean over the pairs that do not coincide; zeros if all do."""
    distance = pairwise_distances(x, x)
    mean = distance.sum() / (distance > 0).sum().clamp(min=1)
    return distance / torch.where(mean > 0, mean, torch.ones_like(mean))


def _require_pair(target: Tensor, source: Tensor) -> None:
    require_embeddings(target, "target")
    require_embeddings(source, "source")
    if len(target) != len(source):
        raise ValueError(f"source: expected {len(target)} rows as the target, got {len(source)}")
