"""The baseline of the bags of tokens: a map of single tokens and a pooling, trained with a contrastive loss."""

import torch
from torch import nn
from tqdm.auto import tqdm

from dmlnb.data import ClassBatches, TokenBags
from dmlnb.losses import cosine_contrastive_loss
from dmlnb.pooling import GeneralizedSumPooling


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
