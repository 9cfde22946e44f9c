"""Backbone: the layers of a network from a library, up to its last feature map."""

import copy
import types
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmlnb.models.stages import Stages


class Backbone(Stages):
    """Stages whose map is the last before pooling; a grey image is repeated to the three channels they expect.

    Attributes:
        name: what it is, for a stamp on what was computed with it.
        stages: itself; layers can be appended or inserted.
    """

    name: str = "backbone"

    @property
    def stages(self) -> Stages:
        return self

    def forward(self, x: Tensor) -> Tensor:  # (B, 1 or 3, S, S) -> (B, C, H, W)
        return super().forward(_coloured(x))

    def read(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        return super().read(_coloured(x))


def _coloured(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def make_backbone(name: str, layers: OrderedDict[str, nn.Module], size: int | Sequence[int]) -> Backbone:
    """Layers as a backbone; each is told how many channels it gives, by a pass without numbers."""
    backbone = Backbone(layers)
    backbone.name = name
    probe = copy.deepcopy(backbone).to("meta").eval()
    x = torch.zeros(1, 3, *((size, size) if isinstance(size, int) else size), device="meta")
    with torch.no_grad():
        for layer, twin in zip(backbone, probe, strict=True):
            x = twin(x)
            layer.out_channels = x.shape[1]
    if x.ndim != 4:
        raise ValueError(f"name: {name} does not end in a map (B, C, H, W), but in {tuple(x.shape)}")
    return backbone


def as_map(tokens: Tensor, images: Tensor) -> Tensor:
    """Tokens `(B, n, C)` of a grid as wide for its height as the image -> `(B, C, h, w)`."""
    number, height, width = tokens.shape[1], images.shape[2], images.shape[3]
    rows = max(1, round((number * height / width) ** 0.5))
    return tokens.transpose(1, 2).unflatten(2, (rows, number // rows))


def require_timm() -> types.ModuleType:
    """The package timm; ModuleNotFoundError says how to install it."""
    try:
        import timm
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('timm: not installed; pip install "dmlnb[photos]"') from error
    return timm
