"""SoftTriple: every class has several centres, and a sample is compared to the best of them.

Called `loss(embeddings, labels)`, as the losses of `dmlnb.losses.proxies` and of pytorch-metric-learning. Taught in
notebook 04.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb._inputs import require_finite, require_positive
from dmlnb.geometry import inner_products, pairwise_distances
from dmlnb.losses.proxies import class_mask, prepared, random_proxies


def soft_triple_loss(
    embeddings: Tensor,
    labels: Tensor,
    centers: Tensor,
    *,
    scale: float = 78.02,
    gamma: float = 58.95,
    tau: float = 0.3754,
    margin: float = 0.4307,
    normalize: str | None = "sphere",
) -> Tensor:
    """SoftTriple: several centres a class, the best of them by a soft maximum.

    $$ r_{ic} = \\sum_k \\mathrm{softmax}_k(s_{ick} / \\gamma)\\, s_{ick}, \\qquad
       -\\frac1N \\sum_i \\log \\mathrm{softmax}_c\\bigl(\\lambda (r_{ic} - m [c = y_i])\\bigr)_{y_i}
       + \\frac{\\tau}{C K (K - 1)}
         \\sum_c \\sum_{k < l} \\sqrt{2 - 2 \\langle \\rho_{ck}, \\rho_{cl} \\rangle} $$

    The last term lets superfluous centres of a class merge; what stands under its root is the squared distance of two
    centres, and is computed as that.

    Args:
        embeddings: `(N, d)`, finite; normalised inside.
        labels: `(N,)` integers in 0 .. C - 1.
        centers: `(C, K, d)`; normalised inside.
        scale: λ > 0, inverse temperature of the classes.
        gamma: > 0, temperature of the soft maximum over centres.
        tau: weight of the merging term.
        margin: in units of similarity.
        normalize: `"sphere"`, `"ball"` or None.

    Returns:
        Scalar, at least float32.

    Raises:
        ValueError: as `proxy_anchor_loss`.

    Source: [qian2019softtriple], with inner products as there; defaults as released with [gurbuz2024ccp],
    which uses minus the distance, and centres of any norm in the last term.
    """
    require_positive(scale=scale, gamma=gamma)
    require_finite(tau=tau, margin=margin)
    embeddings, labels, unit = prepared(embeddings, labels, centers, normalize, single=False)
    classes, per_class = unit.shape[:2]
    near = inner_products(unit.flatten(0, 1), embeddings).unflatten(0, (classes, per_class))  # (C, K, N)
    relaxed = (torch.softmax(near / gamma, dim=1) * near).sum(dim=1)  # (C, N)
    loss = cross_entropy((scale * (relaxed - margin * class_mask(labels, classes))).mT, labels)
    if per_class == 1 or tau == 0:
        return loss
    apart = pairwise_distances(unit, unit).sum() / 2  # of each two centres of a class, once
    return loss + tau * apart / (classes * per_class * (per_class - 1))


class SoftTripleLoss(nn.Module):
    """`soft_triple_loss` with its learned `proxies` (num_classes, centers_per_class, dim).

    Args and errors as `ProxyAnchorLoss`; the rest as `soft_triple_loss`.

    Source: [qian2019softtriple].
    """

    def __init__(
        self,
        num_classes: int,
        dim: int,
        centers_per_class: int = 10,
        scale: float = 78.02,
        gamma: float = 58.95,
        tau: float = 0.3754,
        margin: float = 0.4307,
    ):
        super().__init__()
        require_positive(scale=scale, gamma=gamma)
        require_finite(tau=tau, margin=margin)
        self.proxies = random_proxies(num_classes, centers_per_class, dim)
        self.settings: dict[str, Any] = dict(scale=scale, gamma=gamma, tau=tau, margin=margin)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return soft_triple_loss(embeddings, labels, self.proxies, **self.settings)
