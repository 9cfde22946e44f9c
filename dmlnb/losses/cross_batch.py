"""Cross-batch metric learning: prototypes fitted to some classes must explain the samples of others.

The attributes z of an image are shares over m prototypes (`HistogramPooling`, or the attributes of
`GeneralizedSumPooling`). Ridge regression fits what each prototype stands for, from attributes to class codes, on
one half of a batch; the other half, of other classes, is classified with that fit, and the roles are swapped. A
small loss asks for attributes that transfer between classes. The fit is in closed form, and gradients flow through it.

    loss = CrossBatchLoss(num_classes, dim)
    total = 0.9 * metric_loss(embeddings, labels) + 0.1 * loss(attributes, labels)

It stands beside any loss on embeddings, those of pytorch-metric-learning too; `JointLoss` adds the two up for
`train(net.read, ...)`. It has parameters, the class codes: give them to the optimiser.

No code was released for [gurbuz2023xml]. The loss here is the zero-shot prediction loss that the same authors released
with [gurbuz2023gsp]; that the two are one is our reading of abstract and appendix. Taught in notebook 03.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb._inputs import (
    as_labels,
    no_autocast,
    require_embeddings,
    require_positive,
    require_reading,
    require_shares,
    require_sizes,
    traced,
    wide,
)
from dmlnb.prototypes import ridge_predictor


def class_halves(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Split a batch in two halves that share no class: every other class, in the order of their first appearance.

    So it does not matter how a sampler arranges its classes, and no class is always in the first half, if the sampler
    shuffles. On class-interleaved batches of an even number of classes these are the even and the odd rows.

    Args:
        labels: `(N,)` integers.

    Returns:
        Indices of the rows in the first and in the second half; together all rows.

    Raises:
        ValueError: for a batch of fewer than two classes.

    Taught in notebook 03.
    """
    if traced():
        raise ValueError(
            "halves: expected a pair of index tensors where torch compiles, exports or transforms, got None"
        )
    classes, number = as_labels(labels, None).unique(return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"labels: expected at least two classes in the batch, got {len(classes)}")
    rows = torch.arange(len(labels), device=labels.device)
    first_row = rows.new_full((len(classes),), len(labels)).scatter_reduce(0, number, rows, "amin")
    order = first_row.argsort().argsort()  # (classes,) which class appears first, second, ...
    second = (order % 2 == 1)[number]  # (N,)
    return rows[~second], rows[second]


def cross_batch_loss(
    attributes: Tensor,
    labels: Tensor,
    class_codes: Tensor,
    halves: tuple[Tensor, Tensor] | None = None,
    *,
    ridge: float = 0.05,
    scale: float = 9.5,
) -> Tensor:
    """Classify each half of a batch with the prototypes that were fitted to the other half, of other classes.

    $$ \\hat Y_1 = Z_1\\, \\mathrm{ridge}(Z_2, U[y_2]), \\quad \\hat Y_2 = Z_2\\, \\mathrm{ridge}(Z_1, U[y_1]), \\qquad
       \\ell = -\\frac1B \\sum_b \\log \\mathrm{softmax}_c( \\kappa \\langle \\upsilon_c, \\hat y_b \\rangle )_{y_b} $$

    The softmax runs over all C classes; nothing is normalised. Codes get gradient as targets and as classifier.
    Attributes that are all zero give log C and no gradient. (The released code adds 1e-16 within the logarithm, which
    caps a term at 36.8; this does not.)

    Args:
        attributes: `(N, m)`, z of each image.
        labels: `(N,)` integers in 0 .. C - 1.
        class_codes: `(C, d)`, υ.
        halves: index tensors of two halves without a common class; None takes `class_halves(labels)`. Rows in
            neither half do not count.
        ridge: ε > 0 of the fit.
        scale: κ > 0, inverse temperature.

    Returns:
        Scalar, at least float32.

    Raises:
        ValueError: for bad shapes, NaN, labels out of range, a batch of one class, halves that share a class.

    Source: [gurbuz2023gsp], released code; the idea of [gurbuz2023xml]. Taught in notebook 03.
    """
    require_embeddings(attributes, "attributes")
    require_embeddings(class_codes, "class_codes")
    labels = as_labels(labels, len(attributes), len(class_codes))
    require_positive(ridge=ridge, scale=scale)
    first, second = class_halves(labels) if halves is None else _checked(halves, labels)
    dtype = wide(attributes, class_codes)
    with no_autocast(attributes):
        z, codes = attributes.to(dtype), class_codes.to(dtype)
        fits = [
            ridge_predictor(z[half], codes[labels[half]], ridge) for half in (first, second)
        ]  # (m, d) each
        predicted = torch.cat([z[first] @ fits[1], z[second] @ fits[0]])  # (N, d), from the other half
        return cross_entropy(scale * predicted @ codes.T, torch.cat([labels[first], labels[second]]))


