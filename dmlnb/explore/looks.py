"""Where a network looks: the share that each region of one image has in its pooled vector."""

import base64
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from dmlnb._inputs import a_weight, evaluating
from dmlnb.data import to_float
from dmlnb.explore.figures import png_bytes, to_numpy
from dmlnb.explore.pictures import Range, as_tensor
from dmlnb.explore.regions import assignment_maps, pooling_overlay


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


def look_pictures(
    looks: Mapping[str, Callable], images, index: int, range: Range = None
) -> list[dict[str, str]]:
    """Where image `index` is looked at, as pictures for a browser: `{"src": a PNG, "alt": what it shows}`.

    Args:
        looks: by name a function `(1, c, H, W) -> (1, h, w)`: weights, or integers for an assignment to templates.
        images: of the explorer.
        index: of the image.
        range: of the images, as in `as_bytes`.
    """
    if not looks:
        return []
    image = as_tensor(images, index)
    maps = {name: to_numpy(look(image)) for name, look in looks.items()}
    weights = {name: m for name, m in maps.items() if np.issubdtype(m.dtype, np.floating)}
    figures = [pooling_overlay(image, weights, range=range)] if weights else []
    for name, winner in maps.items():
        if name not in weights:
            figures.append(assignment_maps(image, winner, num_prototypes=int(winner.max()) + 1, range=range))
    alt = f"Image {index} and, below it, where it is looked at by {', '.join(maps)}"
    pictures = (base64.b64encode(png_bytes(figure, 80)).decode() for figure in figures)
    return [{"src": f"data:image/png;base64,{picture}", "alt": alt} for picture in pictures]
