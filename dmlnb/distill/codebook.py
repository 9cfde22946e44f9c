"""A codebook of the teacher's regions: k-means centres, and how close a region is to each of them.

The student's templates are supervised by the number of the code, never by its coordinates, so student and teacher may
have different widths.
"""

import numpy as np
import torch
from torch import Tensor, nn

from dmlnb._inputs import (
    as_int,
    as_labels,
    no_autocast,
    require_embeddings,
    require_map,
    require_positive,
    wide,
)
from dmlnb._ranks import from_rank_0


def kmeans(features: Tensor, k: int, *, iterations: int = 20, seed: int = 0) -> Tensor:
    """k-means by FAISS on all the points, `(N, D) -> (k, D)` float32.

    The mean is taken off first: FAISS expands squared distances, which round badly far from the origin.

    Args:
        features: `(N, D)`, finite, with squares that float32 can hold.
        k: 1 <= k <= N.
        iterations: Lloyd's steps, >= 1.
        seed: of the first centres, which are points.

    Returns:
        Centres. A centre that loses all its points is moved beside the largest cluster, as FAISS does.

    Raises:
        ValueError: for another shape, NaN or huge numbers, k out of range, or no iteration.

    Source: [johnson2019faiss].
    """
    import faiss  # its own OpenMP: imported only where it is used

    require_embeddings(features, "features")
    if not 1 <= as_int(k, "k", least=0) <= len(features):
        raise ValueError(f"k: expected 1 .. {len(features)} (the number of features), got {k}")
    k, iterations, seed = int(k), as_int(iterations, "iterations"), as_int(seed, "seed", least=0)
    points = features.detach().cpu().double()
    origin = points.mean(dim=0)
    points = _for_faiss(points - origin)
    if k == len(points):
        centres = points
    else:
        model = faiss.Kmeans(
            points.shape[1], k, niter=iterations, seed=seed, min_points_per_centroid=1,
            max_points_per_centroid=-(-len(points) // k) + 1,  # all of them
        )  # fmt: skip
        model.train(points)
        centres = model.centroids
    return (torch.from_numpy(np.array(centres)).double() + origin).float()


class Codebook(nn.Module):
    """Frozen centres of the teacher's features, and soft targets for the student's templates.

    $$ p^T_{k,i} = \\mathrm{softmax}_k\\bigl( -\\tau \\lVert f_i - \\rho_k \\rVert^2 \\bigr) $$

    Features are not normalised, so $\\tau$ has the unit of 1 / features squared: with codes far apart in that unit the
    targets are nearly hard.

    Args:
        centres: $\\rho$ `(K, D)`; kept as a buffer: moved and saved with the module, never trained.
        inverse_temperature: $\\tau > 0$; no part of the state_dict.

    Raises:
        ValueError: for centres of another shape or not finite, or $\\tau$ not positive.

    Source: [gorgun2023letkd], after [jain2020quest]. Taught in notebook 06.
    """

    centres: Tensor

    def __init__(self, centres: Tensor, inverse_temperature: float = 1.0):
        super().__init__()
        require_embeddings(centres, "centres")
        require_positive(inverse_temperature=inverse_temperature)
        if not torch.isfinite(4 * centres.detach().float().square().sum(dim=1)).all():
            raise ValueError("centres: expected squared distances that float32 can hold, got larger ones")
        self.inverse_temperature = inverse_temperature
        self.register_buffer("centres", centres.detach().clone())

    @classmethod
    def fit(
        cls,
        features: Tensor,
        k: int,
        seed: int = 0,
        *,
        iterations: int = 20,
        inverse_temperature: float = 1.0,
    ) -> "Codebook":
        """Centres by `kmeans`. Where several processes train together, all call it, and all get those of rank 0.

        Args:
            features: `(N, D)` regions of the teacher.
            k: number of codes.
            seed: of the first centres.
            iterations: Lloyd's steps.
            inverse_temperature: $\\tau$.

        Raises:
            ValueError: as `kmeans`.
        """
        centres = kmeans(features, k, iterations=iterations, seed=seed)
        from_rank_0(centres)
        return cls(centres, inverse_temperature)

    @torch.no_grad()
    def targets(self, features: Tensor) -> Tensor:
        """Soft assignments of the teacher's regions: `(B, D, H, W) -> (B, K, H, W)`, constants."""
        return torch.softmax(self._closeness(features), dim=1)

    @torch.no_grad()
    def assign(self, features: Tensor) -> Tensor:
        """The nearest code of each region: `(B, D, H, W) -> (B, H, W)`."""
        return self._closeness(features).argmax(dim=1)

    def _closeness(self, features: Tensor) -> Tensor:
        """$-\\tau |f - \\rho_k|^2$ up to a term common to all codes, `(B, K, H, W)`."""
        require_map(features, self.centres.shape[1], finite=True)
        dtype = wide(features)
        with no_autocast(features):
            codes = self.centres.to(dtype)
            origin = codes.mean(dim=0)
            codes, features = codes - origin, features.to(dtype) - origin[:, None, None]
            product = torch.einsum("kd,bdhw->bkhw", codes, features)
            return self.inverse_temperature * (2 * product - codes.square().sum(dim=1)[:, None, None])


def perplexity(assignment: Tensor, k: int) -> float:
    """How many codes are in use: the exponential of the entropy of their shares, in 1 .. k.

    Args:
        assignment: integers in 0 .. k - 1, any shape.
        k: number of codes.

    Raises:
        ValueError: for anything but integers in 0 .. k - 1, or none.

    Taught in notebook 06.
    """
    as_int(k, "k")
    if not isinstance(assignment, Tensor) or not assignment.numel():
        raise ValueError(
            f"assignment: expected a tensor of integers, not empty, got {type(assignment).__name__}"
        )
    assignment = as_labels(assignment.flatten(), assignment.numel(), k, name="assignment")
    shares = torch.bincount(assignment.cpu(), minlength=int(k)).double() / assignment.numel()
    return float(torch.exp(-torch.xlogy(shares, shares).sum()))


def _for_faiss(points: Tensor) -> np.ndarray:
    """Points as FAISS takes them: float32, and no squared distance that overflows, which would end the interpreter."""
    points = points.float().cpu()
    if not torch.isfinite(4 * points.square().sum(dim=1)).all():
        raise ValueError("features: expected squared distances that float32 can hold, got larger ones")
    return np.ascontiguousarray(points.numpy())
