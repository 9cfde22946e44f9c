"""What prototype poolings share: distances of regions to prototypes, and what they hand out."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dmlnb.geometry import clip_to_ball, pairwise_distances


class PooledFeatures(NamedTuple):
    """What a prototype pooling knows about B images.

    Attributes:
        vector: (B, d) pooled features.
        weights: (B, H, W) weight of each region; sums to 1.
        attributes: (B, m) share of the pooled mass that each prototype got; sums to 1 (0 during a warm-up).
    """

    vector: Tensor
    weights: Tensor
    attributes: Tensor


def prototype_costs(features: Tensor, prototypes: Tensor) -> Tensor:
    """Distance of each region to each prototype, both clipped to the unit ball.

    $$ c_{ij} = \\lVert \\bar\\omega_i - \\bar f_j \\rVert_2 \\in [0, 2], \\qquad
       \\bar v = v / \\max(1, \\lVert v \\rVert) $$

    By one matrix product, $c^2 = |\\bar\\omega|^2 + |\\bar f|^2 - 2 \\bar\\omega^\\top \\bar f$. If a pair is
    so near that rounding would show, all distances are computed from differences, which is slower.

    Args:
        features: (B, d, H, W), floating point.
        prototypes: (m, d).

    Returns:
        (B, m, n), n = H W, at least float32, also under autocast.

    Raises:
        ValueError: for another shape or dtype, NaN or infinity.

    Source: [gurbuz2023gsp]. Taught in notebook 02.
    """
    if prototypes.ndim != 2 or 0 in prototypes.shape:
        raise ValueError(f"prototypes: expected shape (m, d), not empty, got {tuple(prototypes.shape)}")
    require_maps(features, prototypes.shape[1])
    with torch.autocast(features.device.type, enabled=False):
        wide = torch.promote_types(torch.promote_types(features.dtype, prototypes.dtype), torch.float32)
        tokens = clip_to_ball(features.to(wide).flatten(2), dim=1)  # (B, d, n)
        centres = clip_to_ball(prototypes.to(wide))  # (m, d)
        norms = centres.square().sum(dim=1)[:, None] + tokens.square().sum(dim=1)[:, None, :]  # (B, m, n)
        squares = torch.baddbmm(norms, centres.expand(len(tokens), -1, -1), tokens, alpha=-2)  # (B, m, n)
        nearest = squares.detach().amin().item()
        if math.isnan(nearest):
            raise ValueError("features, prototypes: expected finite numbers, got NaN or infinity")
        if nearest > 1000 * torch.finfo(wide).eps:  # 1e-4 in float32: then distances are right to 1e-5
            return squares.sqrt()
        return pairwise_distances(centres.expand(len(tokens), -1, -1), tokens.transpose(1, 2))


def weighted_sum(features: Tensor, weights: Tensor) -> Tensor:
    """$\\sum_j w_j f_j$ for features (B, d, H, W) and weights (B, n) -> (B, d), in the features' dtype."""
    return (features.to(weights.dtype).flatten(2) * weights[:, None, :]).sum(dim=2).to(features.dtype)


def require_maps(features: Tensor, dim: int) -> None:
    """Raise ValueError unless the features are floating point of shape (B, dim, H, W), not empty."""
    fits = features.ndim == 4 and features.shape[1] == dim and 0 not in features.shape
    if not fits or not features.is_floating_point():
        got = f"{features.dtype} {tuple(features.shape)}"
        raise ValueError(f"features: expected floating point of shape (B, {dim}, H, W), got {got}")
