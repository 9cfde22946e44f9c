"""A classifier that can be looked into: the maps behind chosen stages, with or without KD layers there."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dmlnb.data import to_float


class Reading(NamedTuple):
    """What one pass through a `StagedClassifier` showed.

    Attributes:
        logits: `(B, num_classes)`.
        maps: the map behind each tapped stage, before its KD layer: `{stage: (B, C, H, W)}`.
        scores: of the KD layers: `{stage: (B, K, H, W)}`.
        pooled: `(B, C)`, the average of the last map.
    """

    logits: Tensor
    maps: dict[int, Tensor]
    scores: dict[int, Tensor]
    pooled: Tensor


class StagedClassifier(nn.Module):
    """Stages, KD layers behind some of them, average pooling, one linear map to classes.

    Args:
        stages: modules in order, such as `small_resnet()`, with `.out_channels` of the last map.
        num_classes: C.
        kd_layers: `{stage: layer}`: the layer's map replaces that stage's map for all that follows.
        taps: stages whose maps `read` also returns; stages with a KD layer are always among them.

    Shape:
        images `(B, c, S, S)` -> logits `(B, num_classes)`. No teacher and no label enters.

    Raises:
        ValueError: for a stage that is not there, or no class.

    Taught in notebook 06.
    """

    def __init__(
        self,
        stages: nn.Sequential,
        num_classes: int,
        kd_layers: Mapping[int, nn.Module] | None = None,
        *,
        taps: tuple[int, ...] = (),
    ):
        super().__init__()
        kd_layers = dict(kd_layers or {})
        if num_classes < 1:
            raise ValueError(f"num_classes: expected >= 1, got {num_classes}")
        if unknown := {*kd_layers, *taps} - {*range(len(stages))}:
            raise ValueError(
                f"kd_layers, taps: expected stages 0 .. {len(stages) - 1}, got {sorted(unknown)}"
            )
        self.stages = stages
        self.kd_layers = nn.ModuleDict({str(stage): layer for stage, layer in kd_layers.items()})
        self.taps = {*taps, *kd_layers}
        self.linear = nn.Linear(stages.out_channels, num_classes)

    def read(self, images: Tensor) -> Reading:
        """The forward pass with all that one may want to see of it."""
        maps, scores, features = {}, {}, images
        for stage, module in enumerate(self.stages):
            features = module(features)  # (B, C, H, W)
            if stage in self.taps:
                maps[stage] = features
            if str(stage) in self.kd_layers:
                features, scores[stage] = self.kd_layers[str(stage)](features)
        pooled = features.mean(dim=(2, 3))  # (B, C)
        return Reading(self.linear(pooled), maps, scores, pooled)

    def forward(self, images: Tensor) -> Tensor:
        return self.read(images).logits


@torch.no_grad()
def read_all(net: StagedClassifier, images: Tensor, *, batch_size: int = 256) -> Reading:
    """One reading of a whole data set, in evaluation mode and without gradients.

    Args:
        net: a `StagedClassifier`.
        images: `(N, c, S, S)`, uint8 grey levels or floating point.
        batch_size: images at a time.

    Returns:
        A reading with all N images, on the CPU.

    Raises:
        ValueError: if there is no image.

    Taught in notebook 06.
    """
    if len(images) == 0:
        raise ValueError("images: expected at least one, got none")
    device, was_training = net.linear.weight.device, net.training
    net.eval()
    try:
        parts = [net.read(to_float(chunk.to(device)).float()) for chunk in images.split(batch_size)]
    finally:
        net.train(was_training)
    join = lambda pieces: torch.cat([piece.cpu() for piece in pieces])
    maps, scores = (
        {stage: join([getattr(part, field)[stage] for part in parts]) for stage in getattr(parts[0], field)}
        for field in ("maps", "scores")
    )
    return Reading(join([p.logits for p in parts]), maps, scores, join([p.pooled for p in parts]))
