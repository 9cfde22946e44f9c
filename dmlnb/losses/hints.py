"""Rivals that copy feature maps of a source network: hints (FitNet) and attention maps.

Both take lists of maps, one a layer, target and source in the same order; heights and widths must agree, channels need
not. They shape layers, not the embedding: add a metric-learning loss on the target, as is usual. The source gets no
gradient. A reading holds the maps, here for `train(Beside(target, source).read, hints, ...)`:

    def hints(reading, labels):
        maps, source_maps = ([seen.maps[name] for name in ("3", "4", "5")] for seen in (reading, reading.source))
        return attention(maps, source_maps) + metric_loss(reading.embeddings, labels)
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from dmlnb._inputs import require_map, wide


class FitNetLoss(nn.Module):
    """Hints: a 1x1 convolution of the target's map shall give the source's map.

    $$ \\sum_l \\overline{\\bigl(W_l * T_l - S_l\\bigr)^2} $$

    The convolutions are learned (give the loss's parameters to the optimiser) and thrown away afterwards.

    Args:
        target_channels: of each layer.
        source_channels: of each layer.

    Shape:
        lists of `(B, C_t, H, W)` and `(B, C_s, H, W)` -> scalar.

    Raises:
        ValueError: for no layer, another number of layers, or maps that do not fit.

    Source: [romero2015fitnet]; layers and start values as released with [kim2021relaxed].
    """

    def __init__(self, target_channels: Sequence[int], source_channels: Sequence[int]):
        super().__init__()
        if len(target_channels) != len(source_channels) or not len(target_channels):
            raise ValueError(
                f"source_channels: expected one number a layer, {len(target_channels)}, got {len(source_channels)}"
            )
        pairs = zip(target_channels, source_channels, strict=True)
        self.regressors = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairs)
        for weight in self.regressors.parameters():
            nn.init.uniform_(weight, -0.005, 0.005)

    def forward(self, target_maps: Sequence[Tensor], source_maps: Sequence[Tensor]) -> Tensor:
        _require_maps(target_maps, source_maps, len(self.regressors))
        for regressor, t, s in zip(self.regressors, target_maps, source_maps, strict=True):
            if (t.shape[1], s.shape[1]) != (regressor.in_channels, regressor.out_channels):
                raise ValueError(
                    f"target_maps, source_maps: expected {regressor.in_channels} and {regressor.out_channels} "
                    f"channels, got {t.shape[1]} and {s.shape[1]}"
                )
        triples = zip(self.regressors, target_maps, source_maps, strict=True)
        return torch.stack([mse_loss(regressor(t), s.detach()) for regressor, t, s in triples]).sum()


class AttentionTransferLoss(nn.Module):
    """Where a layer is active, not what it says, shall agree.

    $$ \\sum_l \\overline{\\bigl(a(T_l) - a(S_l)\\bigr)^2}, \\qquad
       a(F) = \\frac{v}{\\lVert v \\rVert}, \\quad v = \\mathrm{vec}\\Bigl(\\frac1C \\sum_c F_c^2\\Bigr) $$

    Shape:
        lists of `(B, C_t, H, W)` and `(B, C_s, H, W)` -> scalar.

    Raises:
        ValueError: for no layer, another number of layers, or maps that do not fit.

    Source: [zagoruyko2017attention]; means as released with [kim2021relaxed].
    """

    def forward(self, target_maps: Sequence[Tensor], source_maps: Sequence[Tensor]) -> Tensor:
        _require_maps(target_maps, source_maps, len(target_maps))
        pairs = zip(target_maps, source_maps, strict=True)
        return torch.stack([mse_loss(attention_map(t), attention_map(s.detach())) for t, s in pairs]).sum()


def attention_map(features: Tensor) -> Tensor:
    """Energy of each place, as a unit vector: `(B, C, H, W) -> (B, H W)`; zeros stay zeros."""
    features = features.to(wide(features)).flatten(2)  # (B, C, H W)
    # of each image: squares neither overflow nor vanish
    size = features.detach().abs().amax(dim=(1, 2), keepdim=True)
    features = features / torch.where(size > 0, size, torch.ones_like(size))
    return nn.functional.normalize(features.square().mean(dim=1), dim=1)


def _require_maps(target_maps: Sequence[Tensor], source_maps: Sequence[Tensor], layers: int) -> None:
    if not layers or len(target_maps) != layers or len(source_maps) != layers:
        raise ValueError(
            f"target_maps, source_maps: expected {max(layers, 1)} layers of each, "
            f"got {len(target_maps)} and {len(source_maps)}"
        )
    for t, s in zip(target_maps, source_maps, strict=True):
        require_map(t, name="target_maps", finite=True)
        require_map(s, name="source_maps", finite=True)
        if t.shape[0] != s.shape[0] or t.shape[2:] != s.shape[2:]:
            raise ValueError(
                "target_maps, source_maps: expected (B, C, H, W) that agree in all but C, "
                f"got {tuple(t.shape)} and {tuple(s.shape)}"
            )
