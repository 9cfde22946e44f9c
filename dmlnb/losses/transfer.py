"""Rivals of relaxed labels: losses that let a target take over relations from a source.

All are called `loss(target (n, d_t), source (n, d_s))`; the dimensions may differ, the source gets no gradient.
Half precision is computed in float32. Losses of distances and angles are in `dmlnb.losses.relational`; losses that
copy feature maps instead in `dmlnb.losses.hints`.
"""

import torch
from torch import Tensor, nn

from dmlnb._inputs import as_int, require_embeddings, require_finite, require_positive, wide
from dmlnb.geometry import inner_products, normalize, pairwise_distances
from dmlnb.losses.pairs import triplet_loss


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
        require_pair(target, source)
        found = self._probabilities(target)
        with torch.no_grad():
            wanted = self._probabilities(source).to(found.dtype)
            per_wanted = (wanted + self.eps).reciprocal()
        return -(wanted * ((found + self.eps) * per_wanted).log()).mean()

    @staticmethod
    def _probabilities(x: Tensor) -> Tensor:
        unit = normalize(x.to(wide(x)))
        kernel = (1 + inner_products(unit, unit)).relu_()  # its half has the same p
        return kernel * kernel.sum(dim=1, keepdim=True).reciprocal()


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
        require_pair(target, source)
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


def require_pair(target: Tensor, source: Tensor) -> None:
    """Raise ValueError unless both are embeddings, of as many rows."""
    require_embeddings(target, "target")
    require_embeddings(source, "source")
    if len(target) != len(source):
        raise ValueError(f"source: expected {len(target)} rows as the target, got {len(source)}")
