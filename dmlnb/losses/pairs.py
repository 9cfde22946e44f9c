"""Losses over pairs and triplets of a batch: contrastive (two forms), triplet, multi-similarity.

Each is a function `(embeddings, labels) -> scalar`, and so fits any training loop, also one written for
pytorch-metric-learning: `loss(embeddings, labels)`. Embeddings are put on the unit sphere inside
(`normalize="sphere"`); `"ball"` clips them to the unit ball instead, None leaves them alone. With
`references` the anchors are compared to other vectors, such as proxies, instead of to the batch itself: every
reference of the anchor's class is a positive, all others are negatives, and nothing is excluded. Half
precision is computed in float32.

Formulas: table of base losses in the supplement of [gurbuz2024ccp]. Taught in notebooks 00, 04 and 09.
"""

import torch
from torch import Tensor
from torch.nn.functional import hardtanh

from dmlnb import geometry
from dmlnb._inputs import as_labels, require_embeddings, require_finite, require_positive, traced, wide

MINED = {  # of a triplet, by how much its negative is farther than its positive
    "all": lambda ahead: torch.ones_like(ahead, dtype=torch.bool),
    "semi-hard": lambda ahead: ahead > 0,
    "hard": lambda ahead: ahead <= 0,
}


def active_mean(terms: Tensor, mask: Tensor) -> Tensor:
    """Mean of the positive terms in the mask, $\\sum_{t>0} t \\, / \\, \\#\\{t > 0\\}$; 0 when there is none."""
    active = terms.where(mask, 0).relu_()
    return active.sum() / active.detach().sign().sum().clamp(min=1)


