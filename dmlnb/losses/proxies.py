"""Losses with proxies: every class is represented by one or more learned vectors.

Each is a formula (function) with a thin module that owns the proxies. The modules are called
`loss(embeddings, labels)`, as those of pytorch-metric-learning, and have parameters: give them to the
optimiser, with a learning rate well above the network's. Embeddings and proxies are put on the unit sphere inside
(`normalize="sphere"`); `"ball"` clips them to the unit ball instead. Half precision is computed in float32.

Source of the defaults: table of base losses in [gurbuz2024ccp]. Several centres a class:
`dmlnb.losses.soft_triple`. Taught in notebooks 00 and 04.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb import geometry
from dmlnb._inputs import as_int, as_labels, require_embeddings, require_finite, require_positive, wide
from dmlnb.geometry import inner_products
from dmlnb.losses.pairs import log1p_sum_exp


def prepared(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, normalize: str | None, single: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Checked and normalised: embeddings (N, d), int64 labels, proxies (C, K, d); `single` also takes (C, d)."""
    if single and proxies.ndim == 2:
        proxies = proxies[:, None]
    if proxies.ndim != 3 or 0 in proxies.shape:
        shape = "(C, d) or (C, K, d)" if single else "(C, K, d)"
        raise ValueError(f"proxies: expected shape {shape}, not empty, got {tuple(proxies.shape)}")
    require_embeddings(embeddings)
    require_embeddings(proxies.flatten(0, -2), "proxies")
    labels = as_labels(labels, len(embeddings), len(proxies))
    dim = proxies.shape[-1]
    if embeddings.shape[1] != dim:
        raise ValueError(f"embeddings: expected {dim} coordinates as the proxies, got {embeddings.shape[1]}")
    dtype = wide(embeddings, proxies)
    unit, proxies = (geometry.normalize(x.to(dtype), normalize) for x in (embeddings, proxies))
    return unit, labels, proxies


def to_proxies(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, normalize: str | None
) -> tuple[Tensor, Tensor]:
    """Similarities (C, K, N), and labels. Samples stand last: sums over the few proxies of a class are fast so."""
    unit, labels, proxies = prepared(embeddings, labels, proxies, normalize)
    return inner_products(proxies.flatten(0, 1), unit).unflatten(0, proxies.shape[:2]), labels


def proxy_anchor_loss(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    alpha: float = 32.0,
    delta: float = 0.1,
    normalize: str | None = "sphere",
) -> Tensor:
    """Proxy-Anchor: each proxy is an anchor that pulls its class and pushes all others.

    $$ \\frac{1}{|P^+|} \\sum_{c \\in P^+}
         \\log\\Bigl(1 + \\sum_{y_i = c} e^{-\\alpha (s_{ic} - \\delta)}\\Bigr)
       + \\frac{1}{|P^-|} \\sum_{c \\in P^-}
         \\log\\Bigl(1 + \\sum_{y_i \\ne c} e^{\\alpha (s_{ic} + \\delta)}\\Bigr) $$

    $P^+$ are the proxies with a positive in the batch, $P^-$ those with a negative. With K proxies per class, each of
    them is such an anchor.

    Args:
        embeddings: `(N, d)`, finite; normalised inside.
        labels: `(N,)` integers in 0 .. C - 1.
        proxies: `(C, d)` or `(C, K, d)`; normalised inside.
        alpha: scale, inverse temperature, > 0.
        delta: margin on the cosine.
        normalize: `"sphere"`, `"ball"` or None.

    Returns:
        Scalar, at least float32.

    Raises:
        ValueError: for bad shapes, NaN, labels out of range, or a scale that is not positive.

    Source: [kim2020proxyanchor], eq. 4.
    """
    require_positive(alpha=alpha)
    require_finite(delta=delta)
    similarity, labels = to_proxies(embeddings, labels, proxies, normalize)  # (C, K, N)
    classes, per_class, n = similarity.shape
    positive = class_mask(labels, classes)  # (C, N)
    pull = log1p_sum_exp(-alpha * (similarity - delta), positive[:, None], dim=2)  # (C, K)
    push = log1p_sum_exp(alpha * (similarity + delta), ~positive[:, None], dim=2)
    size = positive.sum(dim=1)  # (C,)
    with_positive, with_negative = (per_class * some.sum().clamp(min=1) for some in (size > 0, size < n))
    return pull.sum() / with_positive + push.sum() / with_negative


def proxy_nca_loss(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    temperature: float = 0.11,
    normalize: str | None = "sphere",
) -> Tensor:
    """ProxyNCA++: softmax over all proxies, the positive included.

    $$ -\\frac1N \\sum_i \\log \\mathrm{softmax}_c( s_{ic} / T )_{y_i} $$

    With K proxies per class, the softmax runs over all of them, and those of the sample's class are added up.

    With one proxy per class it is the normalised softmax too, and ArcFace without a margin.

    With unit vectors $-d^2 = 2s - 2$, so a temperature of T here is 2T for squared distances.

    Args and errors as `proxy_anchor_loss`; `temperature` > 0, in units of cosine.

    Source: [teh2020proxynca]; default as released with [gurbuz2024ccp]; normalised softmax: [zhai2019softmax].
    """
    require_positive(temperature=temperature)
    similarity, labels = to_proxies(embeddings, labels, proxies, normalize)  # (C, K, N)
    logits = similarity / temperature
    logits = logits.logsumexp(dim=1) if logits.shape[1] > 1 else logits[:, 0]  # (C, N)
    return cross_entropy(logits.mT, labels)


def class_mask(labels: Tensor, num_classes: int) -> Tensor:
    """Which rows are of a class, (C, N)."""
    return torch.arange(num_classes, device=labels.device)[:, None] == labels


def random_proxies(*shape: int) -> nn.Parameter:
    """Kaiming normal with fan_out, std sqrt(2 / C), as released with Proxy-Anchor; only directions count."""
    for size in shape:
        as_int(size, "num_classes, dim, centers_per_class")
    return nn.Parameter(torch.randn(*shape) * (2 / shape[0]) ** 0.5)


class ProxyAnchorLoss(nn.Module):
    """`proxy_anchor_loss` with its learned `proxies` (num_classes, dim).

    They start at random: Kaiming normal with fan_out, standard deviation sqrt(2 / C). Only directions count.

    Args:
        num_classes: C.
        dim: d.
        alpha: scale.
        delta: margin on the cosine.

    Raises:
        ValueError: for sizes or settings out of range; in the call as `proxy_anchor_loss`.

    Source: [kim2020proxyanchor]. Taught in notebook 00.
    """

    def __init__(self, num_classes: int, dim: int, alpha: float = 32.0, delta: float = 0.1):
        super().__init__()
        require_positive(alpha=alpha)
        require_finite(delta=delta)
        self.proxies = random_proxies(num_classes, dim)
        self.alpha, self.delta = alpha, delta

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return proxy_anchor_loss(embeddings, labels, self.proxies, alpha=self.alpha, delta=self.delta)


class ProxyNCALoss(nn.Module):
    """`proxy_nca_loss` with its learned `proxies` (num_classes, dim).

    Args and errors as `ProxyAnchorLoss`; `temperature` in units of cosine.

    Source: [teh2020proxynca].
    """

    def __init__(self, num_classes: int, dim: int, temperature: float = 0.11):
        super().__init__()
        require_positive(temperature=temperature)
        self.proxies = random_proxies(num_classes, dim)
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return proxy_nca_loss(embeddings, labels, self.proxies, temperature=self.temperature)