def _checked(halves: tuple[Tensor, Tensor], labels: Tensor) -> list[Tensor]:
    if len(halves) != 2:
        raise ValueError(f"halves: expected a pair of index tensors, got {len(halves)}")
    rows = [torch.as_tensor(half, device=labels.device) for half in halves]
    wholes = [not half.is_floating_point() and half.dtype != torch.bool for half in rows]
    rows = [half.long() for half in rows]
    for half, whole in zip(rows, wholes, strict=True):
        inside = traced() or not len(half) or (half.min() >= 0 and half.max() < len(labels))
        if half.ndim != 1 or len(half) == 0 or not whole or not inside:
            raise ValueError(f"halves: expected row numbers in 0 .. {len(labels) - 1}, not empty, got {half}")
    if not traced():
        shared = torch.isin(labels[rows[0]], labels[rows[1]])
        if shared.any():
            common = labels[rows[0]][shared].unique().tolist()
            raise ValueError(f"halves: expected no class in both, got {common} in both")
    return rows


class CrossBatchLoss(nn.Module):
    """`cross_batch_loss` with its learned `class_codes` (num_classes, dim).

    The codes are not the proxies of another loss. They start normal, with standard deviation sqrt(2 / C).

    Args:
        num_classes: C.
        dim: d, size of a code.
        ridge: ε > 0 of the fit. Attributes that are nearly even over m prototypes have a squared length of little
            more than 1 / m: the default then shrinks the fit strongly.
        scale: κ > 0, inverse temperature.

    Raises:
        ValueError: for non-positive sizes or settings; in the call as `cross_batch_loss`.

    Source: [gurbuz2023gsp], [gurbuz2023xml]. Taught in notebook 03.
    """

    def __init__(self, num_classes: int, dim: int, ridge: float = 0.05, scale: float = 9.5):
        super().__init__()
        require_sizes(num_classes=num_classes, dim=dim)
        require_positive(ridge=ridge, scale=scale)
        self.class_codes = nn.Parameter(torch.randn(num_classes, dim) * (2 / num_classes) ** 0.5)
        self.ridge, self.scale = ridge, scale

    def forward(
        self, attributes: Tensor, labels: Tensor, halves: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        return cross_batch_loss(
            attributes, labels, self.class_codes, halves, ridge=self.ridge, scale=self.scale
        )


class JointLoss(nn.Module):
    """A loss on embeddings and a loss on the attributes of the pooling, for what `net.read(images)` gives.

    $$ L = (1 - \\lambda)\\, L_{\\text{metric}}(x, y) + \\lambda\\, \\ell(z, y) $$

        train(net.read, JointLoss(ProxyAnchorLoss(C, d), CrossBatchLoss(C, d)), ...)

    Args:
        metric: `(embeddings, labels) -> scalar`.
        auxiliary: `(attributes, labels) -> scalar`.
        weight: λ in [0, 1].

    Shape:
        a `Reading` with embeddings `(B, d)` and attributes `(B, m)`, labels `(B,)` -> scalar.

    Raises:
        ValueError: for a weight out of range; in the call, for a tensor, or a reading without attributes.
    """

    def __init__(
        self,
        metric: Callable[[Tensor, Tensor], Tensor],
        auxiliary: Callable[[Tensor, Tensor], Tensor],
        weight: float = 0.1,
    ):
        super().__init__()
        require_shares(weight=weight)
        self.metric, self.auxiliary, self.weight = metric, auxiliary, weight

    def forward(self, reading: Any, labels: Tensor) -> Tensor:
        require_reading(reading, "embeddings", "attributes")
        metric, auxiliary = (
            self.metric(reading.embeddings, labels),
            self.auxiliary(reading.attributes, labels),
        )
        return (1 - self.weight) * metric + self.weight * auxiliary
