"""A residual block that matches templates and adds a vector for each match; its templates can be taught by labels.

Every region of a feature map is compared with K templates; where a template fits, its vector is added. That is what a
pre-activation bottleneck computes, and `TemplateBlock` keeps its three parts apart. It takes and returns a map of one
shape, so it can stand after any stage:

    backbone = small_resnet().append(TemplateBlock(64, num_templates=253, cosine=True))
    backbone = Stages(torchvision_backbone("resnet18"), TemplateBlock(512, num_templates=100))

The vectors start at zero: a fresh block is the identity, and inserting one does not disturb a trained network.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from dmlnb._inputs import require_finite, require_map, require_positive, require_sizes
from dmlnb.models.kd_layer import cosine_conv


class Matches(NamedTuple):
    """What a template block did: scores `(B, K, H, W)`, assignment `(B, K, H, W)` and update `(B, C, H, W)`."""

    scores: Tensor
    assignment: Tensor
    update: Tensor


class CosineTemplates(nn.Module):
    """Scores by angle: $s_k = \\sigma \\langle \\omega_k, x \\rangle / (\\lVert \\omega_k \\rVert \\lVert x \\rVert)$.

    A learned 1x1 convolution `(B, C, H, W) -> (B, K, H, W)`, at least float32, with one learned scale $\\sigma$. It
    starts at 10, so that a softmax over hundreds of classes can become sure of one.
    """

    def __init__(self, channels: int, num_templates: int, scale: float = 10.0):
        super().__init__()
        require_sizes(channels=channels, num_templates=num_templates)
        require_positive(scale=scale)
        self.weight = nn.Parameter(torch.randn(num_templates, channels, 1, 1) / channels**0.5)
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    def forward(self, x: Tensor) -> Tensor:
        require_map(x, self.weight.shape[1], "x")
        return cosine_conv(x, self.weight[:, :, 0, 0], self.scale)


class TemplateBlock(nn.Module):
    """Match templates, choose softly, add a vector for each match.

    With scores $a_{k|i} = \\omega_k^\\top x_i$ of template k at region i,

    $$ \\hat x_i = x_i + \\alpha \\sum_k p_{k|i}\\, v_k, \\qquad
       p_{k|i} = \\max(0,\\ \\gamma_k \\hat a_{k|i} + \\beta_k), \\qquad
       \\hat a_{k|i} = \\frac{a_{k|i} - \\mathrm{E}\\, a_k}{\\sqrt{\\mathrm{Var}\\, a_k}} . $$

    Convolution, batch normalisation with ReLU, 1x1 convolution. With `reduced` and `kernel_size=3` it is the
    pre-activation bottleneck of a ResNet. To teach the templates classes, give `num_templates` = number of classes (or
    a multiple) and train with `TemplateSupervision`.

    Args:
        channels: C of the map.
        num_templates: K.
        reduced: compare templates with a map reduced to this many channels (BN, ReLU, 1x1, BN, ReLU); None compares
            them with x itself.
        kernel_size: odd; a template covers this neighbourhood.
        cosine: compare by angle times a learned scale instead of by inner product; needs kernel_size 1.
        assignment: `"relu"`; or `"softmax"`: $p = \\mathrm{softmax}(0, \\gamma \\hat a + \\beta)$ without its first
            entry, the share of no match.
        value_ratio: $\\alpha$, the size of what is added. The shares of `"relu"` are not divided by their sum, so with
            many templates the update soon outgrows x, and a smaller ratio trains better. Not in the `state_dict`.
        zero_mean: take the mean over k off the vectors, so that an even assignment adds nothing.

    Shape:
        `(B, C, H, W)` -> `(B, C, H, W)`.

    Raises:
        ValueError: for sizes below 1, an even kernel, an unknown assignment, a ratio that is not finite, or a map of
            another shape or not finite.

    Source: reading and bottleneck [gorgun2022template], which supervises the templates by labels too; the form with
    `cosine` is our reconstruction of that, in the plumbing of [gorgun2023letkd]. `zero_mean` is a projection after each
    step in the authors' code; here it is part of the forward pass, which under plain gradient descent is the same.
    Taught in notebook 05.
    """

    def __init__(
        self,
        channels: int,
        num_templates: int,
        *,
        reduced: int | None = None,
        kernel_size: int = 1,
        cosine: bool = False,
        assignment: str = "relu",
        value_ratio: float = 1.0,
        zero_mean: bool = False,
    ):
        super().__init__()
        inner = channels if reduced is None else reduced
        require_sizes(channels=channels, num_templates=num_templates, reduced=inner, kernel_size=kernel_size)
        if kernel_size % 2 == 0 or (cosine and kernel_size != 1):
            raise ValueError(f"kernel_size: expected an odd size (1 with cosine), got {kernel_size}")
        if assignment not in ("relu", "softmax"):
            raise ValueError(f"assignment: expected 'relu' or 'softmax', got {assignment!r}")
        require_finite(value_ratio=value_ratio)
        self.kind, self.value_ratio, self.zero_mean = assignment, value_ratio, zero_mean
        self.reduce: nn.Module = nn.Identity()
        if reduced is not None:
            self.reduce = nn.Sequential(
                nn.BatchNorm2d(channels),
                nn.ReLU(),
                nn.Conv2d(channels, inner, 1, bias=False),
                nn.BatchNorm2d(inner),
                nn.ReLU(),
            )
        self.templates = (
            CosineTemplates(inner, num_templates)
            if cosine
            else nn.Conv2d(inner, num_templates, kernel_size, padding=kernel_size // 2, bias=False)
        )
        self.norm = nn.BatchNorm2d(num_templates)
        self.vectors = nn.Parameter(torch.zeros(channels, num_templates))  # columns are the nu_k

    def match(self, x: Tensor) -> Matches:
        """Scores, assignment and update of a map `(B, C, H, W)`, kept apart."""
        require_map(x, len(self.vectors), "x", finite=True)  # running means would keep what is not finite
        scores = self.templates(self.reduce(x))  # (B, K, H, W)
        fit = self.norm(scores.to(self.norm.weight.dtype))
        if self.kind == "relu":
            share = torch.relu(fit)
        else:
            share = torch.softmax(torch.cat([torch.zeros_like(fit[:, :1]), fit], dim=1), dim=1)[:, 1:]
        vectors = self.vectors - self.vectors.mean(dim=1, keepdim=True) if self.zero_mean else self.vectors
        return Matches(scores, share, self.value_ratio * conv2d(share, vectors[:, :, None, None]))

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The new map, and the scores that it was made from: `(B, C, H, W)` and `(B, K, H, W)`."""
        matches = self.match(x)
        return x + matches.update, matches.scores

    def forward(self, x: Tensor) -> Tensor:
        return self.read(x)[0]
