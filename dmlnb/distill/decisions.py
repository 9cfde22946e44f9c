"""The teacher's decisions as targets: sub-classes of its regions, and which of them it can tell apart.

An image label is too strong a target for one region: strokes and background are shared by classes. The decision matrix
says, for every sub-class, how the teacher's features spread over all sub-classes when the label is hidden. Its rows are
the targets: sharp for a pattern that belongs to one class, spread for one that many classes share.
"""

import torch
from torch import Tensor, nn

from dmlnb._inputs import (
    as_int,
    as_labels,
    no_autocast,
    require_embeddings,
    require_map,
    require_sizes,
    wide,
    widest,
)
from dmlnb._ranks import from_rank_0
from dmlnb.distill.codebook import kmeans
from dmlnb.distill.discriminants import class_sizes, discriminants
from dmlnb.geometry import pairwise_distances


class DecisionTemplates(nn.Module):
    """Linear discriminants of the teacher's regions, sub-classes in them, and the decision matrix.

    With the discriminants $z = A^\\top (f - \\bar x)$, centres $\\rho^c_1 \\dots \\rho^c_K$ of each class c in z, the
    sub-class $h_1$ of a region within its own class, and $h_2$, the nearest prototype among those of all classes,

    $$ S_{g,g'} = \\frac{\\#\\{h_1 = g, h_2 = g'\\}}{\\#\\{h_1 = g\\}}, \\qquad
       p^T_i = S_{g^\\star,:}, \\qquad
       g^\\star = \\arg\\min_{g \\text{ of class } y} \\lVert z_i - \\rho_g \\rVert^2 . $$

    Sub-class k of class c is number `c * subclasses + k`. Made by `DecisionTemplates.fit`; everything is a buffer.

    Args:
        projection: $A^\\top$ `(r, D)`.
        mean: $\\bar x$ `(D,)`.
        centres: $\\rho$ `(C * subclasses, r)`, class after class.
        decisions: $S$ `(C * subclasses, C * subclasses)`, rows sum to 1.
        subclasses: K of each class.

    Raises:
        ValueError: for shapes that do not belong together, or no sub-class.

    Source: [gorgun2023letkd] (supplement and released code). Taught in notebook 06.
    """

    projection: Tensor
    mean: Tensor
    centres: Tensor
    decisions: Tensor

    def __init__(self, projection: Tensor, mean: Tensor, centres: Tensor, decisions: Tensor, subclasses: int):
        super().__init__()
        subclasses = as_int(subclasses, "subclasses")
        if projection.ndim != 2 or (centres.shape[1:] + mean.shape) != projection.shape:
            raise ValueError(
                "projection, mean, centres: expected (r, D), (D,) and (G, r), "
                f"got {tuple(projection.shape)}, {tuple(mean.shape)}, {tuple(centres.shape)}"
            )
        if decisions.shape != (len(centres), len(centres)) or len(centres) % subclasses:
            raise ValueError(
                f"centres, decisions: expected (G, r) and (G, G), G a multiple of {subclasses}, "
                f"got {tuple(centres.shape)} and {tuple(decisions.shape)}"
            )
        self.subclasses = subclasses
        self.num_classes = len(centres) // subclasses
        for name, value in (
            ("projection", projection),
            ("mean", mean),
            ("centres", centres),
            ("decisions", decisions),
        ):
            self.register_buffer(name, value.detach().clone())

    @classmethod
    def fit(
        cls,
        features: Tensor,
        labels: Tensor,
        subclasses: int = 8,
        lda_dim: int = 60,
        seed: int = 0,
        *,
        iterations: int = 20,
    ) -> "DecisionTemplates":
        """Fit to the teacher's regions, each with the label of its image.

        Where several processes train together, all call it, with the same classes, and all get what rank 0 fits.

        Args:
            features: `(N, D)`, any N.
            labels: `(N,)` in 0 .. C - 1, C >= 2; every class needs `subclasses` regions at least.
            subclasses: K, clusters a class.
            lda_dim: discriminants kept; cut to what there are, at most min(C - 1, D).
            seed: of the clustering.
            iterations: of the clustering.

        Raises:
            ValueError: for bad shapes, NaN, one class only, or a class with too few regions.
        """
        require_embeddings(features, "features")
        labels = as_labels(labels, len(features)).cpu()
        require_sizes(subclasses=subclasses, lda_dim=lda_dim)
        counts = class_sizes(labels)
        if len(counts) < 2:
            raise ValueError("labels: expected two classes or more, got one")
        if counts.min() < subclasses:
            raise ValueError(
                f"labels: expected {subclasses} regions or more of each class, "
                f"got {counts.min().item()} of class {counts.argmin().item()}"
            )
        projection, mean = discriminants(features, labels, lda_dim)
        with no_autocast(mean):
            z = (features.detach().float().cpu() - mean) @ projection.T  # (N, r)
        centres = torch.cat(
            [_class_centres(z[labels == c], subclasses, seed, iterations) for c in range(len(counts))]
        )
        own = _own_subclass(z, labels, centres, subclasses)  # h1, (N,)
        found = projection, mean, centres, decision_matrix(z, own, centres)
        from_rank_0(*found)
        return cls(*found, subclasses)

    @torch.no_grad()
    def subclass(self, features: Tensor, labels: Tensor) -> Tensor:
        """The nearest sub-class of the image's class, $g^\\star$: `(B, D, H, W), (B,) -> (B, H, W)`."""
        require_map(features, self.projection.shape[1], finite=True)
        labels = as_labels(labels, len(features), self.num_classes)
        B, _, H, W = features.shape
        dtype = wide(features)
        tokens = features.to(dtype).flatten(2).mT  # (B, n, D)
        with no_autocast(features):
            z = (tokens - self.mean.to(dtype)) @ self.projection.T.to(dtype)  # (B, n, r)
        blocks = self.centres.to(dtype).view(self.num_classes, self.subclasses, -1)[
            labels.to(self.centres.device)
        ]
        nearest = pairwise_distances(z, blocks).argmin(
            dim=2
        )  # (B, n), within the class: no other class can win
        return (labels.to(nearest.device)[:, None] * self.subclasses + nearest).view(B, H, W)

    @torch.no_grad()
    def targets(self, features: Tensor, labels: Tensor) -> Tensor:
        """Rows of the decision matrix: `(B, D, H, W), (B,) -> (B, G, H, W)`, constants."""
        return self.decisions[self.subclass(features, labels)].permute(0, 3, 1, 2)

    def sharpness(self) -> Tensor:
        """How much of each sub-class's decisions stays with its own class: `(G,)` in 0 .. 1."""
        blocks = self.decisions.unflatten(1, (self.num_classes, self.subclasses)).sum(dim=2)  # (G, C)
        own = torch.arange(len(blocks), device=blocks.device) // self.subclasses
        return blocks.gather(1, own[:, None])[:, 0]


