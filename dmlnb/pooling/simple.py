"""The poolings of every toolbox: average, maximum, and the generalised mean between them.

Each is a function of the feature maps, with a thin module around it that stands at the end of a network.
"""

import torch
from torch import Tensor, nn


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
    _require_maps(features)
    return features.mean(dim=(2, 3))


def global_max_pool(features: Tensor) -> Tensor:
    """GMP: the maximum of each channel over the regions, $\\max_j f_j$.

    Args, returns and errors as `global_average_pool`. Taught in notebook 00.
    """
    _require_maps(features)
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
    _require_maps(features)
    _require_power(power, eps)
    wide = features.float() if features.dtype in (torch.float16, torch.bfloat16) else features
    clamped = wide.clamp(min=eps)
    largest = clamped.amax(dim=(2, 3), keepdim=True).detach()  # (B, d, 1, 1)
    mean = (clamped / largest).pow(power).mean(dim=(2, 3))  # (B, d)
    return (mean.pow(1 / power) * largest[:, :, 0, 0]).to(features.dtype)


class GlobalAveragePooling(nn.Module):
    """`global_average_pool` as a module, `(B, d, H, W) -> (B, d)`. Taught in notebooks 00 and 01."""

    def forward(self, features: Tensor) -> Tensor:
        return global_average_pool(features)


class GlobalMaxPooling(nn.Module):
    """`global_max_pool` as a module, `(B, d, H, W) -> (B, d)`. Taught in notebook 00."""

    def forward(self, features: Tensor) -> Tensor:
        return global_max_pool(features)


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
        _require_power(power, eps)
        self.power = nn.Parameter(torch.tensor(float(power)), requires_grad=learnable)
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        return generalized_mean_pool(features, self.power, eps=self.eps)


def _require_maps(features: Tensor) -> None:
    if features.ndim != 4 or 0 in features.shape or not features.is_floating_point():
        raise ValueError(
            "features: expected floating point of shape (B, d, H, W), not empty, "
            f"got {features.dtype} {tuple(features.shape)}"
        )


def _require_power(power: float | Tensor, eps: float) -> None:
    # a learned power is not looked at: on a GPU that would wait for the device at every step
    if (not isinstance(power, Tensor) and not power > 0) or not eps > 0:
        raise ValueError(f"power, eps: expected positive numbers, got {power} and {eps}")
