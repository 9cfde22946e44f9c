"""What retrieval does with its arguments first: tensors, arrays and lists become one thing, or one clear error."""

import numpy as np
import torch
from torch import Tensor

from dmlnb import _inputs
from dmlnb._inputs import as_int, require_embeddings

METRICS = ("cosine", "l2")


def as_embeddings(embeddings: object, name: str = "embeddings", dim: int | None = None) -> Tensor:
    """`(N, d)` finite floating point on the CPU, without gradient; accepts a tensor, an array or a list of rows."""
    embeddings = as_tensor(embeddings, name)
    require_embeddings(embeddings, name)
    if dim is not None and embeddings.shape[1] != dim:
        raise ValueError(
            f"{name}: expected as many coordinates as on the other side, {dim}, got {embeddings.shape[1]}"
        )
    return embeddings


def as_labels(labels: object, num_rows: int, name: str = "labels") -> Tensor:
    """`(num_rows,)` int64 on the CPU, >= 0; accepts integers of every width, as a tensor, an array or a list."""
    return _inputs.as_labels(as_tensor(labels, name), num_rows, name=name)


def as_own(own: object, num_queries: int, num_rows: int) -> np.ndarray:
    """`(num_queries,)` int64: the gallery row that each query is itself, -1 for none."""
    own = as_tensor(own, "own")
    if own.shape != (num_queries,) or own.is_floating_point() or own.dtype == torch.bool:
        raise ValueError(f"own: expected ({num_queries},) integers, got {own.dtype} {tuple(own.shape)}")
    own = own.numpy().astype(np.int64)
    if own.min() < -1 or own.max() >= num_rows:
        raise ValueError(
            f"own: expected rows in 0 .. {num_rows - 1}, or -1 for none, got {own.min()} .. {own.max()}"
        )
    return own


def as_count(number: int, name: str, most: int | None = None) -> int:
    """A whole number in 1 .. most, from one of Python or NumPy."""
    count = as_int(number, name)
    if most is not None and count > most:
        raise ValueError(f"{name}: expected 1 .. {most}, got {count}")
    return count


def require_metric(metric: str) -> None:
    """Raise ValueError unless the metric is known."""
    if metric not in METRICS:
        raise ValueError(f"metric: expected 'cosine' or 'l2', got {metric!r}")


def as_tensor(values: object, name: str) -> Tensor:
    """A tensor on the CPU, without gradient, from a tensor, an array or a list of numbers."""
    if isinstance(values, Tensor):
        return values.detach().cpu()
    try:
        array = np.array(values)  # a copy: torch shares no memory that must not be written
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError):
        kind = type(values).__name__
        raise ValueError(f"{name}: expected a tensor, or an array or list of numbers, got {kind}") from None
