"""Losses with proxies: every class is represented by one or more learned vectors.

Each is a formula (function) with a thin module that owns the proxies. The modules are called
`loss(embeddings, labels)`, as those of pytorch-metric-learning, and have parameters: give them to the
optimiser, with a learning rate well above the network's. Embeddings and proxies are put on the unit sphere inside
(`normalize="sphere"`); `"ball"` clips them to the unit ball instead. Half precision is computed in float32.

Source of the defaults: table of base losses in [gurbuz2024ccp]. Taught in notebooks 00 and 04.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from dmlnb import geometry
from dmlnb._inputs import require_embeddings, require_labels, require_positive
from dmlnb.geometry import inner_products, pairwise_distances
from dmlnb.losses.pairs import log1p_sum_exp


def _prepared(
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
    require_labels(labels, len(embeddings), len(proxies))
    dim = proxies.shape[-1]
    if embeddings.shape[1] != dim:
        raise ValueError(f"embeddings: expected {dim} coordinates as the proxies, got {embeddings.shape[1]}")
    wide = torch.promote_types(torch.promote_types(embeddings.dtype, proxies.dtype), torch.float32)
    prepare = geometry.normalize
    return prepare(embeddings.to(wide), normalize), labels.long(), prepare(proxies.to(wide), normalize)


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

    $P^+$ are the proxies with a positive in the batch, $P^-$ those with a negative. With K proxies a class, each of
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

    Source: [kim2020proxyanchor], eq. 4. Taught in notebook 00.
    """
    require_positive(alpha=alpha)
    unit, labels, proxies = _prepared(embeddings, labels, proxies, normalize)
    similarity = inner_products(unit, proxies.flatten(0, 1))  # (N, C K)
    positive = one_hot(labels, len(proxies)).bool().repeat_interleave(proxies.shape[1], dim=1)  # (N, C K)
    pull = log1p_sum_exp(-alpha * (similarity - delta), positive, dim=0)  # (C K,)
    push = log1p_sum_exp(alpha * (similarity + delta), ~positive, dim=0)
    count = [mask.any(dim=0).sum().clamp(min=1) for mask in (positive, ~positive)]
    return pull.sum() / count[0] + push.sum() / count[1]


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

    With K proxies a class, the softmax runs over all of them, and those of the sample's class are added up.

    With unit vectors $-d^2 = 2s - 2$, so a temperature of T here is 2T for squared distances.

    Args and errors as `proxy_anchor_loss`; `temperature` > 0, in units of cosine.

    Source: [teh2020proxynca]; default as released with [gurbuz2024ccp]. Taught in notebook 04.
    """
    require_positive(temperature=temperature)
    unit, labels, proxies = _prepared(embeddings, labels, proxies, normalize)
    logits = (
        inner_products(unit, proxies.flatten(0, 1)).unflatten(1, proxies.shape[:2]) / temperature
    )  # (N, C, K)
    return cross_entropy(logits.logsumexp(dim=2), labels)


def soft_triple_loss(
    embeddings: Tensor,
    labels: Tensor,
    centers: Tensor,
    *,
    scale: float = 78.02,
    gamma: float = 58.95,
    tau: float = 0.3754,
    margin: float = 0.4307,
    similarity: str = "cosine",
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
        similarity: `"cosine"`, or `"distance"`: minus the Euclidean distance of the unit vectors.
        normalize: `"sphere"`, `"ball"` or None.

    Returns:
        Scalar, at least float32.

    Raises:
        ValueError: as `proxy_anchor_loss`, or for an unknown similarity.

    Source: [qian2019softtriple], with inner products as there; defaults as released with [gurbuz2024ccp],
    which uses minus the distance, and centres of any norm in the last term. Taught in notebook 04.
    """
    if similarity not in ("cosine", "distance"):
        raise ValueError(f"similarity: expected 'cosine' or 'distance', got {similarity!r}")
    require_positive(scale=scale, gamma=gamma)
    embeddings, labels, unit = _prepared(embeddings, labels, centers, normalize, single=False)
    classes, per_class = unit.shape[:2]
    flat = unit.flatten(0, 1)  # (C K, d)
    near = inner_products(embeddings, flat)  # (N, C K)
    if similarity == "distance":
        near = -pairwise_distances(embeddings, flat)
    near = near.unflatten(1, (classes, per_class))  # (N, C, K)
    relaxed = (torch.softmax(near / gamma, dim=2) * near).sum(dim=2)  # (N, C)
    loss = cross_entropy(scale * (relaxed - margin * one_hot(labels, classes)), labels)
    if per_class == 1 or tau == 0:
        return loss
    first, second = torch.triu_indices(per_class, per_class, offset=1, device=centers.device)
    squared = (unit[:, first] - unit[:, second]).square().sum(dim=2)  # (C, pairs), 2 - 2<.,.> of unit vectors
    distance = squared.where(squared > 0, 1).sqrt().where(squared > 0, 0)  # gradient 0 where two coincide
    return loss + tau * distance.sum() / (classes * per_class * (per_class - 1))


def _random_proxies(*shape: int) -> nn.Parameter:
    """Kaiming normal with fan_out, std sqrt(2 / C), as released with Proxy-Anchor; only directions count."""
    if min(shape) < 1:
        raise ValueError(f"num_classes, dim, centers_per_class: expected positive numbers, got {shape}")
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
        ValueError: for non-positive sizes; in the call as `proxy_anchor_loss`.

    Source: [kim2020proxyanchor]. Taught in notebook 00.
    """

    def __init__(self, num_classes: int, dim: int, alpha: float = 32.0, delta: float = 0.1):
        super().__init__()
        self.proxies = _random_proxies(num_classes, dim)
        self.alpha, self.delta = alpha, delta

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return proxy_anchor_loss(embeddings, labels, self.proxies, alpha=self.alpha, delta=self.delta)


class ProxyNCALoss(nn.Module):
    """`proxy_nca_loss` with its learned `proxies` (num_classes, dim).

    Args and errors as `ProxyAnchorLoss`; `temperature` in units of cosine.

    Source: [teh2020proxynca]. Taught in notebook 04.
    """

    def __init__(self, num_classes: int, dim: int, temperature: float = 0.11):
        super().__init__()
        self.proxies = _random_proxies(num_classes, dim)
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return proxy_nca_loss(embeddings, labels, self.proxies, temperature=self.temperature)


class SoftTripleLoss(nn.Module):
    """`soft_triple_loss` with its learned `proxies` (num_classes, centers_per_class, dim).

    Args and errors as `ProxyAnchorLoss`; the rest as `soft_triple_loss`.

    Source: [qian2019softtriple]. Taught in notebook 04.
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
        similarity: str = "cosine",
    ):
        super().__init__()
        self.proxies = _random_proxies(num_classes, centers_per_class, dim)
        self.settings = dict(scale=scale, gamma=gamma, tau=tau, margin=margin, similarity=similarity)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return soft_triple_loss(embeddings, labels, self.proxies, **self.settings)
