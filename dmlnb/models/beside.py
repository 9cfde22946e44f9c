"""A network that learns beside a frozen one: two readings of the same images."""

import torch
from torch import Tensor, nn

from dmlnb.models.reading import Reading, read


class Beside(nn.Module):
    """A network and, beside it, a source (or teacher) that only looks.

        both = Beside(net, source)
        train(both.read, lambda reading, labels: loss(reading.embeddings, reading.source.embeddings), ...)

    The source is put in evaluation mode and its parameters are frozen, for good: it stays so in `.train()`. It moves
    with `.to()`. After training, `net` is the network; this shell is thrown away.

    Args:
        net: learns.
        source: any network on the same images.

    Shape:
        images `(B, c, S, S)` -> what `net` returns for them; `read` also reads the source.

    Taught in notebooks 06 and 07.
    """

    def __init__(self, net: nn.Module, source: nn.Module):
        super().__init__()
        self.net = net
        self.source = source.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Beside":
        super().train(mode)
        self.source.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def read(self, images: Tensor) -> Reading:
        """The reading of `net`, with the source's reading, without gradient, as its `.source`."""
        with torch.no_grad():
            from_source = read(self.source, images)
        return read(self.net, images)._replace(source=from_source)
