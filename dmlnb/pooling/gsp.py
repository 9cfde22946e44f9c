"""Generalized Sum Pooling: an image is the sum of its tokens that are worth transporting to prototypes.

Average pooling gives each token the weight 1/n. Here learned prototypes say which tokens matter: partial
transport ships the share `mass` of the tokens, the cheapest ones, and the shipped mass is the weight.
"""

import math

import torch
from torch import Tensor, nn

from dmlnb.geometry import clip_to_ball, greedy_k_center
from dmlnb.pooling.costs import PooledFeatures, prototype_costs, require_maps, weighted_sum
from dmlnb.pooling.gates import gates_of_mass
from dmlnb.pooling.transport import token_scores


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
    pooled features. They are written into the same parameter: an optimiser made before keeps them.

    Args:
        dim: size d of the features.
        num_prototypes: m.
        mass: mu in (0, 1], the share of the tokens that is pooled.
        sharpness: gamma >= 0; 5 weighs softly, 20 and more selects.
        pooled: what the weights do: `"mean"` as above; `"gem"`, the power mean $(\\sum_j w_j f_j^p)^{1/p}$
            with a learned p (for non-negative features); `"max"`, $\\max_j n w_j f_j$.
        power: p at the start, for `"gem"`.
        memory_size: images remembered for the warm-up: 0 (none) or at least 2 m; 1024 in the paper's code.
        warm_up: training batches that pass before the memory starts to fill.

    Shape:
        features (B, d, H, W) -> (B, d), in the dtype of the features; weights in at least float32.

    Raises:
        ValueError: for arguments out of range, features of another shape, NaN.

    Source: [gurbuz2023gsp]. Taught in notebook 02.
    """

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
        warm_up: int = 0,
    ):
        super().__init__()
        if dim < 1 or num_prototypes < 1:
            raise ValueError(f"dim, num_prototypes: expected positive sizes, got {dim} and {num_prototypes}")
        if not 0 < mass <= 1:
            raise ValueError(f"mass: expected a share in (0, 1], got {mass}")
        if not 0 <= sharpness < math.inf:
            raise ValueError(f"sharpness: expected a finite number >= 0, got {sharpness}")
        if pooled not in ("mean", "gem", "max"):
            raise ValueError(f"pooled: expected 'mean', 'gem' or 'max', got {pooled!r}")
        if power <= 0:
            raise ValueError(f"power: expected a positive number, got {power}")
        if memory_size != 0 and memory_size < 2 * num_prototypes:
            raise ValueError(
                f"memory_size: expected 0 or at least {2 * num_prototypes} (2 m), got {memory_size}"
            )
        self.mass = mass
        self.sharpness = sharpness
        self.pooled = pooled
        self.warm_up = warm_up
        self.prototypes = nn.Parameter(nn.functional.normalize(torch.randn(num_prototypes, dim)))  # (m, d)
        if pooled == "gem":
            self.power = nn.Parameter(torch.tensor(float(power)))
        self.register_buffer("memory", torch.zeros(memory_size, dim))
        self.register_buffer("batches", torch.tensor(0))  # training batches seen while warming up
        self.register_buffer("filled", torch.tensor(0))  # rows of the memory in use
        self.register_buffer("ready", torch.tensor(memory_size == 0))

    def forward(self, features: Tensor) -> Tensor:
        if self._warming_up(features):
            return self._sum(features, _even_weights(features))
        return self._sum(features, self._weights(prototype_costs(features, self.prototypes)))

    def pool(self, features: Tensor) -> PooledFeatures:
        """Vector, weights and attributes: (B, d, H, W) -> `PooledFeatures`."""
        if self._warming_up(features):
            weights = _even_weights(features)
            attributes = weights.new_zeros(len(features), len(self.prototypes))
        else:
            cost = prototype_costs(features, self.prototypes)  # (B, m, n)
            weights = self._weights(cost)  # (B, n)
            assignment = torch.softmax(-self.sharpness * cost, dim=1)  # (B, m, n)
            attributes = (assignment * weights[:, None, :]).sum(dim=2)  # (B, m)
        maps = weights.unflatten(1, features.shape[2:])
        return PooledFeatures(self._sum(features, weights), maps, attributes)

    @torch.no_grad()
    def init_prototypes(self, rows: Tensor) -> None:
        """Set the prototypes, in place, to m of the given vectors, spread out by greedy k-center.

        The first m rows are the centres to stay away from; the m prototypes are picked among the others.
        Ends a warm-up.

        Args:
            rows: (N, d) feature vectors, N >= 2 m; they are clipped to the unit ball.

        Raises:
            ValueError: for another shape.
        """
        m, dim = self.prototypes.shape
        if rows.ndim != 2 or rows.shape[1] != dim or len(rows) < 2 * m or not torch.isfinite(rows).all():
            expected = f"finite (N, {dim}) with N >= {2 * m} (twice the prototypes)"
            raise ValueError(f"rows: expected {expected}, got {tuple(rows.shape)}")
        rows = clip_to_ball(rows.to(self.prototypes))
        picks = greedy_k_center(rows[None, m:], rows[None, :m], m)[0]  # (m,)
        self.prototypes.copy_(rows[m:][picks])
        self.ready.fill_(True)

    def _weights(self, cost: Tensor) -> Tensor:  # (B, m, n) -> (B, n)
        gates, _, _ = gates_of_mass(token_scores(cost, self.sharpness), self.mass)
        return (gates / (cost.shape[2] * self.mass)).to(cost.dtype)

    def _sum(self, features: Tensor, weights: Tensor) -> Tensor:  # (B, d, H, W), (B, n) -> (B, d)
        if self.pooled == "mean":
            return weighted_sum(features, weights)
        tokens = features.to(weights.dtype).flatten(2)  # (B, d, n)
        weights = weights[:, None, :]
        if self.pooled == "max":
            return (weights.shape[2] * weights * tokens).amax(dim=2).to(features.dtype)
        tokens = tokens.clamp(min=1e-6)
        largest = tokens.amax(dim=2, keepdim=True).detach()  # out of the power, so that nothing overflows
        mean = (weights * (tokens / largest).pow(self.power)).sum(dim=2)
        mean = mean.clamp(min=torch.finfo(mean.dtype).tiny)
        return (mean.pow(1 / self.power) * largest[:, :, 0]).to(features.dtype)

    @torch.no_grad()
    def _warming_up(self, features: Tensor) -> bool:
        """Whether this batch is pooled by average; remembers it if so, in training."""
        require_maps(features, self.prototypes.shape[1])
        if len(self.memory) == 0 or bool(self.ready):
            return False
        if self.training:
            self.batches += 1
            if self.batches > self.warm_up:
                start = int(self.filled)
                rows = clip_to_ball(features.to(self.memory.dtype).mean(dim=(2, 3)))
                rows = rows[: len(self.memory) - start]
                self.memory[start : start + len(rows)] = rows
                self.filled += len(rows)
                if self.filled == len(self.memory):
                    self.init_prototypes(self.memory)
        return True


def _even_weights(features: Tensor) -> Tensor:  # (B, d, H, W) -> (B, n), each 1/n
    n = features.shape[2] * features.shape[3]
    dtype = torch.promote_types(features.dtype, torch.float32)
    return torch.full((len(features), n), 1 / n, dtype=dtype, device=features.device)
