"""The course's baselines: one tested recipe for images and one for bags of tokens, that every method starts from.

Its choices were made on the validation script (Greek); test scripts are read only for the numbers that are reported.
"""

import os

import torch
from torch import nn
from tqdm.auto import tqdm

from dmlnb.data import ClassBatches, Glyphs, TokenBags
from dmlnb.losses import ProxyAnchorLoss, cosine_contrastive_loss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GeneralizedSumPooling
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


def bag_baseline(
    pooling: nn.Module,
    *,
    hidden: int = 0,
    nuisance: float = 0.7,
    steps: int = 1500,
    seed: int = 0,
    progress: bool = True,
) -> nn.Sequential:
    """Train a map of single tokens, and a pooling over them, on `TokenBags("train")`.

    The loss is `cosine_contrastive_loss`, with 10 classes of 4 bags a batch. A `GeneralizedSumPooling` gets
    its prototypes by `init_prototypes` from the untrained map's averages of the training bags.

    Args:
        pooling: a module `(B, 8, n, 1) -> (B, 8)`.
        hidden: 0 for a linear map; else the units of a hidden layer with ReLU.
        nuisance: mean share of nuisance tokens.
        steps: training steps; 0 gives the untrained map of this seed.
        seed: of the world (centres, classes, bags), the weights and the batches.
        progress: show a bar.

    Returns:
        The map and the pooling, in evaluation mode; it takes bags as maps, `tokens.mT[..., None]`.

    Raises:
        ValueError: if `steps` or `hidden` is negative.

    Taught in notebook 02.
    """
    if steps < 0:
        raise ValueError(f"steps: expected 0 or more, got {steps}")
    if hidden < 0:
        raise ValueError(f"hidden: expected 0 or more, got {hidden}")
    data = TokenBags("train", nuisance=nuisance, seed=seed)
    maps = data.tokens.mT[..., None]  # (N, 8, n, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        last = nn.Conv2d(hidden or 8, 8, 1, bias=False)
        token_map = nn.Sequential(nn.Conv2d(8, hidden, 1), nn.ReLU(), last) if hidden else last
        net = nn.Sequential(token_map, pooling)
        if isinstance(pooling, GeneralizedSumPooling):
            pooling.init_prototypes(net[0](maps).detach().mean(dim=(2, 3)))
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        batches = ClassBatches(data.labels, 10, 4, steps, seed=seed) if steps else []
        for batch in tqdm(batches, disable=not progress, desc="training"):
            loss = cosine_contrastive_loss(net(maps[batch]), data.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()
