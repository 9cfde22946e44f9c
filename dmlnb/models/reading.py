"""What a network saw in a batch: one object, given by `net.read(images)`, for losses that need more than embeddings."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class Reading(NamedTuple):
    """All that one pass through a network showed; what a network does not have is None or empty.

    Attributes:
        embeddings: `(B, d)`.
        vector: `(B, C)`, the pooled features.
        weights: `(B, H, W)`, the share of each region in the pooled vector.
        attributes: `(B, m)`, the share of each prototype of the pooling.
        logits: `(B, num_classes)` of a classifier.
        maps: `{name: (B, C, H, W)}`, the map behind each layer of the backbone (names as in `Stages`).
        scores: `{name: (B, K, H, W)}`, of the layers that match templates.
        source: the reading of a frozen network beside this one (`Beside`).
    """

    embeddings: Tensor
    vector: Tensor | None = None
    weights: Tensor | None = None
    attributes: Tensor | None = None
    logits: Tensor | None = None
    maps: dict[str, Tensor] = {}
    scores: dict[str, Tensor] = {}
    source: Reading | None = None


def read(net: nn.Module, images: Tensor) -> Reading:
    """The reading of any network: `net.read(images)` where it has that, else its output as the embeddings.

    Args:
        net: `(B, c, S, S) -> (B, d)`.
        images: `(B, c, S, S)`, floating point.

    Returns:
        A `Reading`.
    """
    look = getattr(net, "read", None)
    return Reading(net(images)) if look is None else look(images)
