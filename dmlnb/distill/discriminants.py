"""Directions in which the classes of regions differ most: linear discriminant analysis."""

import warnings

import numpy as np
import torch
from torch import Tensor

from dmlnb._inputs import as_labels, require_embeddings, require_sizes


def discriminants(features: Tensor, labels: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Linear discriminant analysis by scikit-learn: $A^\\top$ `(r, D)` and the mean `(D,)`.

    The columns of A whiten the scatter within classes and are sorted by the scatter between them; each points so that
    its largest entry is positive. Channels that never vary get zeros. If no class varies within itself there is nothing
    to whiten, and A holds the principal axes of the class means.

    Args:
        features: `(N, D)`.
        labels: `(N,)` in 0 .. C - 1, each class there, C >= 2.
        dim: columns kept, cut to what there are, at most min(C - 1, D).

    Raises:
        ValueError: for bad shapes, NaN, or a class without features.

    Source: [gorgun2023letkd] (the same solver). Taught in notebook 06.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    require_embeddings(features, "features")
    labels = as_labels(labels, len(features)).cpu()
    require_sizes(dim=dim)
    if len(class_sizes(labels)) < 2 or not class_sizes(labels).all():
        raise ValueError("labels: expected two classes or more, numbered from 0 without a gap")
    if features.detach().abs().max() > torch.finfo(torch.float32).max:
        raise ValueError("features: expected numbers that float32 can hold, got larger ones")
    points = features.detach().cpu().double()
    mean = points.mean(dim=0)
    points = points - mean
    size = points.abs().max()
    unit = (
        size.where(size > 0, 1).log2().floor().exp2()
    )  # a power of two: nothing is rounded, no square vanishes
    points = points / unit
    alive = points.abs().amax(dim=0) > 0  # (D,)
    if not alive.any():
        return torch.zeros(1, len(mean)), mean.float()
    points, count = points[:, alive], torch.bincount(labels).double()
    class_means = torch.zeros(len(count), points.shape[1], dtype=points.dtype)
    class_means = class_means.index_add_(0, labels, points) / count[:, None]
    most = min(dim, len(count) - 1, points.shape[1])
    if (points - class_means[labels]).abs().max() <= 1e-9 * points.abs().max():
        columns = torch.linalg.svd(class_means, full_matrices=False).Vh[:most]  # (r, alive)
    else:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Variables are collinear")  # the solver copes with it
            model = LinearDiscriminantAnalysis(solver="svd").fit(points.numpy(), labels.numpy())
        columns = torch.from_numpy(np.array(model.scalings_[:, :most])).T
    largest = columns.gather(1, columns.abs().argmax(dim=1, keepdim=True))
    projection = torch.zeros(max(len(columns), 1), len(mean), dtype=torch.float64)
    projection[: len(columns), alive] = columns * largest.sign() / unit
    if not torch.isfinite(projection.float()).all():
        raise ValueError(
            "features: expected a spread that float32 can whiten, got a smaller one; scale them up"
        )
    return projection.float(), mean.float()


def class_sizes(labels: Tensor) -> Tensor:
    """Regions of each class, `(C,)`; ValueError for numbers beyond the number of regions, which leave classes empty."""
    if labels.max() >= len(labels):
        raise ValueError(f"labels: expected classes numbered from 0 without a gap, got {labels.max().item()}")
    return torch.bincount(labels)
