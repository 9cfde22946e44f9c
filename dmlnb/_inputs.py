"""Input checks that several files share: one clear error, naming the argument and what was expected."""

import torch
from torch import Tensor


def require_embeddings(embeddings: Tensor, name: str = "embeddings") -> None:
    """Raise ValueError unless `embeddings` is a finite floating-point matrix (N, d) with N, d >= 1."""
    if not isinstance(embeddings, Tensor) or not embeddings.is_floating_point():
        got = embeddings.dtype if isinstance(embeddings, Tensor) else type(embeddings).__name__
        raise ValueError(f"{name}: expected a floating-point tensor, got {got}")
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise ValueError(f"{name}: expected shape (N, d) with N, d >= 1, got {tuple(embeddings.shape)}")
    if not torch.isfinite(torch.stack(embeddings.detach().aminmax())).all():  # NaN is passed on by both
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")


def require_labels(
    labels: Tensor, num_rows: int, num_classes: int | None = None, name: str = "labels"
) -> None:
    """Raise ValueError unless `labels` is an integer vector (num_rows,) in 0 .. num_classes - 1."""
    whole = isinstance(labels, Tensor) and not (
        labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool
    )
    if not whole:
        got = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise ValueError(f"{name}: expected an integer tensor, got {got}")
    if labels.shape != (num_rows,):
        raise ValueError(f"{name}: expected shape ({num_rows},), one label a row, got {tuple(labels.shape)}")
    if len(labels) and labels.min() < 0:
        raise ValueError(f"{name}: expected labels >= 0, got {labels.min().item()}")
    if num_classes is not None and len(labels) and labels.max() >= num_classes:
        raise ValueError(f"{name}: expected labels < {num_classes}, got {labels.max().item()}")


def require_positive(**numbers: float) -> None:
    """Raise ValueError unless each of the numbers, given by name, is above zero."""
    for name, number in numbers.items():
        if not number > 0:
            raise ValueError(f"{name}: expected a number > 0, got {number}")
