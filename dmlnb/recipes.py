"""The course's baseline: one tested recipe that every method starts from.

Its choices were made on the validation script (Greek); test scripts are read only for the numbers that are reported.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

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


class Letters(NamedTuple):
    """Letters to classify: images `(N, 1, 32, 32)`, labels and masks as in `Glyphs`, and what each region holds.

    Attributes:
        content: `(N, 8, 8)`, what a region of 4x4 pixels shows: 2 some of the letter, 1 clutter but no letter, 0
            neither.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor
    content: Tensor
    class_names: list[str]


def cyrillic_letters(per_class: int = 100, *, seed: int = 0) -> Letters:
    """The 47 Cyrillic letters of `Glyphs("train")`, a closed set: notebooks on classification split it by `seed`.

    An image and its twin without clutter differ where clutter is; that, and the letter's mask, label the regions.

    Args:
        per_class: images a letter.
        seed: of everything random; other seeds give other images of the same letters.

    Taught in notebook 06.
    """
    data, clean = (Glyphs("train", per_class=per_class, seed=seed, clutter=c) for c in ((0, 4), 0))
    chosen = torch.tensor([i for i, script in enumerate(data.scripts) if script == "Cyrillic"])
    here = torch.isin(data.labels, chosen)
    clutter = (data.images[here].int() - clean.images[here].int()).abs() > 8  # (N, 1, 32, 32)
    some = lambda pixels, least: avg_pool2d(pixels.float(), 4)[:, 0] >= least  # (N, 8, 8)
    masks = data.masks[here]
    letter = some(masks[:, None], 2 / 16)
    content = torch.where(letter, 2, some(clutter, 4 / 16).long())
    names = [data.class_names[i] for i in chosen.tolist()]
    return Letters(data.images[here], torch.searchsorted(chosen, data.labels[here]), masks, content, names)


def train_letters(
    net: nn.Module,
    loss: nn.Module | Callable[[Tensor, Tensor], Tensor],
    letters: Letters,
    *,
    steps: int = 800,
    seed: int = 0,
    learning_rate: float = 0.01,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train a classifier, or a `BesideTeacher`, on letters: batches of 32 classes x 2, the same for one seed.

    Args:
        net: changed in place, left in evaluation mode.
        loss: `loss(net(images), labels) -> scalar`.
        letters: to train on.
        steps: training steps.
        seed: of the batches and the augmentation; weights are the caller's.
        learning_rate: of AdamW.
        progress: show a bar.

    Returns:
        The history of the training.

    Taught in notebook 06.
    """
    batches = ClassBatches(letters.labels, 32, 2, steps, seed=seed)
    history = train(net, loss, letters.images, letters.labels, batches,
                    learning_rate=learning_rate, proxy_factor=1.0, seed=seed, progress=progress)  # fmt: skip
    net.eval()
    return history
