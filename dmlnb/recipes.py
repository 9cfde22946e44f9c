"""The course's baseline: one tested recipe that every method starts from.

Its choices were made on the validation script (Greek); test scripts are read only for the numbers that are reported.
"""

import os
from collections.abc import Callable

import torch
from torch import nn

from dmlnb.data import ClassBatches, Glyphs
from dmlnb.losses import JointLoss, ProxyAnchorLoss
from dmlnb.models import AttributeNet, EmbeddingNet, small_resnet
from dmlnb.training import train


def glyph_baseline(
    pooling: nn.Module,
    *,
    steps: int = 700,
    dim: int = 64,
    project: str = "after",
    seed: int = 0,
    train_set: Glyphs | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> tuple[EmbeddingNet, list[dict[str, float]]]:
    """Train `small_resnet` with Proxy-Anchor on `Glyphs("train")`.

    Args:
        pooling: a module `(B, 64, H, W) -> (B, 64)` (with `project="before"`: `(B, dim, H, W) -> (B, dim)`).
        steps: training steps; 0 gives the untrained network of this seed.
        dim: size of the embedding.
        project: where the linear map stands, see `EmbeddingNet`.
        seed: of the weights, the batches and the augmentation. The same seed gives the same data order for every
            pooling, so that comparisons are paired.
        train_set: another training set than the default one.
        checkpoint: resume from and save to this file, see `train`.
        progress: show a bar.

    Returns:
        The network in evaluation mode, and the history of the training.

    Raises:
        ValueError: if `steps` is negative.

    Taught in notebook 00.
    """
    if steps < 0:
        raise ValueError(f"steps: expected 0 or more, got {steps}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = EmbeddingNet(small_resnet(), pooling, dim, project=project)
        history: list[dict[str, float]] = []
        if steps:
            data = train_set if train_set is not None else Glyphs("train")
            loss = ProxyAnchorLoss(data.num_classes, dim)
            batches = ClassBatches(data.labels, 128, 1, steps, seed=seed)
            history = train(
                net,
                loss,
                data.images,
                data.labels,
                batches,
                seed=seed,
                checkpoint=checkpoint,
                progress=progress,
            )
    return net.eval(), history


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
) -> tuple[AttributeNet, list[dict[str, float]]]:
    """Train as `glyph_baseline`, with a second loss on the attributes of the pooling beside Proxy-Anchor.

    Weight 0 is the baseline with this pooling: same seed, same start, same data order.

    Args:
        pooling: a pooling with attributes, such as `HistogramPooling` or `GeneralizedSumPooling`.
        auxiliary: `(attributes, labels) -> scalar`, such as `CrossBatchLoss(253, 64)`; trained in place.
        weight: λ of `JointLoss`.
        validate, validate_every: as in `train`.
        steps, dim, project, seed, train_set, checkpoint, progress: as in `glyph_baseline`.

    Returns:
        The network in evaluation mode, and the history of the training.

    Raises:
        ValueError: if `steps` is below 1, or the pooling has no attributes.

    Taught in notebook 03.
    """
    if steps < 1:
        raise ValueError(f"steps: expected 1 or more, got {steps}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = AttributeNet(small_resnet(), pooling, dim, project=project)
        data = train_set if train_set is not None else Glyphs("train")
        history = train(
            net,
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
