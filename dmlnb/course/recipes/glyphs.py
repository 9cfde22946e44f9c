"""The course's baseline: one tested recipe that every method starts from.

Its choices were made on the validation script (Greek); test scripts are read only for the numbers that are reported.
"""

import os

import torch
from torch import nn

from dmlnb.data import ClassBatches, Glyphs
from dmlnb.losses import ProxyAnchorLoss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.training import train


def glyph_baseline(
    pooling: nn.Module,
    *,
    steps: int = 700,
    dim: int = 64,
    project: str = "after",
    widths: tuple[int, int, int, int] = (16, 24, 48, 64),
    seed: int = 0,
    train_set: Glyphs | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> tuple[EmbeddingNet, list[dict[str, float]]]:
    """Train `small_resnet` with Proxy-Anchor on `Glyphs("train")`.

    Args:
        pooling: a module `(B, C, H, W) -> (B, C)`, C = 64 for the default widths (with `project="before"`:
            `(B, dim, H, W) -> (B, dim)`).
        steps: training steps; 0 gives the untrained network of this seed.
        dim: size of the embedding.
        project: where the linear map stands, see `EmbeddingNet`.
        widths: of `small_resnet`.
        seed: of the weights, the batches and the augmentation. The same seed gives the same data order for every
            pooling, so that comparisons are paired.
        train_set: another training set than the default one.
        checkpoint: resume from and save to this file, see `train`.
        progress: show a bar.

    Returns:
        The network in evaluation mode, and the history of the training.

    Raises:
        ValueError: if `steps` is negative.
    """
    if steps < 0:
        raise ValueError(f"steps: expected 0 or more, got {steps}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = EmbeddingNet(small_resnet(widths=widths), pooling, dim, project=project)
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
