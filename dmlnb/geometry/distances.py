"""All distances, or inner products, between two sets of vectors."""

import torch
from torch import Tensor

from dmlnb.geometry.norms import _wide


def pairwise_distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances, $d_{ij} = \\lVert a_i - b_j \\rVert_2$, not squared.

    They are computed from differences, not from $|a|^2 + |b|^2 - 2ab$, whose rounding hides the distance of
    near points. No (N, M, d) tensor is formed. The gradient at distance zero is zero.

    Args:
        a: `(..., N, d)`.
        b: `(..., M, d)`.

    Returns:
        `(..., N, M)`; float16 and bfloat16 are computed, and returned, in float32, also under autocast.

    Raises:
        ValueError: if the last axes differ.

    Taught in notebook 01.
    """
    _require_same_space(a, b)
    wide = torch.promote_types(_wide(a), _wide(b))
    with torch.autocast(a.device.type, enabled=False):
        return torch.cdist(a.to(wide), b.to(wide), compute_mode="donot_use_mm_for_euclid_dist")


def inner_products(a: Tensor, b: Tensor) -> Tensor:
    """All inner products, $s_{ij} = \\langle a_i, b_j \\rangle$; of unit vectors, their cosine similarities.

    Args:
        a: `(..., N, d)`.
        b: `(..., M, d)`.

    Returns:
        `(..., N, M)`, at least float32, also under autocast.

    Raises:
        ValueError: if the last axes differ.
    """
    _require_same_space(a, b)
    wide = torch.promote_types(_wide(a), _wide(b))
    with torch.autocast(a.device.type, enabled=False):
        return a.to(wide) @ b.to(wide).transpose(-2, -1)


def _require_same_space(a: Tensor, b: Tensor) -> None:
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"a, b: expected (..., N, d) and (..., M, d), got {tuple(a.shape)} and {tuple(b.shape)}"
        )
