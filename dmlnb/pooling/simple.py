"""The poolings of every toolbox: average, maximum, and the generalised mean between them.

Each is a function of the feature maps, with a thin module around it that stands at the end of a network.
"""

import torch
from torch import Tensor, nn

from dmlnb._inputs import require_map, require_positive, wide
from dmlnb.pooling.pooled import PooledFeatures


def global_average_pool(features: Tensor) -> Tensor:
    """GAP: the mean of the local features, $\\frac1n \\sum_j f_j$.

    Args:
        features: `(B, d, H, W)`, floating point.

    Returns:
        `(B, d)`, in the dtype of the features.

    Raises:
        ValueError: for another shape or an integer tensor.

    Taught in notebooks 00 and 01.
    """
    require_map(features)
    return features.mean(dim=(2, 3))


def global_max_pool(features: Tensor) -> Tensor:
    """GMP: the maximum of each channel over the regions, $\\max_j f_j$.

    Args, returns and errors as `global_average_pool`. Taught in notebook 00.
    """
    require_map(features)
    return features.amax(dim=(2, 3))


def generalized_mean_pool(features: Tensor, power: float | Tensor = 3.0, *, eps: float = 1e-6) -> Tensor:
    """GeM: the generalised mean of each channel, $(\\frac1n \\sum_j \\max(f_j, \\epsilon)^p)^{1/p}$.

    p = 1 is GAP on non-negative features; p to infinity is GMP. The largest feature is taken out of the
    power, so that no exponent overflows.

    Args:
        features: `(B, d, H, W)`, floating point.
        power: p > 0, a number or a scalar tensor.
        eps: features are clamped from below by it; > 0.

    Returns:
        `(B, d)`, in the dtype of the features; half precision is computed in float32.

    Raises:
        ValueError: for a non-positive eps or number p, or features of another shape.

    Source: [radenovic2019gem]. Taught in notebook 00.
    """
    require_map(features)
    if not isinstance(power, Tensor):  # to look at a learned one would wait for the GPU at every step
        require_positive(power=power)
    powers, largest = _powers(features, power, eps)
    return (powers.mean(dim=(2, 3)).pow(1 / power) * largest).to(features.dtype)


def _powers(features: Tensor, power: float | Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Features over the largest of their channel, to the power, (B, d, H, W); and those largest ones, (B, d)."""
    require_positive(eps=eps)
    clamped = features.to(wide(features)).clamp(min=eps)
    largest = clamped.amax(dim=(2, 3), keepdim=True).detach()  # (B, d, 1, 1)
    return (clamped / largest).pow(power), largest[:, :, 0, 0]


class GlobalAveragePooling(nn.Module):
    """`global_average_pool` as a module, `(B, d, H, W) -> (B, d)`. Taught in notebooks 00 and 01."""

    def forward(self, features: Tensor) -> Tensor:
        return global_average_pool(features)

    def pool(self, features: Tensor) -> PooledFeatures:
        """Vector and weights, $w_j = 1/n$: (B, d, H, W) -> `PooledFeatures`."""
        return PooledFeatures(self(features), _even_weights(features))


class GlobalMaxPooling(nn.Module):
    """`global_max_pool` as a module, `(B, d, H, W) -> (B, d)`. Taught in notebook 00."""

    def forward(self, features: Tensor) -> Tensor:
        return global_max_pool(features)

    def pool(self, features: Tensor) -> PooledFeatures:
        """Vector and weights: (B, d, H, W) -> `PooledFeatures`.

        A region's weight is the share of the channels whose maximum is there; the first of equal ones counts.
        """
        vector = self(features)
        tokens = features.detach().flatten(2)  # (B, d, n)
        won = tokens.new_zeros(tokens.shape, dtype=wide(features))
        won = won.scatter(2, tokens.argmax(dim=2, keepdim=True), 1.0)
        return PooledFeatures(vector, won.mean(dim=1).unflatten(1, features.shape[2:]))


class GeneralizedMeanPooling(nn.Module):
    """`generalized_mean_pool` with a power that can be learned, `(B, d, H, W) -> (B, d)`.

    Args:
        power: p at the start, > 0.
        learnable: train p.
        eps: features are clamped from below by it; > 0.

    Raises:
        ValueError: for a non-positive power or eps; in the call as `generalized_mean_pool`.

    Source: [radenovic2019gem]. Taught in notebook 00.
    """

    def __init__(self, power: float = 3.0, *, learnable: bool = True, eps: float = 1e-6):
        super().__init__()
        require_positive(power=power, eps=eps)
        self.power = nn.Parameter(torch.tensor(float(power)), requires_grad=learnable)
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        return generalized_mean_pool(features, self.power, eps=self.eps)

    def pool(self, features: Tensor) -> PooledFeatures:
        """(B, d, H, W) -> `PooledFeatures`, weights $w_j = \\mathrm{mean}_c\\, f_{jc}^p / \\sum_i f_{ic}^p$."""
        vector = self(features)
        powers, _ = _powers(features, self.power, self.eps)  # (B, d, H, W)
        return PooledFeatures(vector, (powers / powers.sum(dim=(2, 3), keepdim=True)).mean(dim=1))


def _even_weights(features: Tensor) -> Tensor:  # (B, d, H, W) -> (B, H, W), each 1/n
    n = features.shape[2] * features.shape[3]
    return features.new_full((len(features), *features.shape[2:]), 1 / n, dtype=wide(features))
