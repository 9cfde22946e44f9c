"""The letters' baseline with a second loss, on the attributes of its pooling."""

import os
from collections.abc import Callable

import torch
from torch import nn

from dmlnb.data import ClassBatches, Glyphs
from dmlnb.losses import JointLoss, ProxyAnchorLoss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.training import train


def glyph_with_attributes(
    pooling: nn.Module,
    auxiliary: nn.Module,
    *,
    weight: float = 0.1,
    steps: int = 700,
    dim: int = 64,
    project: str = "before",
    seed: int = 0,
    train_set: Glyphs | None = None,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    validate_every: int = 100,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> tuple[EmbeddingNet, list[dict[str, float]]]:
    """Train as `glyph_baseline`, with a second loss on the attributes of the pooling beside Proxy-Anchor.

    Weight 0 is the baseline with this pooling: same seed, same start, same data order.

    Args:
        pooling: a pooling with attributes, such as `HistogramPooling` or `GeneralizedSumPooling`.
        auxiliary: `(attributes, labels) -> scalar`, such as `CrossBatchLoss(253, 64)`; trained in place.
        weight: λ of `JointLoss`.
        validate, validate_every: as in `train`.
        steps, dim, project, seed, train_set, checkpoint, progress: as in `glyph_baseline`.

    Returns:
        The network in evaluation mode, and the history of the training. `net(images)` gives embeddings only and costs
        what the pooling costs: attributes serve to learn, not to retrieve; `net.read(images)` has them.

    Raises:
        ValueError: if `steps` is below 1, or the pooling has no attributes.

    Taught in notebook 03.
    """
    if steps < 1:
        raise ValueError(f"steps: expected 1 or more, got {steps}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = EmbeddingNet(small_resnet(), pooling, dim, project=project)
        data = train_set if train_set is not None else Glyphs("train")
        history = train(
            net.read,
            JointLoss(ProxyAnchorLoss(data.num_classes, dim), auxiliary, weight),
            data.images,
            data.labels,
            ClassBatches(data.labels, 128, 1, steps, seed=seed),
            seed=seed,
            validate=validate,
            validate_every=validate_every,
            checkpoint=checkpoint,
            progress=progress,
        )
    return net.eval(), history
