"""Layers one after the other that can be looked into: the map behind each, and the scores of matched templates."""

from torch import Tensor, nn


class Stages(nn.Sequential):
    """`nn.Sequential`, with a second way through it that also hands out what was seen on the way.

    A layer that matches templates (`TemplateBlock`, `KDLayer`) has a method `read(x) -> (x_hat, scores)`; here such
    layers stand between others like any layer. Stages may hold stages: the layer `"1"` of the stage `"7"` is `"7.1"`.

    Shape:
        x, whatever the first layer takes -> what the last one gives.
    """

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = layer.read(x)[0] if hasattr(layer, "read") and not isinstance(layer, Stages) else layer(x)
        return x

    def read(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The forward pass that keeps what it saw.

        Returns:
            What `forward` returns; `{name: map}` behind each layer; `{name: scores (B, K, H, W)}` of the layers that
            match templates. A map that the next layer changes in place shows what that layer made of it.
        """
        maps: dict[str, Tensor] = {}
        scores: dict[str, Tensor] = {}
        for name, layer in self.named_children():
            if isinstance(layer, Stages):
                x, inner_maps, inner_scores = layer.read(x)
                maps |= {f"{name}.{key}": value for key, value in inner_maps.items()}
                scores |= {f"{name}.{key}": value for key, value in inner_scores.items()}
            elif hasattr(layer, "read"):
                x, scores[name] = layer.read(x)
            else:
                x = layer(x)
            maps[name] = x
        return x, maps, scores

    @property
    def out_channels(self) -> int:
        """Channels of the last map: what the last layer that knows its channels says."""
        for layer in reversed(list(self)):
            for name in ("out_channels", "num_features"):
                if isinstance(getattr(layer, name, None), int):
                    return getattr(layer, name)
        raise AttributeError("out_channels: none of the layers says how many channels it gives")
