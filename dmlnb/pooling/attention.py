"""Attention pooling over prototypes: what Generalized Sum Pooling becomes when its mass goes to zero."""

import torch
from torch import Tensor, nn

from dmlnb._inputs import require_not_negative, require_sizes
from dmlnb.pooling.costs import prototype_costs
from dmlnb.pooling.pooled import PooledFeatures, weighted_sum
from dmlnb.pooling.transport import kernel_and_scores, token_scores


class AttentionPooling(nn.Module):
    """A softmax over the tokens, by their nearness to learned prototypes, weighs the features.

    $$ x = \\sum_j w_j f_j, \\qquad w = \\mathrm{softmax}_j(s_j), \\qquad
       s_j = \\log \\sum_i e^{-\\gamma c_{ij}} $$

    with the costs c of `prototype_costs`. It is the limit of `GeneralizedSumPooling` for mass to 0: nothing
    keeps one token from taking all the weight.

    Args:
        dim: size d of the features.
        num_prototypes: m; they start as random unit vectors.
        sharpness: gamma >= 0; 0 is average pooling.

    Shape:
        features (B, d, H, W) -> (B, d), in the dtype of the features.

    Raises:
        ValueError: for sizes or a sharpness out of range, features of another shape, NaN.

    Taught in notebook 02.
    """

    def __init__(self, dim: int, num_prototypes: int = 64, sharpness: float = 5.0):
        super().__init__()
        require_sizes(dim=dim, num_prototypes=num_prototypes)
        require_not_negative(sharpness=sharpness)
        self.sharpness = sharpness
        self.prototypes = nn.Parameter(nn.functional.normalize(torch.randn(num_prototypes, dim)))  # (m, d)

    def forward(self, features: Tensor) -> Tensor:
        scores = token_scores(prototype_costs(features, self.prototypes), self.sharpness)
        return weighted_sum(features, scores.softmax(dim=1))

    def pool(self, features: Tensor) -> PooledFeatures:
        """Vector, weights and attributes: (B, d, H, W) -> `PooledFeatures`."""
        kernel, totals, scores = kernel_and_scores(prototype_costs(features, self.prototypes), self.sharpness)
        weights = scores.softmax(dim=1)  # (B, n)
        attributes = (kernel * (weights / totals)[:, None, :]).sum(dim=2)  # (B, m)
        maps = weights.unflatten(1, features.shape[2:])
        return PooledFeatures(weighted_sum(features, weights), maps, attributes)
