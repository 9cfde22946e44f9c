"""The distillation layer: match each region to templates, add the vector of what it matched.

The teacher only tells the layer what its templates should respond to. What the responses are worth, the student learns
from its own loss; and the layer stays in the network, so what was transferred is used at inference too.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from dmlnb._inputs import no_autocast, require_finite, require_map, require_sizes, traced, wide
from dmlnb.geometry.norms import norms


def channel_norm(z: Tensor) -> Tensor:
    """What a vector is divided by to have unit length: $\\max(\\lVert z \\rVert_2, 10^{-12})$ over the channels.

    For a vector that is exactly zero it is 1: zero stays zero, and the slope there is 1 instead of 1e12.

    Args:
        z: `(B, C, H, W)`, at least float32 (in float16, 1e-12 is zero).

    Returns:
        `(B, 1, H, W)`.
    """
    norm = norms(z, dim=1)
    if not traced():
        low, high = (bound.item() for bound in norm.detach().aminmax())
        if 1e-12 <= low and high <= 1e15:
            return norm
    size = z.detach().abs().amax(dim=1, keepdim=True)  # squares beyond 1e15 or below 1e-15 need care
    size = torch.where(((size > 1e15) & (size < torch.inf)) | ((size < 1e-15) & (size > 0)), size, 1)
    norm = norms(z / size, dim=1) * size
    return torch.where(norm > 0, norm.clamp(min=1e-12), torch.ones_like(norm))


def cosine_conv(x: Tensor, weight: Tensor, scale: Tensor | float) -> Tensor:
    """A 1x1 convolution that compares directions.

    $$ y_{k,i} = \\sigma\\, u(\\omega_k)^\\top u(x_i), \\qquad u(a) = a / \\max(\\lVert a \\rVert_2, 10^{-12}) $$

    Args:
        x: `(B, C, H, W)`.
        weight: `(K, C)`, one direction an output channel.
        scale: $\\sigma$, scalar.

    Returns:
        `(B, K, H, W)`, at least float32, also under autocast; each value within $\\pm |\\sigma|$.

    Source: [gorgun2023letkd] (released code).
    """
    dtype = wide(x, weight)
    with no_autocast(x):
        x, weight = x.to(dtype), weight.to(dtype)[:, :, None, None]  # (K, C, 1, 1)
        directions = scale * weight / channel_norm(weight)
        if x.shape[1] <= len(weight):  # divide by the length of x where there are fewer channels
            return conv2d(x / channel_norm(x), directions)
        return conv2d(x, directions) / channel_norm(x)


class KDLayer(nn.Module):
    """Templates, BN, ReLU, values: a residual branch whose templates a teacher can supervise.

    For every region $i$ with features $x_i$,

    $$ s_{k,i} = \\sigma_t\\, u(\\omega_k)^\\top u(x_i), \\quad
       \\hat p_{k,i} = \\mathrm{ReLU}(\\mathrm{BN}_k(s_{k,i})), \\quad
       v_{c,i} = \\sigma_v\\, u(W_c)^\\top u(\\hat p_i), \\quad \\hat x_i = x_i + \\alpha v_i. $$

    The distillation loss reads `scores` through a softmax; the network reads the same scores through BN and ReLU. A
    region that no template fits has $\\hat p_i = 0$ and keeps its features to the bit. Since $\\hat p_i$ is normalised,
    only which templates match counts, not how strongly, and $\\lVert v_i \\rVert \\le |\\sigma_v| \\sqrt C$.

    Args:
        channels: C of the feature map.
        num_templates: K.
        value_ratio: $\\alpha$; 0 leaves the map as it is, so that the layer only takes part through its loss. A plain
            attribute: it is not in the `state_dict`.

    Shape:
        features `(B, C, H, W)` -> x_hat `(B, C, H, W)` in the dtype of the features, scores `(B, K, H, W)` at least
        float32. `2 C K + 2 K + 2` parameters.

    Raises:
        ValueError: for sizes below 1, a value_ratio that is not finite, features of another shape or not finite, or
            a single region in training mode (BN needs two).

    Source: [gorgun2023letkd], layer and initial values as in the released code. Taught in notebook 06.
    """

    def __init__(self, channels: int, num_templates: int, value_ratio: float = 1.0):
        super().__init__()
        require_sizes(channels=channels, num_templates=num_templates)
        require_finite(value_ratio=value_ratio)
        self.value_ratio = value_ratio
        self.templates = nn.Parameter(torch.randn(num_templates, channels) * (2 / channels) ** 0.5)  # (K, C)
        self.template_scale = nn.Parameter(torch.tensor(3.0))
        self.norm = nn.BatchNorm2d(num_templates)
        self.values = nn.Parameter(
            torch.randn(channels, num_templates) * (2 / num_templates) ** 0.5
        )  # (C, K)
        self.value_scale = nn.Parameter(torch.tensor(1.0))

    def scores(self, features: Tensor) -> Tensor:
        """Raw template scores $s$: `(B, C, H, W) -> (B, K, H, W)`."""
        return cosine_conv(features, self.templates, self.template_scale)

    def matches(self, scores: Tensor) -> Tensor:
        """$\\hat p$, what each region is assigned to; zero where a template does not fit: `(B, K, H, W)`."""
        return torch.relu(self.norm(scores.to(self.norm.weight.dtype)))

    def semantic_vectors(self) -> Tensor:
        """$v_k$, what a region gains that matches template k alone: `(K, C)`."""
        norm = torch.linalg.vector_norm(self.values, dim=1, keepdim=True).clamp(min=1e-12)  # (C, 1)
        return (self.value_scale * self.values / norm).T

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        require_map(features, self.templates.shape[1], finite=True)
        if self.training and features[:, 0].numel() < 2:
            raise ValueError(
                "features: expected two regions or more in training mode (BN needs them), got one"
            )
        scores = self.scores(features)  # (B, K, H, W)
        value = cosine_conv(self.matches(scores), self.values, self.value_scale)  # (B, C, H, W)
        return features + (self.value_ratio * value).to(features.dtype), scores

    def read(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What calling the layer gives, under the name that `Stages` looks for."""
        return self(features)

    def extra_repr(self) -> str:
        num_templates, channels = self.templates.shape
        return f"channels={channels}, num_templates={num_templates}, value_ratio={self.value_ratio}"
