"""What the regions of an image cost the prototypes: their distances in the unit ball."""

import math

import torch
from torch import Tensor

from dmlnb._inputs import no_autocast, require_floats, require_map, traced, wide
from dmlnb.geometry import pairwise_distances
from dmlnb.geometry.norms import clip_with_norms


def prototype_costs(features: Tensor, prototypes: Tensor) -> Tensor:
    """Distance of each region to each prototype, both clipped to the unit ball.

    $$ c_{ij} = \\lVert \\bar\\nu_i - \\bar f_j \\rVert_2 \\in [0, 2], \\qquad
       \\bar v = v / \\max(1, \\lVert v \\rVert) $$

    By one matrix product, $c^2 = |\\bar\\nu|^2 + |\\bar f|^2 - 2 \\bar\\nu^\\top \\bar f$: in the unit ball that
    is right unless a pair is near. If one is so near that rounding would show, `pairwise_distances` takes over.

    Args:
        features: (B, d, H, W), floating point.
        prototypes: (m, d).

    Returns:
        (B, m, n), n = H W, at least float32, also under autocast.

    Raises:
        ValueError: for another shape or dtype, NaN or infinity.

    Source: [gurbuz2023gsp]. Taught in notebook 02.
    """
    require_floats(prototypes=prototypes)
    if prototypes.ndim != 2 or 0 in prototypes.shape:
        raise ValueError(f"prototypes: expected shape (m, d), not empty, got {tuple(prototypes.shape)}")
    require_map(features, prototypes.shape[1])
    dtype = wide(features, prototypes)
    with no_autocast(features):
        tokens, token_norms = clip_with_norms(features.to(dtype).flatten(2), dim=1)  # (B, d, n), (B, 1, n)
        centres, centre_norms = clip_with_norms(prototypes.to(dtype))  # (m, d), (m, 1)
        if not traced():
            norms = centre_norms.square() + token_norms.square()  # (B, m, n)
            squares = torch.baddbmm(
                norms, (-2 * centres).expand(tokens.shape[0], -1, -1), tokens
            )  # (B, m, n)
            nearest = squares.detach().amin().item()
            if math.isnan(nearest):
                raise ValueError("features, prototypes: expected finite numbers, got NaN or infinity")
            if nearest > 1000 * torch.finfo(dtype).eps:  # 1e-4 in float32: then distances are right to 1e-5
                return squares.sqrt()
        return pairwise_distances(centres.expand(tokens.shape[0], -1, -1), tokens.transpose(1, 2))