def decision_matrix(z: Tensor, subclass: Tensor, centres: Tensor) -> Tensor:
    """$S_{g,g'}$: the share of the regions of sub-class g whose nearest prototype of all is that of g'.

    A prototype is the mean of its regions. A sub-class without regions keeps its centre as its prototype, and its row
    is the decision on that centre.

    Args:
        z: `(N, r)`.
        subclass: h1, `(N,)` in 0 .. G - 1.
        centres: `(G, r)`.

    Returns:
        `(G, G)`, rows sum to 1.

    Raises:
        ValueError: for bad shapes, NaN, or a sub-class out of range.

    Source: [gorgun2023letkd]. Taught in notebook 06.
    """
    require_embeddings(z, "z")
    require_embeddings(centres, "centres")
    number = len(centres)
    subclass = as_labels(subclass, len(z), number, name="subclass")
    dtype = wide(z)  # counts are beyond float16
    z, centres = z.to(dtype), centres.to(dtype)
    count = torch.bincount(subclass, minlength=number).to(dtype)  # (G,)
    sums = torch.zeros_like(centres, dtype=widest(z)).index_add_(0, subclass, z.to(widest(z)))
    prototypes = torch.where(count[:, None] > 0, (sums / count.clamp(min=1)[:, None]).to(z.dtype), centres)
    decided = torch.cat(
        [pairwise_distances(part, prototypes).argmin(dim=1) for part in z.split(8192)]
    )  # h2, (N,)
    table = torch.bincount(subclass * number + decided, minlength=number**2).to(z.dtype).view(number, number)
    winner = pairwise_distances(centres, prototypes).argmin(dim=1)  # (G,)
    on_centres = torch.nn.functional.one_hot(winner, number).to(z.dtype)
    return torch.where(count[:, None] > 0, table / count.clamp(min=1)[:, None], on_centres)


def _class_centres(z: Tensor, k: int, seed: int, iterations: int) -> Tensor:
    """k-means of one class; a centre that no region chose is moved to the region farthest from all centres."""
    centres = kmeans(z, k, iterations=iterations, seed=seed)
    for _ in range(k):
        distance, winner = pairwise_distances(z, centres).min(dim=1)
        empty = torch.bincount(winner, minlength=k) == 0
        if not empty.any() or distance.max() == 0:  # none, or fewer distinct regions than centres
            break
        centres[empty.nonzero()[0, 0]] = z[distance.argmax()]
    return centres


def _own_subclass(z: Tensor, labels: Tensor, centres: Tensor, subclasses: int) -> Tensor:
    """h1: the nearest centre of the region's own class, `(N,)`."""
    own = torch.empty(len(z), dtype=torch.int64)
    for c in range(len(centres) // subclasses):
        block = centres[c * subclasses : (c + 1) * subclasses]
        own[labels == c] = c * subclasses + pairwise_distances(z[labels == c], block).argmin(dim=1)
    return own
