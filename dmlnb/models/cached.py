"""A stand-in for a backbone whose maps are computed already."""

from torch import Tensor, nn

from dmlnb._inputs import as_int, require_map


class CachedBackbone(nn.Module):
    """Maps in, the same maps out: the place of a frozen backbone while a head is trained on its cached maps.

        net = EmbeddingNet(CachedBackbone(maps.shape[1]), GeneralizedSumPooling(64), 64, project="before")
        train(net, loss, maps, labels, batches, augment=None)
        net.backbone = backbone.to(net.linear.weight.device)  # from now on it takes images

    Args:
        channels: C of the maps.

    Shape:
        maps `(B, C, H, W)` -> `(B, C, H, W)`.

    Raises:
        ValueError: for no channel; in the call for maps of another number of channels.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.out_channels = as_int(channels, "channels")

    def forward(self, maps: Tensor) -> Tensor:
        require_map(maps, self.out_channels, "maps")
        return maps

    def extra_repr(self) -> str:
        return f"{self.out_channels}"
