"""Where a network looks: the share that each region of one image has in its pooled vector."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dmlnb._inputs import a_weight, evaluating
from dmlnb.data import to_float


def pooling_map(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """The weights of a network's pooling, as a function of images.

    With the features f_j of region j and their channels c,

    $$ \\text{GAP: } w_j = \\tfrac1n, \\qquad
       \\text{GMP: } w_j = \\text{share of channels whose maximum is at } j, \\qquad
       \\text{GeM: } w_j = \\text{mean}_c \\frac{f_{jc}^p}{\\sum_i f_{ic}^p}, $$

    and so on: every pooling says itself, `.pool(features).weights`. GMP and GeM weigh each channel on its own; what is
    shown is the mean over the channels.

    Args:
        net: with `.features(images) -> (B, C, H, W)` and `.pooling`, such as `EmbeddingNet`.

    Returns:
        A function `(B, c, S, S) -> (B, H, W)` float32 on the CPU; weights >= 0 that sum to 1.

    Raises:
        ValueError: if the network has no such parts, or its pooling no `.pool`.

    Taught in notebook 08.
    """
    if not hasattr(net, "features") or not hasattr(net, "pooling"):
        raise ValueError(f"net: expected .features and .pooling, got {type(net).__name__}")
    if not hasattr(net.pooling, "pool"):
        raise ValueError(f"net.pooling: expected a pooling with .pool, got {type(net.pooling).__name__}")

    @torch.inference_mode()
    def look(images: Tensor) -> Tensor:
        weight = a_weight(net)
        with evaluating(net):
            weights = net.pooling.pool(net.features(to_float(images).to(weight))).weights
        return weights.float().cpu()

    return look
