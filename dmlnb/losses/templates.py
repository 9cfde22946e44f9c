"""Teaching templates their classes: a loss on the raw scores of template blocks, beside any loss on the embedding.

    block = TemplateBlock(64, num_classes, cosine=True)
    net = EmbeddingNet(small_resnet().append(block), GlobalAveragePooling(), 64)
    loss = TemplateSupervision(ProxyAnchorLoss(num_classes, 64), variant="pooled")
    train(net.read, loss, ...)  # in a loop of one's own: loss(net.read(images), labels).backward()

Any loss `loss(embeddings, labels)` can stand in the place of `ProxyAnchorLoss`, those of pytorch-metric-learning too.
"""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb._inputs import as_int, as_labels, require_map, require_not_negative, require_reading, wide


def class_template_loss(
    scores: Tensor, labels: Tensor, *, variant: str = "dense", per_class: int = 1
) -> Tensor:
    """Teach templates their classes, with the label of the image alone.

    $$ \\text{dense:}\\ \\frac1N \\sum_i \\mathrm{CE}(s_i, y) \\qquad\\qquad
       \\text{pooled:}\\ \\mathrm{CE}\\Bigl(\\frac1N \\sum_i s_i,\\ y\\Bigr) \\qquad\\qquad
       \\text{best:}\\ \\mathrm{CE}\\Bigl(\\ln \\sum_i e^{s_i},\\ y\\Bigr) $$

    Dense asks every region for the class of its image, background included; pooled asks only their average, so
    regions may differ, and by Jensen's inequality its loss is never larger; best asks the regions that fit a class
    most, so that one good region can answer for the image. The score of a class with several templates is the
    log-sum-exp of theirs.

    Args:
        scores: `(B, K, H, W)` raw scores s, before the normalisation; templates `c per_class ...` belong to class c.
        labels: `(B,)` integers in 0 .. K / per_class - 1.
        variant: `"dense"`, `"pooled"` or `"best"`.
        per_class: templates of each class.

    Returns:
        Scalar, at least float32.

    Raises:
        ValueError: for bad shapes, labels out of range, or an unknown variant.

    Source: the idea [gorgun2022template]; this form is our reconstruction. Taught in notebook 05.
    """
    require_map(scores, name="scores", finite=True)
    if variant not in ("dense", "pooled", "best"):
        raise ValueError(f"variant: expected 'dense', 'pooled' or 'best', got {variant!r}")
    if scores.shape[1] % as_int(per_class, "per_class"):
        raise ValueError(f"per_class: expected a divisor of {scores.shape[1]} templates, got {per_class}")
    labels = as_labels(labels, len(scores), scores.shape[1] // per_class)
    scores = scores.to(wide(scores)).flatten(2)  # (B, K, n)
    if per_class > 1:
        scores = scores.unflatten(1, (-1, int(per_class))).logsumexp(dim=2)  # (B, C, n)
    if variant == "pooled":
        return cross_entropy(scores.mean(dim=2), labels)
    if variant == "best":
        return cross_entropy(scores.logsumexp(dim=2), labels)
    return cross_entropy(scores, labels[:, None].expand(-1, scores.shape[2]))


class TemplateSupervision(nn.Module):
    """A loss on what the network gives, plus the class loss of its templates.

    $$ L = L_{\\text{base}} + \\lambda \\sum_{\\text{layers}} L_{\\text{templates}} $$

    Called `loss(reading, labels)` with what `net.read(images)` gives. The base loss gets what `net(images)` would give:
    the logits of a classifier, the embeddings of any other network.

    Args:
        base: `loss(embeddings or logits, labels) -> scalar`; when it is a module, its parameters are this module's.
        weight: $\\lambda$; 0 trains without supervision.
        variant, per_class: as in `class_template_loss`.
        layers: names of the layers whose templates are taught, as in `reading.scores`; None for all.

    Raises:
        ValueError: for a weight that is not >= 0; in the call, for a tensor in place of a reading, a reading without
            scores, or a layer that is not in it.

    Source: as `class_template_loss`. Taught in notebook 05.
    """

    def __init__(
        self,
        base: Callable[[Tensor, Tensor], Tensor],
        *,
        weight: float = 1.0,
        variant: str = "dense",
        per_class: int = 1,
        layers: Iterable[int | str] | None = None,
    ):
        super().__init__()
        require_not_negative(weight=weight)
        self.base, self.weight = base, weight
        self.settings: dict[str, Any] = {"variant": variant, "per_class": per_class}
        self.layers = None if layers is None else [str(name) for name in layers]

    def forward(self, reading: Any, labels: Tensor) -> Tensor:
        require_reading(reading, "embeddings", "scores")
        names = list(reading.scores) if self.layers is None else self.layers
        if unknown := [name for name in names if name not in reading.scores]:
            raise ValueError(f"layers: expected some of {list(reading.scores)}, got {', '.join(unknown)}")
        loss = self.base(reading.embeddings if reading.logits is None else reading.logits, labels)
        if self.weight:
            taught = (class_template_loss(reading.scores[name], labels, **self.settings) for name in names)
            loss = loss + self.weight * sum(taught)
        return loss