def compared(
    embeddings: Tensor,
    labels: Tensor,
    references: Tensor | None,
    reference_labels: Tensor | None,
    normalize: str | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normalised anchors and references, and the masks of positive and negative pairs, each (N, M)."""
    require_embeddings(embeddings)
    labels = as_labels(labels, len(embeddings))
    if (references is None) != (reference_labels is None):
        raise ValueError("references, reference_labels: expected both or neither")
    if references is None or reference_labels is None:
        anchors = geometry.normalize(embeddings.to(wide(embeddings)), normalize)
        same = labels[:, None] == labels
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        return anchors, anchors, same & ~itself, ~same
    require_embeddings(references, "references")
    reference_labels = as_labels(reference_labels, len(references), name="reference_labels")
    if references.shape[1] != embeddings.shape[1]:
        raise ValueError(f"references: expected {embeddings.shape[1]} coordinates, got {references.shape[1]}")
    same = labels[:, None] == reference_labels
    dtype = wide(embeddings, references)
    anchors, references = (geometry.normalize(x.to(dtype), normalize) for x in (embeddings, references))
    return anchors, references, same, ~same


def contrastive_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    positive_margin: float = 0.0,
    negative_margin: float = 0.5,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    normalize: str | None = "sphere",
) -> Tensor:
    """Two margins on Euclidean distance ("C2"), each side averaged over its active pairs.

    $$ \\overline{(d^+ - m_+)_+} + \\overline{(m_- - d^-)_+} $$

    Args:
        embeddings: `(N, d)`, finite.
        labels: `(N,)` integers >= 0.
        positive_margin: distance below which a positive pair costs nothing.
        negative_margin: distance beyond which a negative pair costs nothing.
        references: `(M, d)` to compare to instead of the batch.
        reference_labels: `(M,)`.
        normalize: `"sphere"`, `"ball"` or None.

    Returns:
        Scalar, at least float32.

    Raises:
        ValueError: for bad shapes, labels, or NaN.

    Source: [hadsell2006contrastive]; form and defaults [gurbuz2024ccp].
    """
    require_finite(positive_margin=positive_margin, negative_margin=negative_margin)
    pairs = compared(embeddings, labels, references, reference_labels, normalize)
    anchors, others, positive, negative = pairs
    distance = geometry.pairwise_distances(anchors, others)  # (N, M)
    pull = active_mean(distance - positive_margin, positive)
    push = active_mean(negative_margin - distance, negative)
    return pull + push


def cosine_contrastive_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.5,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    normalize: str | None = "sphere",
) -> Tensor:
    """One margin on cosine similarity ("C1"): sums over pairs, divided by the number of anchors.

    $$ \\frac1N \\Bigl( \\sum_{pos} (1 - s - 10^{-5})_+ + \\sum_{neg} (s - m)_+ \\Bigr) $$

    Args, errors and source as `contrastive_loss`; `margin` is the similarity below which a negative pair
    costs nothing.
    """
    require_finite(margin=margin)
    pairs = compared(embeddings, labels, references, reference_labels, normalize)
    anchors, others, positive, negative = pairs
    similarity = geometry.inner_products(anchors, others)  # (N, M)
    pull = (1 - similarity - 1e-5).where(positive, 0).relu().sum()
    push = (similarity - margin).where(negative, 0).relu().sum()
    return (pull + push) / len(anchors)


def triplet_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.05,
    mined: str = "all",
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    normalize: str | None = "sphere",
) -> Tensor:
    """Triplets: an anchor is nearer to its positive than to its negative, by a margin.

    $$ \\overline{(d_{ap} - d_{an} + m)_+} \\quad\\text{over active triplets} $$

    Args and errors as `contrastive_loss`; `margin` in units of distance. `mined` says which of the active triplets
    count: `"all"`; `"semi-hard"`, those whose negative is farther than the positive, $d_{ap} < d_{an}$; `"hard"`, the
    others. Memory is that of (P, M) numbers for P positive pairs, and of (N, M, M) where torch compiles, exports or
    transforms the program.

    Source: [schroff2015facenet], mining too (which draws one semi-hard negative for each positive pair; here all of
    them count); averaging and default [gurbuz2024ccp]. Taught in notebook 09.
    """
    require_finite(margin=margin)
    if mined not in MINED:
        raise ValueError(f"mined: expected one of {', '.join(MINED)}, got {mined!r}")
    pairs = compared(embeddings, labels, references, reference_labels, normalize)
    anchors, others, positive, negative = pairs
    distance = geometry.pairwise_distances(anchors, others)
    if (
        traced()
    ):  # how many positive pairs there are is not known: all pairs are candidates, N M numbers an anchor
        ahead = distance[:, None, :] - distance[:, :, None]  # (N, M, M), by how much the negative is farther
        return active_mean(margin - ahead, positive[:, :, None] & negative[:, None, :] & MINED[mined](ahead))
    anchor, partner = positive.nonzero(as_tuple=True)  # (P,) each: the positive pairs
    ahead = distance[anchor] - distance[anchor, partner, None]  # (P, M)
    return active_mean(margin - ahead, negative[anchor] & MINED[mined](ahead))


def multi_similarity_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    normalize: str | None = "sphere",
) -> Tensor:
    """Multi-similarity without pair mining: soft maxima over an anchor's positives and negatives.

    $$ \\frac1N \\sum_a \\frac1\\alpha \\log\\Bigl(1 + \\sum_{p} e^{\\alpha(\\lambda - s_{ap})}\\Bigr)
       + \\frac1\\beta \\log\\Bigl(1 + \\sum_{q} e^{\\beta(s_{aq} - \\lambda)}\\Bigr) $$

    Args and errors as `contrastive_loss`; `alpha`, `beta` > 0 are inverse temperatures, `base` the similarity
    λ.

    Source: [wang2019multisimilarity]; no mining and defaults [gurbuz2024ccp]. Taught in notebook 04.
    """
    require_positive(alpha=alpha, beta=beta)
    require_finite(base=base)
    pairs = compared(embeddings, labels, references, reference_labels, normalize)
    anchors, others, positive, negative = pairs
    similarity = geometry.inner_products(anchors, others)  # (N, M)
    pull = log1p_sum_exp(alpha * (base - similarity), positive, dim=1) / alpha  # (N,)
    push = log1p_sum_exp(beta * (similarity - base), negative, dim=1) / beta
    return (pull + push).mean()


def log1p_sum_exp(logits: Tensor, mask: Tensor, dim: int) -> Tensor:
    """$\\log(1 + \\sum_{mask} e^{x})$ along `dim`, without overflow; 0 where the mask is empty."""
    logits = logits.masked_fill(~mask, -torch.inf)
    top = logits.detach().amax(dim, keepdim=True).clamp(min=0)  # so that the sum is at least 1
    shifted = hardtanh(logits - top, -80.0, 1.0)  # below it adds nothing, and exp is slow where it underflows
    return ((-top).exp() + shifted.exp().sum(dim, keepdim=True)).log().add(top).squeeze(dim)
