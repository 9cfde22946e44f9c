"""Histograms of local features over prototypes: an image as shares of entities.

Each of the n regions carries the mass 1/n and sends it to prototypes. The plan that agrees best sends all of
it to the best-scoring prototype (`hard_histogram`); paying for entropy with weight 1/sharpness makes it a
softmax (`soft_histogram`). Prototype side: no constraint, so the shares z are free.

A region scores a prototype by inner product (`cost="inner"`, as in the paper's definition) or by minus the
Euclidean distance (`cost="euclidean"`, which the error bound of notebook 01 needs unless all prototypes have
one norm). Nothing is normalised here: a network that wants its features in the unit ball clips them before,
with `dmlnb.geometry.clip_to_ball`. Half precision is computed in float32.

Source: [gurbuz2023xml], appendix. Taught in notebook 01.
"""

import torch
from torch import Tensor, nn

from dmlnb._inputs import require_floats, require_map, require_not_negative, require_sizes
from dmlnb.geometry import clip_to_ball, inner_products, pairwise_distances
from dmlnb.pooling.pooled import PooledFeatures
from dmlnb.pooling.simple import global_average_pool


def _scores(features: Tensor, prototypes: Tensor, cost: str) -> Tensor:  # -> (B, n, m)
    require_floats(features=features, prototypes=prototypes)
    fits = features.ndim == 3 and prototypes.ndim == 2 and features.shape[-1] == prototypes.shape[-1]
    if not fits or 0 in features.shape:
        raise ValueError(
            "features, prototypes: expected (B, n, d) and (m, d), not empty, "
            f"got {tuple(features.shape)} and {tuple(prototypes.shape)}"
        )
    if len(prototypes) == 0:
        raise ValueError("prototypes: expected at least one, got none")
    if cost == "inner":
        return inner_products(features, prototypes)
    if cost == "euclidean":
        return -pairwise_distances(features, prototypes.expand(len(features), -1, -1))
    raise ValueError(f"cost: expected 'inner' or 'euclidean', got {cost!r}")


def soft_assignment(features: Tensor, prototypes: Tensor, sharpness: float, *, cost: str = "inner") -> Tensor:
    """How much of each region goes to each prototype.

    $$ A_{ji} = \\mathrm{softmax}_i(\\gamma\\, s(\\nu_i, f_j)) $$

    Args:
        features: `(B, n, d)` regions.
        prototypes: `(m, d)`.
        sharpness: γ >= 0, inverse temperature, in 1/unit of the score.
        cost: `"inner"` or `"euclidean"`.

    Returns:
        `(B, n, m)`, at least float32; sums to 1 over the prototypes.

    Raises:
        ValueError: for shapes that do not fit, integers, a negative or infinite sharpness, an unknown cost.

    Source: [gurbuz2023xml], appendix, smoothed by entropy. Taught in notebook 01.
    """
    require_not_negative(sharpness=sharpness)
    return torch.softmax(sharpness * _scores(features, prototypes, cost), dim=2)


def soft_histogram(features: Tensor, prototypes: Tensor, sharpness: float, *, cost: str = "inner") -> Tensor:
    """Share of the regions given to each prototype: the mean of their assignments.

    $$ z_i = \\frac1n \\sum_j \\mathrm{softmax}_i(\\gamma\\, s(\\nu_i, f_j)) $$

    Args, errors and source as `soft_assignment`.

    Returns:
        `(B, m)`; each row sums to 1.
    """
    return soft_assignment(features, prototypes, sharpness, cost=cost).mean(dim=1)


def hard_histogram(features: Tensor, prototypes: Tensor, *, cost: str = "inner") -> Tensor:
    """Share of the regions won by each prototype.

    $$ z_i = \\frac1n \\#\\{j : i = \\arg\\max_k s(\\nu_k, f_j)\\} $$

    The limit of `soft_histogram` for infinite sharpness; the first prototype wins ties. Has no gradient.

    Args and errors as `soft_assignment`.

    Returns:
        `(B, m)`; each row sums to 1.
    """
    require_floats(features=features, prototypes=prototypes, finite=True)  # no winner among NaN
    scores = _scores(features, prototypes, cost)
    winner = scores.argmax(dim=2)  # (B, n)
    won = scores.new_zeros(len(features), len(prototypes))
    return won.scatter_add_(1, winner, torch.ones_like(winner, dtype=won.dtype)) / winner.shape[1]


class HistogramPooling(nn.Module):
    """Average pooling that also counts: the vector is GAP, the attributes are a soft histogram over prototypes.

    $$ x = \\frac1n \\sum_j f_j, \\qquad
       z_i = \\frac1n \\sum_j \\mathrm{softmax}_i(\\gamma\\, s(\\nu_i, \\bar f_j)), \\qquad
       \\bar f = f / \\max(1, \\lVert f \\rVert) $$

    The histogram is for training (`CrossBatchLoss`); retrieval uses x, so that nothing is paid for it in use. The
    features are clipped to the unit ball, the prototypes are left as they are learned.

    `forward` does not use the prototypes, so they get a gradient only where a loss takes the attributes of `pool`. In
    `DistributedDataParallel`, wrap a module that calls `pool` in its forward pass, or set
    `find_unused_parameters=True`.

    Args:
        dim: size d of the features.
        num_prototypes: m.
        sharpness: γ >= 0, inverse temperature.
        cost: what a region scores by: `"inner"`, the inner product, or `"euclidean"`, minus the distance.

    Shape:
        features (B, d, H, W) -> (B, d); attributes (B, m) from `pool`.

    Raises:
        ValueError: for arguments out of range, features of another shape, integers.

    Source: the head `MetaGlobalPooling` in the code released with [gurbuz2023gsp], with its defaults; that it is
    the head of [gurbuz2023xml] is our inference. Taught in notebook 03.
    """

    def __init__(self, dim: int, num_prototypes: int = 32, sharpness: float = 10.0, *, cost: str = "inner"):
        super().__init__()
        require_sizes(dim=dim, num_prototypes=num_prototypes)
        require_not_negative(sharpness=sharpness)
        if cost not in ("inner", "euclidean"):
            raise ValueError(f"cost: expected 'inner' or 'euclidean', got {cost!r}")
        self.prototypes = nn.Parameter(nn.init.xavier_uniform_(torch.empty(num_prototypes, dim)))  # (m, d)
        self.sharpness, self.cost = sharpness, cost

    def forward(self, features: Tensor) -> Tensor:
        require_map(features, self.prototypes.shape[1])
        return global_average_pool(features)

    def pool(self, features: Tensor) -> PooledFeatures:
        """Vector, weights and attributes: (B, d, H, W) -> `PooledFeatures`; all weights are 1/n."""
        vector = self(features)
        tokens = clip_to_ball(features.flatten(2).transpose(1, 2))  # (B, n, d)
        attributes = soft_histogram(tokens, self.prototypes, self.sharpness, cost=self.cost)
        weights = attributes.new_full((len(features), *features.shape[2:]), 1 / tokens.shape[1])
        return PooledFeatures(vector, weights, attributes)
