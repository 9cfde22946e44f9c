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
    if not 1 <= k <= len(features):
        raise ValueError(f"k: expected 1 .. {len(features)} (the number of features), got {k}")
    if iterations < 1:
        raise ValueError(f"iterations: expected >= 1, got {iterations}")
    wide = features.detach().double()
    origin = wide.mean(dim=0)
    points = _for_faiss(wide - origin)
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
        inverse_temperature: $\\tau > 0$; no part of the state_dict.

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
            features: `(N, D)` regions of the teacher; or, when they do not fit in memory, a function that starts a new
                pass over chunks `(n, D)` at each call: a random `sample` of them is clustered, then every iteration
                passes over all.
            k: number of codes.
            seed: of the first centres and of the sample.
            iterations: Lloyd's steps; in a stream, half on the sample, half over everything.
            inverse_temperature: $\\tau$.
            sample: regions of a stream that are clustered; up to twice as many are in memory, and a chunk.

        Raises:
            ValueError: for bad features, k out of range, no iteration, a sample below k, or an empty pass.
        """
        if isinstance(features, Tensor):
            return cls(kmeans(features, k, iterations=iterations, seed=seed), inverse_temperature)
        if not callable(features):
            raise ValueError(
                "features: expected a tensor, or a function that starts a pass over chunks, "
                f"got {type(features).__name__}"
            )
        if iterations < 1:
            raise ValueError(f"iterations: expected >= 1, got {iterations}")
        if sample < k:
            raise ValueError(f"sample: expected {k} (the number of codes) or more, got {sample}")
        centres = kmeans(_sample(features(), sample, seed), k, iterations=max(iterations // 2, 1), seed=seed)
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


def _for_faiss(points: Tensor) -> np.ndarray:
    """Points as FAISS takes them: float32, and no squared distance that overflows, which would end the interpreter."""
    points = points.float().cpu()
    if not torch.isfinite(4 * points.square().sum(dim=1)).all():
        raise ValueError("features: expected squared distances that float32 can hold, got larger ones")
    return np.ascontiguousarray(points.numpy())


def _sample(chunks: Iterable[Tensor], size: int, seed: int) -> Tensor:
    """A uniform sample without replacement of a stream, in one pass: keep the rows with the smallest random keys."""
    generator = torch.Generator().manual_seed(seed)
    rows, keys, limit = [], [], torch.inf  # no row with a key above the limit is in the sample
    for chunk in chunks:
        drawn = torch.rand(len(chunk), generator=generator)
        promising = drawn < limit
        rows.append(chunk.detach()[promising.to(chunk.device)].float().cpu())
        keys.append(drawn[promising])
        if sum(map(len, keys)) > 2 * size:
            rows, keys = ([part] for part in _smallest(rows, keys, size))
            limit = keys[0].max().item()
    if not rows:
        raise ValueError("features: expected a function that starts a pass over chunks, got an empty pass")
    return _smallest(rows, keys, size)[0]


def _smallest(rows: list[Tensor], keys: list[Tensor], size: int) -> tuple[Tensor, Tensor]:
    """The `size` rows with the smallest keys, in their order, and their keys."""
    rows, keys = torch.cat(rows), torch.cat(keys)
    kept = keys.topk(min(size, len(keys)), largest=False).indices.sort().values
    return rows[kept], keys[kept]


def _lloyd_step(chunks: Iterable[Tensor], centres: Tensor) -> Tensor:
    """One exact step of Lloyd's algorithm over a stream; a centre without points stays where it is."""
    import faiss

    origin = centres.double().mean(dim=0)
    index = faiss.IndexFlatL2(centres.shape[1])
    index.add(_for_faiss(centres.double() - origin))
    total = torch.zeros(centres.shape, dtype=torch.float64)
    count = torch.zeros(len(centres), dtype=torch.float64)
    for chunk in chunks:
        require_embeddings(chunk, "features")
        rows = chunk.detach().cpu().double() - origin
        winner = torch.from_numpy(index.search(_for_faiss(rows), 1)[1][:, 0])  # (n,)
        total.index_add_(0, winner, rows)
        count += torch.bincount(winner, minlength=len(centres))
    if not count.any():
        raise ValueError(
            "features: expected a function that starts a new pass each time, got an empty one after the first"
        )
    mean = total / count.clamp(min=1)[:, None] + origin
    return torch.where(count[:, None] > 0, mean, centres.double()).float()
