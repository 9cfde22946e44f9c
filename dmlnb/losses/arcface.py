"""ArcFace: normalised softmax whose own class has to win by an angle.

Called `loss(embeddings, labels)`, as the losses of `dmlnb.losses.proxies` and of pytorch-metric-learning. Taught in
notebook 09.
"""

import math

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb._inputs import require_not_negative, require_positive
from dmlnb.geometry import inner_products
from dmlnb.losses.proxies import prepared, random_proxies


def arcface_loss(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, *, margin: float = 0.5, scale: float = 64.0
) -> Tensor:
    """ArcFace: a softmax over classes, after the angle to the own class's proxy was enlarged by a margin.

    $$ -\\frac1N \\sum_i \\log \\mathrm{softmax}_c\\bigl( \\lambda \\cos(\\theta_{ic} + m\\,[c = y_i]) \\bigr)_{y_i} $$

    With margin 0 this is the normalised softmax, which is `proxy_nca_loss` with one proxy per class and temperature
    1 / scale. Where the enlarged angle would exceed half a turn and its cosine rise again, $\\cos\\theta - m \\sin m$
    takes its place, as usual.

    Args:
        embeddings: `(N, d)`, finite; normalised inside.
        labels: `(N,)` integers in 0 .. C - 1.
        proxies: `(C, d)`; normalised inside.
        margin: m, an angle in radians, 0 <= m < pi.
        scale: λ > 0, inverse temperature.

    Returns:
        Scalar, at least float32.

    Raises:
        ValueError: for bad shapes, NaN, labels out of range, or settings out of theirs.

    Source: [deng2019arcface], eq. 3; normalised softmax: [zhai2019softmax]. Taught in notebook 09.
    """
    _require_settings(margin, scale)
    if proxies.ndim != 2:
        raise ValueError(f"proxies: expected shape (C, d), got {tuple(proxies.shape)}")
    unit, labels, proxies = prepared(embeddings, labels, proxies, "sphere")
    cosine = inner_products(unit, proxies[:, 0])  # (N, C)
    own = cosine.gather(1, labels[:, None])  # (N, 1)
    squared = (1 - own * own).clamp(min=0)
    sine = squared.where(squared > 0, 1).sqrt().where(squared > 0, 0)  # gradient 0 where the angle is
    further = own * math.cos(margin) - sine * math.sin(margin)  # cos(angle + margin)
    beyond = own - margin * math.sin(margin)
    further = further.where(own >= -math.cos(margin), beyond)
    return cross_entropy(scale * cosine.scatter(1, labels[:, None], further), labels)


def _require_settings(margin: float, scale: float) -> None:
    require_positive(scale=scale)
    require_not_negative(margin=margin)
    if not margin < math.pi:
        raise ValueError(f"margin: expected an angle below pi, in radians, got {margin!r}")


class ArcFaceLoss(nn.Module):
    """`arcface_loss` with its learned `proxies` (num_classes, dim).

    Args and errors as `ProxyAnchorLoss`; `margin` in radians, `scale` the inverse temperature. The defaults are the
    paper's, for faces of many thousand people.

    Source: [deng2019arcface]. Taught in notebook 09.
    """

    def __init__(self, num_classes: int, dim: int, margin: float = 0.5, scale: float = 64.0):
        super().__init__()
        _require_settings(margin, scale)
        self.proxies = random_proxies(num_classes, dim)
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return arcface_loss(embeddings, labels, self.proxies, margin=self.margin, scale=self.scale)
