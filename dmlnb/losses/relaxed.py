"""Embedding transfer with relaxed labels: the similarities in a source space say how near pairs belong.

A *source* is a trained embedding network, frozen; a *target* is the network that learns from it. Two rows of the source
that lie near each other give a label near 1, rows far apart one near 0, and everything between is told too. Only
distances are compared, so the two spaces may have any dimensions, and no class label is needed.

    loss = RelaxedContrastiveLoss()
    with torch.no_grad():
        source_embeddings = source(images)
    loss(target(images), source_embeddings).backward()

pytorch-metric-learning calls `loss(embeddings, labels)`: give the source's embeddings in place of the labels.
Several views of each image are stacked view after view, rows [view 1 of all images, view 2 of all images, ...].
"""

import torch
from torch import Tensor, nn

from dmlnb._inputs import as_int, require_embeddings, require_not_negative, require_positive, traced, wide
from dmlnb.geometry import normalize, pairwise_distances
from dmlnb.losses.pairs import log1p_sum_exp


@torch.no_grad()
def relaxed_labels(source: Tensor, *, sigma: float = 1.0) -> Tensor:
    """How much each pair belongs together, from the source space.

    $$ w_{ij} = \\exp\\bigl(-\\lVert \\hat s_i - \\hat s_j \\rVert^2 / \\sigma\\bigr),
       \\qquad \\hat s = s / \\lVert s \\rVert $$

    Unit vectors are at most 2 apart, so $e^{-4/\\sigma} \\le w \\le 1$: no pair is ever quite unrelated.

    Args:
        source: `(n, d_s)`, finite; normalised inside. No gradient goes to it.
        sigma: width of the kernel, > 0; 0 in the limit leaves only coinciding rows related.

    Returns:
        `(n, n)`, symmetric, 1 on the diagonal, at least float32.

    Raises:
        ValueError: for another shape, NaN, or a width that is not positive.

    Source: [kim2021relaxed]. Taught in notebook 07.
    """
    require_positive(sigma=sigma)
    require_embeddings(source, "source")
    unit = normalize(source.to(wide(source)))
    return torch.exp(-pairwise_distances(unit, unit).square() / sigma)


def relative_distances(target: Tensor) -> Tensor:
    """Distances in units of the anchor's mean distance: the target's size cancels.

    $$ r_{ij} = d_{ij} / \\mu_i, \\qquad \\mu_i = \\frac1n \\sum_{k=1}^n d_{ik}, \\qquad
       d_{ij} = \\lVert t_i - t_j \\rVert_2 $$

    The mean counts the anchor itself, so each row sums to n. It is part of the graph: held constant it would leave the
    value as it is and turn the gradient into another one.

    Args:
        target: `(n, d_t)`, finite; not normalised.

    Returns:
        `(n, n)`, not symmetric; zeros where all rows coincide.

    Raises:
        ValueError: for another shape, or NaN.

    Source: [kim2021relaxed]. Taught in notebook 07.
    """
    require_embeddings(target, "target")
    distance = pairwise_distances(target, target)
    mean = distance.mean(dim=1, keepdim=True)  # (n, 1)
    return distance * mean.where(mean > 0, 1).reciprocal()


def relaxed_contrastive_loss(target: Tensor, labels: Tensor, *, delta: float = 1.0) -> Tensor:
    """Contrastive loss on relative distances, where a pair is pulled by its label and pushed by what is left of it.

    $$ \\frac1n \\sum_i \\sum_{j \\ne i} w_{ij}\\, r_{ij}^2 + (1 - w_{ij}) (\\delta - r_{ij})_+^2 $$

    Within the margin this is $(r - \\delta (1 - w))^2$ plus a constant: a pair comes to rest at $r = \\delta (1 - w)$.
    A sum over partners and a mean over anchors: the value grows with n.

    Args:
        target: `(n, d_t)`, finite; not normalised.
        labels: `(n, n)` in 0 .. 1, from `relaxed_labels`, or 0 and 1 for class labels. The diagonal is not read.
        delta: margin >= 0, in units of the anchor's mean distance.

    Returns:
        Scalar, at least float32. Batches of one give 0; with two, r = 2 whatever the target does, so there is nothing
        to learn.

    Raises:
        ValueError: for shapes that do not fit, labels out of range, or a negative margin.

    Source: [kim2021relaxed]. Taught in notebook 07.
    """
    relative = relative_distances(target)
    labels = _require_pair_labels(labels, relative, delta)
    pull, push = relative.square(), (delta - relative).relu().square()
    return torch.lerp(push, pull, labels).sum() / len(target)  # labels * pull + (1 - labels) * push


