"""What every pooling hands out, and the weighted sum that most of them are."""

from typing import NamedTuple

import torch
from torch import Tensor

from dmlnb._inputs import no_autocast


class PooledFeatures(NamedTuple):
    """What a pooling knows about B images.

    Attributes:
        vector: (B, d) pooled features.
        weights: (B, H, W) weight of each region, at least float32; sums to 1.
        attributes: (B, m) share of the pooled mass that each prototype got; sums to 1 (0 during a warm-up). None for
            poolings without prototypes.
    """

    vector: Tensor
    weights: Tensor
    attributes: Tensor | None = None


def weighted_sum(features: Tensor, weights: Tensor) -> Tensor:
    """$\\sum_j w_j f_j$ for features (B, d, H, W) and weights (B, n) -> (B, d), in the features' dtype."""
    with no_autocast(features):
        summed = torch.einsum("bdn,bn->bd", features.to(weights.dtype).flatten(2), weights)
    return summed.to(features.dtype)
