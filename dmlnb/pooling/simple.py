"""The poolings of every toolbox: average, maximum, and the generalised mean between them."""

import torch
from torch import Tensor, nn


def _require_maps(features: Tensor) -> None:
    if features.ndim != 4 or 0 in features.shape or not features.is_floating_point():
        raise ValueError(
            f"features: expected floating point of shape (B, d, H, W), got {features.dtype} {tuple(features.shape)}"
        )


class GlobalAveragePooling(nn.Module):
    """GAP: the mean of the local features, $\\frac1n \\sum_j f_j$. `(B, d, H, W) -> (B, d)`.

    Raises:
        ValueError: for another shape or an integer tensor.

    Taught in notebooks 00 and 01.
    """

    def forward(self, features: Tensor) -> Tensor:
        _require_maps(features)
        return features.mean(dim=(2, 3))


class GlobalMaxPooling(nn.Module):
    """GMP: the maximum of each channel over the regions, $\\max_j f_j$. `(B, d, H, W) -> (B, d)`.

    Raises:
        ValueError: for another shape or an integer tensor.

    Taught in notebook 00.
    """

    def forward(self, features: Tensor) -> Tensor:
        _require_maps(features)
        return features.amax(dim=(2, 3))


class GeneralizedMeanPooling(nn.Module):
    """GeM: the generalised mean of each channel, $(\\frac1n \\sum_j \\max(f_j, \\epsilon)^p)^{1/p}$.

    p = 1 is GAP on non-negative features; p to infinity is GMP. The largest feature is taken out of the power, so
    that no exponent overflows.

    Args:
        power: p at the start, > 0.
        learnable: train p.
        eps: features are clamped from below by it; > 0.

    Shape:
        `(B, d, H, W) -> (B, d)`.

    Raises:
        ValueError: for a non-positive power or eps, or features of another shape.

    Source: [radenovic2019gem]. Taught in notebook 00.
    """

    def __init__(self, power: float = 3.0, *, learnable: bool = True, eps: float = 1e-6):
        super().__init__()
        if power <= 0 or eps <= 0:
            raise ValueError(f"power, eps: expected positive numbers, got {power} and {eps}")
        self.power = nn.Parameter(torch.tensor(float(power)), requires_grad=learnable)
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        _require_maps(features)
        wide = features.float() if features.dtype in (torch.float16, torch.bfloat16) else features
        clamped = wide.clamp(min=self.eps)
        largest = clamped.amax(dim=(2, 3), keepdim=True).detach()  # (B, d, 1, 1)
        mean = (clamped / largest).pow(self.power).mean(dim=(2, 3))  # (B, d)
        return (mean.pow(1 / self.power) * largest[:, :, 0, 0]).to(features.dtype)
