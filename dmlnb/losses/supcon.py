"""Supervised contrastive loss (SupCon): a softmax over all other samples, in which those of the class are wanted.

A function `(embeddings, labels) -> scalar` as those of `dmlnb.losses.pairs`, with `references` too. Taught in
notebook 09.
"""

import torch
from torch import Tensor

from dmlnb._inputs import require_positive
from dmlnb.geometry import inner_products
from dmlnb.losses.pairs import compared


def supcon_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.1,
    references: Tensor | None = None,
    reference_labels: Tensor | None = None,
    normalize: str | None = "sphere",
) -> Tensor:
    """SupCon: each anchor's mean surprise at its positives, among all that it is compared with.

    $$ -\\frac{1}{|A|} \\sum_{a \\in A} \\frac{1}{|P(a)|} \\sum_{p \\in P(a)}
         \\log \\frac{e^{s_{ap} / T}}{\\sum_{i \\ne a} e^{s_{ai} / T}} $$

    $P(a)$ are the other samples of the anchor's class, $A$ the anchors that have any. With exactly two samples of each
    class it is NT-Xent, the loss of SimCLR: there a class is an image, and its samples are two views of it.

    Args:
        embeddings: `(N, d)`, finite.
        labels: `(N,)` integers >= 0.
        temperature: T > 0, in units of similarity.
        references: `(M, d)` to compare to instead of the batch.
        reference_labels: `(M,)`.
        normalize: `"sphere"`, `"ball"` or None.

    Returns:
        Scalar, at least float32; 0 where no anchor has a positive.

    Raises:
        ValueError: for bad shapes, labels, NaN, or a temperature that is not positive.

    Source: [khosla2020supcon], eq. 2 (the mean outside the logarithm); NT-Xent: [chen2020simclr].
    Taught in notebook 09.
    """
    require_positive(temperature=temperature)
    anchors, others, positive, negative = compared(
        embeddings, labels, references, reference_labels, normalize
    )
    logits = inner_products(anchors, others) / temperature  # (N, M)
    lowest = torch.finfo(logits.dtype).min  # and not -inf: a lone sample has no one to be compared with
    total = logits.masked_fill(~(positive | negative), lowest).logsumexp(dim=1)
    number = positive.sum(dim=1)  # (N,)
    wanted = logits.where(positive, 0).sum(dim=1) / number.clamp(min=1)
    surprise = (total - wanted).where(number > 0, 0)
    return surprise.sum() / (number > 0).sum().clamp(min=1)
