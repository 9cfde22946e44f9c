"""Two networks on the same images: a target that learns and a source that only looks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dmlnb.models.backbones import ResidualBlock
from dmlnb.models.network import EmbeddingNet


class Trace(NamedTuple):
    """What an embedding network computed on the way: `.embedding` (B, d), `.pooled` (B, C), `.maps` of its blocks."""

    embedding: Tensor
    pooled: Tensor
    maps: list[Tensor]


def trace(net: EmbeddingNet, images: Tensor) -> Trace:
    """The embedding with the pooled vector and the map of each residual block.

    Args:
        net: a network that pools before its linear map, on a backbone that is a sequence of layers.
        images: `(B, c, S, S)`, floating point.

    Returns:
        The `Trace`.

    Raises:
        ValueError: for a network of another kind.

    Taught in notebook 07.
    """
    if not isinstance(net.backbone, nn.Sequential) or net.project != "after":
        raise ValueError("net: expected a sequential backbone and the linear map after pooling")
    maps, features = [], images
    for layer in net.backbone:
        features = layer(features)
        if isinstance(layer, ResidualBlock):
            maps.append(features)
    pooled = net.pooling(features)
    return Trace(net.linear(pooled), pooled, maps)


class SideBySide(nn.Module):
    """A target beside a frozen source: images -> (what the target says, what the source says).

    Given to `dmlnb.training.train` in place of a network, it hands each augmented batch to both networks, and the loss
    receives the pair:

        train(SideBySide(target, source), lambda pair, labels: loss(*pair), images, labels, batches)

    The source is put in evaluation mode and its parameters are frozen, for good; it stays so in `.train()`.

    Args:
        target: learns.
        source: any network on the same images.
        read: `read(net, images)` is what is taken of either; by default its output. `trace` takes the maps too.

    Shape:
        images `(B, c, S, S)` -> `(read(target, images), read(source, images))`.

    Taught in notebook 07.
    """

    def __init__(
        self, target: nn.Module, source: nn.Module, read: Callable[[nn.Module, Tensor], Any] | None = None
    ):
        super().__init__()
        self.target = target
        self.source = source.eval().requires_grad_(False)
        self.read = read or _output

    def train(self, mode: bool = True) -> "SideBySide":
        super().train(mode)
        self.source.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Any, Any]:
        with torch.no_grad():
            from_source = self.read(self.source, images)
        return self.read(self.target, images), from_source


def _output(net: nn.Module, images: Tensor) -> Tensor:
    return net(images)
