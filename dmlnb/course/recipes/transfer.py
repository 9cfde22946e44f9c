"""Embedding transfer on letters: a new network learns from what a trained one says of the same images."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dmlnb.data import ClassBatches, Glyphs, augment
from dmlnb.models import Beside, EmbeddingNet, Reading, small_resnet
from dmlnb.pooling import GeneralizedMeanPooling
from dmlnb.training import train


def glyph_transfer(
    source: nn.Module,
    loss: Callable[[Reading, Tensor], Tensor],
    *,
    steps: int = 300,
    dim: int = 64,
    widths: tuple[int, int, int, int] = (16, 24, 48, 64),
    seed: int = 0,
    start: EmbeddingNet | None = None,
    helper: nn.Module | None = None,
    views: int = 1,
    batches: Sequence[Tensor] | None = None,
    train_set: Glyphs | None = None,
    progress: bool = True,
    **options: Any,
) -> tuple[EmbeddingNet, list[dict[str, float]]]:
    """Train a new GeM network on what a source says of `Glyphs("train")`; both see the same augmented batch.

    Args:
        source: a network `(B, 1, 32, 32) -> (B, d_s)`; it is frozen.
        loss: `loss(reading, index) -> scalar`, with the target's reading and the source's as its `.source`. `index`
            `(B,)` tells which training images the batch holds, so that a loss may look up labels; with several views
            the batch is longer than that.
        steps: training steps.
        dim: size of the target's embedding.
        widths: of the target's `small_resnet`.
        seed: of the weights, the batches and the augmentation.
        start: a network of the same widths whose backbone and pooling the target copies before it trains; by default
            it starts from new random weights.
        helper: layers that the loss applies to the target, such as a `FitNetLoss`; they learn as fast as the target
            and are thrown away. (Parameters of the loss itself, such as proxies, learn `proxy_factor` times faster.)
        views: differently augmented copies of each image, stacked view after view.
        batches: index tensors, one per step; by default `steps` batches of 32 classes with two images of each.
        train_set: another training set than the default one.
        progress: show a bar.
        options: of `train`, such as `validate` or `learning_rate`.

    Returns:
        The target in evaluation mode, and the history of the training.

    Raises:
        ValueError: if `steps` or `views` is not positive.
    """
    if steps < 1 or views < 1:
        raise ValueError(f"steps, views: expected positive numbers, got {steps} and {views}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        target = EmbeddingNet(small_resnet(widths=widths), GeneralizedMeanPooling(), dim)
        if start is not None:
            target.backbone.load_state_dict(start.backbone.state_dict())
            target.pooling.load_state_dict(start.pooling.state_dict())
        data = train_set if train_set is not None else Glyphs("train")
        both = Beside(target, source)
        both.helper = helper
        history = train(
            both.read,
            loss,
            data.images,
            torch.arange(len(data.labels)),
            batches or ClassBatches(data.labels, 32, 2, steps, seed=seed),
            seed=seed,
            augment=lambda images: augment(images.repeat(views, 1, 1, 1)),
            progress=progress,
            **options,
        )
    return target.eval(), history
