"""A classifier that can be looked into: stages, template layers behind some of them, a linear map to classes."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dmlnb._inputs import a_weight, as_int, evaluating, require_map, require_sizes
from dmlnb.data import to_float
from dmlnb.data.loading import require_images
from dmlnb.models.reading import Reading, read
from dmlnb.models.stages import Stages, read_layer


class StagedClassifier(nn.Module):
    """Stages, KD layers behind some of them, average pooling, one linear map to classes.

    Args:
        stages: layers in order, such as `small_resnet()`, with `.out_channels` of the last map.
        num_classes: C.
        kd_layers: `{stage: layer}`, the stage by its number or name: the layer's map replaces that stage's map for all
            that follows.

    Shape:
        images `(B, c, S, S)` -> logits `(B, num_classes)`. No teacher and no label enters.

    Raises:
        ValueError: for a stage that is not there, or no class.

    Taught in notebook 06.
    """

    def __init__(
        self, stages: Stages, num_classes: int, kd_layers: Mapping[int | str, nn.Module] | None = None
    ):
        super().__init__()
        require_sizes(num_classes=num_classes)
        self.stages = stages
        self.kd_layers = nn.ModuleDict({str(stage): layer for stage, layer in (kd_layers or {}).items()})
        if unknown := set(self.kd_layers) - set(dict(stages.named_children())):
            raise ValueError(
                f"kd_layers: expected stages 0 .. {len(stages) - 1}, got {', '.join(sorted(unknown))}"
            )
        self.linear = nn.Linear(stages.out_channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self._vector(images, {}, {}))

    def read(self, images: Tensor) -> Reading:
        """The forward pass with all that one may want to see of it: `(B, c, S, S) -> Reading`.

        `maps["4"]` is the map behind stage 4, before the KD layer there; `scores["4"]` are that layer's. `vector` and
        `embeddings` are both the average of the last map, `(B, C)`.
        """
        maps: dict[str, Tensor] = {}
        scores: dict[str, Tensor] = {}
        vector = self._vector(images, maps, scores)
        return Reading(vector, vector, logits=self.linear(vector), maps=maps, scores=scores)

    def _vector(self, images: Tensor, maps: dict[str, Tensor], scores: dict[str, Tensor]) -> Tensor:
        require_map(images, name="images")
        x = images
        for name, stage in self.stages.named_children():
            x = read_layer(name, stage, x, maps, scores)  # (B, C, H, W)
            if name in self.kd_layers:
                x = read_layer(name, self.kd_layers[name], x, {}, scores)
        return x.mean(dim=(2, 3))  # (B, C)


@torch.no_grad()
def read_all(
    net: nn.Module, images: Tensor, *, maps: Iterable[int | str] = (), batch_size: int = 256
) -> Reading:
    """One reading of a whole data set, in evaluation mode and without gradients.

    Args:
        net: any network; what it gives is taken by `dmlnb.models.read`.
        images: `(N, c, S, S)`, uint8 grey levels or floating point.
        maps: the stages, by number or name, whose maps and scores are kept; they are large, so by default none.
        batch_size: images at a time.

    Returns:
        A reading of all N images, on the CPU.

    Raises:
        ValueError: if there is no image, or the network has no stage of one of the names.

    Taught in notebook 06.
    """
    batch_size = as_int(batch_size, "batch_size")
    if not isinstance(images := require_images(images), Tensor):
        raise ValueError(f"images: expected a tensor, got {type(images).__name__}")
    weight = a_weight(net)
    names = [str(name) for name in maps]
    with evaluating(net):
        parts = [
            _kept(read(net, to_float(chunk.to(weight.device)).to(weight.dtype)), names)
            for chunk in images.split(batch_size)
        ]
    return _joined(parts)


def _kept(reading: Reading, names: list[str]) -> Reading:
    """The reading with the named maps and scores alone, on the CPU."""
    if unknown := [name for name in names if name not in reading.maps]:
        raise ValueError(f"maps: expected stages among {list(reading.maps)}, got {', '.join(unknown)}")
    tensors: dict[str, Any] = {
        key: value.cpu() for key, value in reading._asdict().items() if isinstance(value, Tensor)
    }
    keep = lambda seen: {name: seen[name].cpu() for name in names if name in seen}
    source = reading.source and _kept(reading.source, [name for name in names if name in reading.source.maps])
    return Reading(**tensors, maps=keep(reading.maps), scores=keep(reading.scores), source=source)


def _joined(parts: list[Reading]) -> Reading:
    """Readings of parts of a data set -> the reading of all of it."""
    joined: dict[str, Any] = {}
    for key, first in parts[0]._asdict().items():
        pieces = [getattr(part, key) for part in parts]
        if isinstance(first, Tensor):
            joined[key] = torch.cat(pieces)
        elif isinstance(first, dict):
            joined[key] = {name: torch.cat([piece[name] for piece in pieces]) for name in first}
        elif isinstance(first, Reading):
            joined[key] = _joined(pieces)
    return Reading(**joined)
