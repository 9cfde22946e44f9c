"""A codebook of the teacher's regions: k-means centres, and how close a region is to each of them.

The student's templates are supervised by the number of the code, never by its coordinates, so student and teacher may
have different widths.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from dmlnb._inputs import require_embeddings, require_positive


def kmeans(features: Tensor, k: int, *, iterations: int = 20, seed: int = 0) -> Tensor:
    """k-means by FAISS on all the points, `(N, D) -> (k, D)` float32.

    The mean is taken off first: FAISS expands squared distances, which round badly far from the origin.

    Args:
        features: `(N, D)`, finite.
        k: 1 <= k <= N.
        iterations: Lloyd's steps.
        seed: of the first centres, which are points.

    Returns:
        Centres. A centre that loses all its points is moved beside the largest cluster, as FAISS does.

    Raises:
        ValueError: for another shape, NaN, or k out of range.

    Source: [johnson2019faiss]. Taught in notebook 06.
    """
    import faiss  # its own OpenMP: imported only where it is used

    require_embeddings(features, "features")
    if not 1 <= k <= len(features):
        raise ValueError(f"k: expected 1 .. {len(features)} (the number of features), got {k}")
    if iterations < 1:
        raise ValueError(f"iterations: expected >= 1, got {iterations}")
    wide = features.detach().double()
    origin = wide.mean(dim=0)
    points = np.ascontiguousarray((wide - origin).float().cpu().numpy())
    if np.abs(points).max() > 1e15:  # their squares overflow in float32, and FAISS would end the process
        raise ValueError("features: expected numbers below 1e15, got larger ones")
    if k == len(points):
        centres = points
    else:
        model = faiss.Kmeans(
            points.shape[1], k, niter=iterations, seed=seed, min_points_per_centroid=1,
            max_points_per_centroid=-(-len(points) // k) + 1,  # all of them
        )  # fmt: skip
        model.train(points)
        centres = model.centroids
    return (torch.from_numpy(np.array(centres)).double() + origin.cpu()).float()


class Codebook(nn.Module):
    """Frozen centres of the teacher's features, and soft targets for the student's templates.

    $$ p^T_{k,i} = \\mathrm{softmax}_k\\bigl( -\\tau \\lVert f_i - \\rho_k \\rVert^2 \\bigr) $$

    Features are not normalised, so $\\tau$ has the unit of 1 / features squared: with codes far apart in that unit the
    targets are nearly hard.

    Args:
        centres: $\\rho$ `(K, D)`; kept as a buffer: moved and saved with the module, never trained.
        inverse_temperature: $\\tau > 0$.

    Raises:
        ValueError: for centres of another shape or not finite, or $\\tau$ not positive.

    Source: [gorgun2023letkd], after [jain2020quest]. Taught in notebook 06.
    """

    def __init__(self, centres: Tensor, inverse_temperature: float = 1.0):
        super().__init__()
        require_embeddings(centres, "centres")
        require_positive(inverse_temperature=inverse_temperature)
        self.inverse_temperature = inverse_temperature
        self.register_buffer("centres", centres.detach().clone())

    @classmethod
    def fit(
        cls,
        features: Tensor | Callable[[], Iterable[Tensor]],
        k: int,
        seed: int = 0,
        *,
        iterations: int = 20,
        inverse_temperature: float = 1.0,
        sample: int = 200_000,
    ) -> "Codebook":
        """Centres by k-means.

        Args:
            features: `(N, D)` regions of the teacher; or, when they do not fit in memory, a function that starts a
                pass over chunks `(n, D)`: a random `sample` of them is clustered, then every iteration passes over all.
            k: number of codes.
            seed: of the first centres and of the sample.
            iterations: Lloyd's steps; in a stream, half on the sample, half over everything.
            inverse_temperature: $\\tau$.
            sample: regions kept in memory of a stream.

        Raises:
            ValueError: for bad features, k out of range, or an empty stream.
        """
        if not isinstance(features, Tensor) and not callable(features):
            raise ValueError(
                "features: expected a tensor, or a function that starts a pass over chunks, "
                f"got {type(features).__name__}"
            )
        if isinstance(features, Tensor):
            return cls(kmeans(features, k, iterations=iterations, seed=seed), inverse_temperature)
        centres = kmeans(_sample(features(), sample, seed), k, iterations=iterations // 2, seed=seed)
        for _ in range(iterations - iterations // 2):
            centres = _lloyd_step(features(), centres)
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
        require_map(features, self.centres.shape[1])
        wide = torch.promote_types(features.dtype, torch.float32)
        with torch.autocast(features.device.type, enabled=False):
            codes = self.centres.to(wide)
            origin = codes.mean(dim=0)
            codes, features = codes - origin, features.to(wide) - origin[:, None, None]
            product = torch.einsum("kd,bdhw->bkhw", codes, features)
            return self.inverse_temperature * (2 * product - codes.square().sum(dim=1)[:, None, None])


def perplexity(assignment: Tensor, k: int) -> float:
    """How many codes are in use: the exponential of the entropy of their shares, in 1 .. k.

    Args:
        assignment: integers in 0 .. k - 1, any shape.
        k: number of codes.

    Taught in notebook 06.
    """
    shares = torch.bincount(assignment.flatten(), minlength=k).double() / assignment.numel()
    return float(torch.exp(-torch.xlogy(shares, shares).sum()))


def require_map(features: Tensor, channels: int) -> None:
    """Raise ValueError unless `features` is finite floating point (B, channels, H, W)."""
    if features.ndim != 4 or features.shape[1] != channels or not features.is_floating_point():
        raise ValueError(
            f"features: expected floating point of shape (B, {channels}, H, W), "
            f"got {features.dtype} {tuple(features.shape)}"
        )
    if not torch.isfinite(features).all():
        raise ValueError("features: expected finite numbers, got NaN or infinity")


def _sample(chunks: Iterable[Tensor], size: int, seed: int) -> Tensor:
    """A uniform sample without replacement of a stream, in one pass: keep the rows with the smallest random keys."""
    generator = torch.Generator().manual_seed(seed)
    rows, keys = None, None
    for chunk in chunks:
        chunk, drawn = chunk.detach().float().cpu(), torch.rand(len(chunk), generator=generator)
        if keys is not None and len(keys) == size:
            chance = drawn < keys.max()  # the others cannot enter the sample
            chunk, drawn = chunk[chance], drawn[chance]
        rows = chunk if rows is None else torch.cat([rows, chunk])
        keys = drawn if keys is None else torch.cat([keys, drawn])
        if len(keys) > size:
            kept = keys.topk(size, largest=False).indices.sort().values
            rows, keys = rows[kept], keys[kept]
    if rows is None:
        raise ValueError("features: expected a function that starts a pass over chunks, got an empty pass")
    return rows


def _lloyd_step(chunks: Iterable[Tensor], centres: Tensor) -> Tensor:
    """One exact step of Lloyd's algorithm over a stream; a centre without points stays where it is."""
    import faiss

    origin = centres.double().mean(dim=0)
    index = faiss.IndexFlatL2(centres.shape[1])
    index.add((centres.double() - origin).float().numpy())
    total = torch.zeros(centres.shape, dtype=torch.float64)
    count = torch.zeros(len(centres), dtype=torch.float64)
    for chunk in chunks:
        require_embeddings(chunk, "features")
        rows = chunk.detach().cpu().double() - origin
        winner = torch.from_numpy(index.search(rows.float().numpy(), 1)[1][:, 0])  # (n,)
        total.index_add_(0, winner, rows)
        count += torch.bincount(winner, minlength=len(centres))
    if not count.any():
        raise ValueError("features: expected a function that starts a new pass each time, got an empty pass")
    mean = total / count.clamp(min=1)[:, None] + origin
    return torch.where(count[:, None] > 0, mean, centres.double()).float()
