"""Generalized Sum Pooling: an image is the sum of its tokens that are worth transporting to prototypes.

Average pooling gives each token the weight 1/n. Here learned prototypes say which tokens matter: partial
transport ships the share `mass` of the tokens, the cheapest ones, and the shipped mass is the weight.
"""

import torch
from torch import Tensor, nn

from dmlnb._inputs import (
    as_int,
    exporting,
    is_real,
    require_floats,
    require_map,
    require_not_negative,
    require_positive,
    require_sizes,
    wide,
)
from dmlnb._ranks import from_all_ranks, from_rank_0
from dmlnb.geometry import clip_to_ball, greedy_k_center
from dmlnb.pooling.costs import prototype_costs
from dmlnb.pooling.pooled import PooledFeatures, weighted_sum
from dmlnb.pooling.simple import global_average_pool
from dmlnb.pooling.transport import TransportPlan, partial_transport


class GeneralizedSumPooling(nn.Module):
    """GSP: a weighted sum of local features; the weights come from partial transport to learned prototypes.

    With the costs c of `prototype_costs` and the gates g of `partial_transport`, whose mean is mu,

    $$ x = \\sum_j w_j f_j, \\qquad w_j = \\frac{g_j}{n \\mu}, \\qquad
       z_i = \\sum_j w_j\\, \\mathrm{softmax}_i(-\\gamma c_{ij}). $$

    Only the costs see clipped features; the sum is over the raw ones. `mass=1` or `sharpness=0` is average
    pooling. It takes the place of `nn.AdaptiveAvgPool2d(1)`: `resnet.avgpool = GeneralizedSumPooling(512)`.

    Prototypes start as random unit vectors, which weigh almost evenly, and are learned. To start from data,
    call `init_prototypes` with feature vectors, or let the layer do it: with `memory_size > 0` it pools by
    average (attributes zero) until that many training images have gone by, then picks prototypes among their
    pooled features. They are written into the same parameter: an optimiser made before keeps them. An exported layer
    has no warm-up: export it afterwards.

    Args:
        dim: size d of the features.
        num_prototypes: m.
        mass: mu in (0, 1], the share of the tokens that is pooled.
        sharpness: gamma >= 0; 5 weighs softly, 20 and more selects.
        pooled: what the weights do: `"mean"` as above; `"gem"`, the power mean $(\\sum_j w_j f_j^p)^{1/p}$
            with a learned p (for non-negative features).
        power: p at the start, for `"gem"`.
        memory_size: images remembered for the warm-up: 0 (none) or at least 2 m; 1024 in the paper's code.

    Shape:
        features (B, d, H, W) -> (B, d), in the dtype of the features; weights in at least float32.

    Raises:
        ValueError: for arguments out of range, features of another shape, NaN.

    Source: [gurbuz2023gsp]. Taught in notebook 02.
    """

    memory: Tensor  # (memory_size, d)
    filled: Tensor
    ready: Tensor

    def __init__(
        self,
        dim: int,
        num_prototypes: int = 64,
        mass: float = 0.3,
        sharpness: float = 5.0,
        *,
        pooled: str = "mean",
        power: float = 3.0,
        memory_size: int = 0,
    ):
        super().__init__()
        require_sizes(dim=dim, num_prototypes=num_prototypes)
        require_positive(power=power)
        require_not_negative(sharpness=sharpness)
        if not is_real(mass) or not 0 < mass <= 1:
            raise ValueError(f"mass: expected a share in (0, 1], got {mass}")
        if pooled not in ("mean", "gem"):
            raise ValueError(f"pooled: expected 'mean' or 'gem', got {pooled!r}")
        memory_size = as_int(memory_size, "memory_size", least=0)
        if memory_size != 0 and memory_size < 2 * num_prototypes:
            raise ValueError(
                f"memory_size: expected 0 or at least {2 * num_prototypes} (2 m), got {memory_size}"
            )
        self.mass: float = mass
        self.sharpness = sharpness
        self.pooled = pooled
        self.prototypes = nn.Parameter(nn.functional.normalize(torch.randn(num_prototypes, dim)))  # (m, d)
        if pooled == "gem":
            self.power = nn.Parameter(torch.tensor(float(power)))
        self.register_buffer("memory", torch.zeros(memory_size, dim))
        self.register_buffer("filled", torch.tensor(0))  # rows of the memory in use
        self.register_buffer("ready", torch.tensor(memory_size == 0))

    def forward(self, features: Tensor) -> Tensor:
        if self._warming_up(features):
            return self._sum(features, _even_weights(features))
        return self._sum(features, self.transport(features).weights)

    def pool(self, features: Tensor) -> PooledFeatures:
        """Vector, weights and attributes: (B, d, H, W) -> `PooledFeatures`."""
        if self._warming_up(features):
            weights = _even_weights(features)
            attributes = weights.new_zeros(len(features), len(self.prototypes))
        else:
            shipped = self.transport(features)
            weights = shipped.weights  # (B, n)
            attributes = (shipped.kernel * (weights / shipped.totals)[:, None, :]).sum(dim=2)  # (B, m)
        maps = weights.unflatten(1, features.shape[2:])
        return PooledFeatures(self._sum(features, weights), maps, attributes)

    def transport(self, features: Tensor) -> TransportPlan:
        """How the tokens are shipped to the prototypes: (B, d, H, W) -> `TransportPlan`."""
        return partial_transport(prototype_costs(features, self.prototypes), self.mass, self.sharpness)

    @torch.no_grad()
    def init_prototypes(self, rows: Tensor) -> None:
        """Set the prototypes, in place, to m of the given vectors, spread out by greedy k-center.

        The first m rows are the centres to stay away from; the m prototypes are picked among the others.
        Ends a warm-up. Where several processes train together, all call it, and all get what rank 0 picks.

        Args:
            rows: (N, d) feature vectors, N >= 2 m; they are clipped to the unit ball.

        Raises:
            ValueError: for another shape.
        """
        m, dim = self.prototypes.shape
        require_floats(rows=rows, finite=True)
        if rows.ndim != 2 or rows.shape[1] != dim or len(rows) < 2 * m:
            expected = f"finite (N, {dim}) with N >= {2 * m} (twice the prototypes)"
            raise ValueError(f"rows: expected {expected}, got {tuple(rows.shape)}")
        rows = clip_to_ball(rows.to(self.prototypes))
        picks = greedy_k_center(rows[None, m:], rows[None, :m], m)[0]  # (m,)
        self.prototypes.copy_(rows[m:][picks])
        from_rank_0(self.prototypes)
        self.ready.fill_(True)

    def _sum(self, features: Tensor, weights: Tensor) -> Tensor:  # (B, d, H, W), (B, n) -> (B, d)
        if self.pooled == "mean":
            return weighted_sum(features, weights)
        tokens = features.to(weights.dtype).flatten(2)  # (B, d, n)
        weights = weights[:, None, :]
        tokens = tokens.clamp(min=1e-6)
        largest = tokens.amax(dim=2, keepdim=True).detach()  # out of the power, so that nothing overflows
        mean = (weights * (tokens / largest).pow(self.power)).sum(dim=2)
        mean = mean.clamp(min=torch.finfo(mean.dtype).tiny)
        return (mean.pow(1 / self.power) * largest[:, :, 0]).to(features.dtype)

    @torch.no_grad()
    def _warming_up(self, features: Tensor) -> bool:
        """Whether this batch is pooled by average; remembers it if so, in training. All ranks remember those of all."""
        require_map(features, self.prototypes.shape[1])
        if len(self.memory) == 0 or exporting() or bool(self.ready):
            return False
        if self.training:
            start = int(self.filled)
            rows = clip_to_ball(global_average_pool(features.to(self.memory.dtype)))
            rows = from_all_ranks(rows)[: len(self.memory) - start]
            self.memory[start : start + len(rows)] = rows
            self.filled += len(rows)
            if self.filled == len(self.memory):
                self.init_prototypes(self.memory)
        return True


def _even_weights(features: Tensor) -> Tensor:  # (B, d, H, W) -> (B, n), each 1/n
    n = features.shape[2] * features.shape[3]
    return features.new_full((len(features), n), 1 / n, dtype=wide(features))
