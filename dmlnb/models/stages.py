"""Layers one after the other that can be looked into: the map behind each, and the scores of matched templates."""

from typing import Protocol, TypeGuard

from torch import Tensor, nn


class Stages(nn.Sequential):
    """`nn.Sequential`, with a second way through it that also hands out what was seen on the way.

    A layer that matches templates (`TemplateBlock`, `KDLayer`) has a method `read(x) -> (x_hat, scores)`; here such
    layers stand between others like any layer. Stages may hold stages, or plain sequences such as the layers of a
    torchvision ResNet, and look into them: the layer `"1"` of the stage `"7"` is `"7.1"`.

    Shape:
        x, whatever the first layer takes -> what the last one gives.
    """

    def forward(self, x: Tensor) -> Tensor:
        return _through(self, x)

    def read(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The forward pass that hands out what it saw.

        Returns:
            What `forward` returns; `{name: map}` behind each layer; `{name: scores (B, K, H, W)}` of the layers that
            match templates. A map that the next layer changes in place shows what that layer made of it.
        """
        maps: dict[str, Tensor] = {}
        scores: dict[str, Tensor] = {}
        return _read_through(self, x, maps, scores), maps, scores

    @property
    def out_channels(self) -> int:
        """Channels of the last map: what the last layer that knows its channels says."""
        for layer in reversed(list(self)):
            for name in ("out_channels", "num_features"):
                if isinstance(getattr(layer, name, None), int):
                    return getattr(layer, name)
        raise AttributeError("out_channels: no layer says how many channels it gives")


class MatchesTemplates(Protocol):
    """A layer that also says how well its templates fit: `TemplateBlock`, `KDLayer`, or one of your own."""

    def read(self, x: Tensor, /) -> tuple[Tensor, Tensor]: ...


def is_plain_sequence(layer: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a layer calls its children one after the other, and does nothing else."""
    return type(layer).forward is nn.Sequential.forward


def matches_templates(layer: nn.Module) -> TypeGuard[MatchesTemplates]:
    """Whether a layer has `read(x) -> (x_hat, scores)`."""
    return hasattr(layer, "read") and not isinstance(layer, Stages)


def _through(layers: nn.Sequential, x: Tensor) -> Tensor:
    for layer in layers:
        if is_plain_sequence(layer):
            x = _through(layer, x)
        else:
            x = layer.read(x)[0] if matches_templates(layer) else layer(x)
    return x


def _read_through(
    layers: nn.Sequential, x: Tensor, maps: dict[str, Tensor], scores: dict[str, Tensor]
) -> Tensor:
    for name, layer in layers.named_children():
        x = read_layer(name, layer, x, maps, scores)
    return x


def read_layer(
    name: str, layer: nn.Module, x: Tensor, maps: dict[str, Tensor], scores: dict[str, Tensor]
) -> Tensor:
    """What one layer makes of `x`; its map, and its scores if it has any, go into the dictionaries."""
    inner_maps: dict[str, Tensor] = {}
    inner_scores: dict[str, Tensor] = {}
    if isinstance(layer, Stages) or is_plain_sequence(layer):
        if isinstance(layer, Stages):
            x, inner_maps, inner_scores = layer.read(x)
        else:
            x = _read_through(layer, x, inner_maps, inner_scores)
        maps.update({f"{name}.{key}": value for key, value in inner_maps.items()})
        scores.update({f"{name}.{key}": value for key, value in inner_scores.items()})
    elif matches_templates(layer):
        x, scores[name] = layer.read(x)
    else:
        x = layer(x)
    maps[name] = x
    return x
