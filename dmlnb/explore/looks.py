"""Where a network looks: the share that each region of one image has in its pooled vector."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dmlnb.data import to_float
from dmlnb.pooling import GeneralizedMeanPooling, GlobalAveragePooling, GlobalMaxPooling


def pooling_map(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """The weights of a network's pooling, as a function of images.

    With the features f_j of region j and their channels c,

    $$ \\text{GAP: } w_j = \\tfrac1n, \\qquad
       \\text{GMP: } w_j = \\text{share of channels whose maximum is at } j, \\qquad
       \\text{GeM: } w_j = \\text{mean}_c \\frac{f_{jc}^p}{\\sum_i f_{ic}^p}, $$

    and a pooling with a method `.pool(features)` (GSP) says itself: `.pool(features).weights`. GMP and GeM weigh each
    channel on its own; what is shown is the mean over the channels.

    Args:
        net: with `.features(images) -> (B, C, H, W)` and `.pooling`, such as `EmbeddingNet`.

    Returns:
        A function `(B, c, S, S) -> (B, H, W)` float32 on the CPU; weights >= 0 that sum to 1.

    Raises:
        ValueError: if the network has no such parts, or its pooling is of a kind that has no weights here.

    Taught in notebook 08.
    """
    if not hasattr(net, "features") or not hasattr(net, "pooling"):
        raise ValueError(f"net: expected .features and .pooling, got {type(net).__name__}")
    pooling = net.pooling
    if not hasattr(pooling, "pool") and not isinstance(
        pooling, (GlobalAveragePooling, GlobalMaxPooling, GeneralizedMeanPooling)
    ):
        raise ValueError(f"net.pooling: expected GAP, GMP, GeM or .pool, got {type(pooling).__name__}")

    @torch.inference_mode()
    def look(images: Tensor) -> Tensor:
        device = next(net.parameters(), images).device
        was_training = net.training
        net.eval()
        try:
            weights = _weights(pooling, net.features(to_float(images.to(device)).float()))
        finally:
            net.train(was_training)
        return weights.float().cpu()

    return look


def _weights(pooling: nn.Module, features: Tensor) -> Tensor:  # (B, C, H, W) -> (B, H, W)
    if hasattr(pooling, "pool"):
        return pooling.pool(features).weights
    tokens = features.flatten(2)  # (B, C, n)
    if isinstance(pooling, GlobalAveragePooling):
        shares = torch.full_like(tokens, 1 / tokens.shape[2])
    elif isinstance(pooling, GlobalMaxPooling):
        shares = torch.zeros_like(tokens).scatter_(2, tokens.argmax(dim=2, keepdim=True), 1.0)
    else:
        tokens = tokens.clamp(min=pooling.eps)
        tokens = tokens / tokens.amax(dim=2, keepdim=True)
        shares = tokens.pow(pooling.power)
        shares = shares / shares.sum(dim=2, keepdim=True)
    return shares.mean(dim=1).unflatten(1, features.shape[2:])
