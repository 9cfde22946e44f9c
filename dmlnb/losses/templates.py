"""Teaching templates their classes: a loss on the raw scores of template blocks, beside any loss on the embedding.

    block = TemplateBlock(64, num_classes, cosine=True)
    net = EmbeddingNet(small_resnet().append(block), GlobalAveragePooling(), 64)
    loss = TemplateSupervision(ProxyAnchorLoss(num_classes, 64), [block], variant="pooled")
    loss(net(images), labels).backward()

Any loss `loss(embeddings, labels)` can stand in the place of `ProxyAnchorLoss`, those of pytorch-metric-learning too.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb._inputs import require_labels


def class_template_loss(
    scores: Tensor, labels: Tensor, *, variant: str = "dense", per_class: int = 1
) -> Tensor:
    """Teach templates their classes, with the label of the image alone.

    $$ \\text{dense:}\\ \\frac1N \\sum_i \\mathrm{CE}(s_i, y) \\qquad\\qquad
       \\text{pooled:}\\ \\mathrm{CE}\\Bigl(\\frac1N \\sum_i s_i,\\ y\\Bigr) $$

    Dense asks every region for the class of its image, background included; pooled asks only their average, so
    regions may differ. By Jensen's inequality the pooled loss is never larger. The score of a class with several
    templates is the log-sum-exp of theirs.

    Args:
        scores: `(B, K, H, W)` raw scores s, before the normalisation; templates `c per_class ...` belong to class c.
        labels: `(B,)` integers in 0 .. K / per_class - 1.
        variant: `"dense"` or `"pooled"`.
        per_class: templates of each class.

    Returns:
        Scalar, at least float32.

    Raises:
        ValueError: for bad shapes, labels out of range, or an unknown variant.

    Source: the idea [gorgun2022template]; this form is our reconstruction. Taught in notebook 05.
    """
    if scores.ndim != 4 or 0 in scores.shape or not scores.is_floating_point():
        raise ValueError(
            f"scores: expected floating point (B, K, H, W), got {scores.dtype} {tuple(scores.shape)}"
        )
    if variant not in ("dense", "pooled"):
        raise ValueError(f"variant: expected 'dense' or 'pooled', got {variant!r}")
    if per_class < 1 or scores.shape[1] % per_class:
        raise ValueError(f"per_class: expected a divisor of {scores.shape[1]} templates, got {per_class}")
    require_labels(labels, len(scores), scores.shape[1] // per_class)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32)).flatten(2)  # (B, K, n)
    if per_class > 1:
        scores = scores.unflatten(1, (-1, per_class)).logsumexp(dim=2)  # (B, C, n)
    if variant == "pooled":
        return cross_entropy(scores.mean(dim=2), labels.long())
    return cross_entropy(scores, labels.long()[:, None].expand(-1, scores.shape[2]))


class TemplateSupervision(nn.Module):
    """A loss on the embedding plus the class loss of the blocks' templates.

    $$ L = L_{\\text{base}} + \\lambda \\sum_{\\text{blocks}} L_{\\text{templates}} $$

    Called `loss(embeddings, labels)`, right after the forward pass whose scores it uses: one pass, one loss. Each block
    keeps the scores of its pass in training mode, and the loss takes them. The blocks stay part of the network alone:
    their parameters are not this module's, and a copy of the network needs a supervision of its own.

    Args:
        base: `loss(embeddings, labels) -> scalar`; when it is a module, its parameters are this module's.
        blocks: the `TemplateBlock`s of the network.
        weight: $\\lambda$; 0 trains without supervision.
        variant, per_class: as in `class_template_loss`.

    Raises:
        ValueError: for a weight that is not >= 0, or other blocks; in the call, unless each block has run in training
            mode since the last one, once and after any pass in evaluation mode.

    Source: as `class_template_loss`. Taught in notebook 05.
    """

    def __init__(
        self,
        base: Callable[[Tensor, Tensor], Tensor],
        blocks: Iterable[nn.Module],
        *,
        weight: float = 1.0,
        variant: str = "dense",
        per_class: int = 1,
    ):
        super().__init__()
        if not 0 <= weight < float("inf"):
            raise ValueError(f"weight: expected a number >= 0, got {weight}")
        self.base, self.weight = base, weight
        self.settings = {"variant": variant, "per_class": per_class}
        self._blocks = tuple(blocks)  # in a tuple: no sub-modules
        if not all(hasattr(block, "kept_scores") for block in self._blocks):
            raise ValueError("blocks: expected modules that keep their scores, such as TemplateBlock")
        for block in self._blocks:
            block.supervised, block.kept_scores = True, []

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        scores = [block.kept_scores for block in self._blocks]
        for block in self._blocks:
            block.kept_scores = []
        if any(len(kept) != 1 for kept in scores):
            found = "several, now forgotten" if all(scores) else "none"
            raise ValueError(
                f"blocks: expected one forward pass in training mode before the loss, found {found}"
            )
        loss = self.base(embeddings, labels)
        if self.weight:
            loss = loss + self.weight * sum(
                class_template_loss(s, labels, **self.settings) for (s,) in scores
            )
        return loss