def relaxed_multi_similarity_loss(
    target: Tensor,
    labels: Tensor,
    *,
    delta: float = 1.0,
    alpha: float = 1.0,
    beta: float = 2.0,
    views: int = 2,
) -> Tensor:
    """Multi-similarity loss on relative distances, with relaxed labels.

    $$ \\frac1n \\sum_i
         \\frac1\\alpha \\log\\Bigl(1 + \\sum_{j \\ne i} w_{ij} e^{\\alpha r_{ij}}\\Bigr)
       + \\frac1\\beta \\log\\Bigl(1 + \\sum_{j \\ne i} (1 - w_{ij}) e^{\\beta (\\delta - r_{ij})}\\Bigr) $$

    Views of one image count as identical, $w = 1$, whatever the source says.

    Args:
        target, labels, delta: as in `relaxed_contrastive_loss`.
        alpha, beta: > 0, inverse temperatures of pull and push.
        views: of each image in the batch, stacked view after view; 1 for none.

    Returns:
        Scalar, at least float32; 0 for a batch of one.

    Raises:
        ValueError: as `relaxed_contrastive_loss`, or for a batch that does not divide into the views.

    Source: released code of [kim2021relaxed].
    """
    require_positive(alpha=alpha, beta=beta)
    relative = relative_distances(target)
    labels = _require_pair_labels(labels, relative, delta)
    n = len(target)
    if n % as_int(views, "views"):
        raise ValueError(f"views: expected a divisor of the {n} rows, got {views}")
    image = torch.arange(n, device=target.device) % (n // views)  # which image row i shows
    labels = labels.masked_fill(image[:, None] == image, 1)
    others = ~torch.eye(n, dtype=torch.bool, device=target.device)
    pull = log1p_sum_exp(alpha * relative + labels.log(), others, dim=1) / alpha  # (n,)
    push = log1p_sum_exp(beta * (delta - relative) + (1 - labels).log(), others, dim=1) / beta
    return (pull + push).mean()


class RelaxedContrastiveLoss(nn.Module):
    """`relaxed_contrastive_loss` with labels from the source space: `loss(target (n, d_t), source (n, d_s))`.

    Args and errors as `relaxed_labels` and `relaxed_contrastive_loss`. Source: [kim2021relaxed].
    Taught in notebook 07.
    """

    def __init__(self, sigma: float = 1.0, delta: float = 1.0):
        super().__init__()
        require_positive(sigma=sigma)
        require_not_negative(delta=delta)
        self.sigma, self.delta = sigma, delta

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        return relaxed_contrastive_loss(target, relaxed_labels(source, sigma=self.sigma), delta=self.delta)


class RelaxedMultiSimilarityLoss(nn.Module):
    """`relaxed_multi_similarity_loss` with labels from the source space: `loss(target, source, views=2)`.

    Args and errors as `relaxed_labels` and `relaxed_multi_similarity_loss`. Source: [kim2021relaxed].
    """

    def __init__(self, sigma: float = 1.0, delta: float = 1.0, alpha: float = 1.0, beta: float = 2.0):
        super().__init__()
        require_positive(sigma=sigma, alpha=alpha, beta=beta)
        require_not_negative(delta=delta)
        self.sigma, self.delta, self.alpha, self.beta = sigma, delta, alpha, beta

    def forward(self, target: Tensor, source: Tensor, views: int = 2) -> Tensor:
        labels = relaxed_labels(source, sigma=self.sigma)
        return relaxed_multi_similarity_loss(
            target, labels, delta=self.delta, alpha=self.alpha, beta=self.beta, views=views
        )


def _require_pair_labels(labels: Tensor, relative: Tensor, delta: float) -> Tensor:
    """Labels in the dtype of the distances, with 1 on the diagonal."""
    require_not_negative(delta=delta)
    if labels.shape != relative.shape:
        n = len(relative)
        raise ValueError(f"labels: expected shape ({n}, {n}), one a pair of rows, got {tuple(labels.shape)}")
    labels = labels.detach().to(relative.dtype)
    if not traced():
        low, high = (bound.item() for bound in labels.aminmax())
        if not (0 <= low and high <= 1):
            raise ValueError(f"labels: expected numbers in 0 .. 1, got {low:.3g} .. {high:.3g}")
    return labels.clone().fill_diagonal_(1)
