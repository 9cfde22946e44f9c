"""What every function does with its arguments first: one clear error naming the argument, and a dtype wide enough."""

from contextlib import AbstractContextManager

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


def require_map(
    features: Tensor, channels: int | None = None, name: str = "features", *, finite: bool = False
) -> None:
    """Raise ValueError unless `features` is floating point of shape (B, channels, H, W), not empty.

    With `finite`, NaN and infinity are refused too (not while torch compiles or exports, which cannot look at values).
    """
    axis = "d" if channels is None else channels
    fits = isinstance(features, Tensor) and features.ndim == 4 and 0 not in features.shape
    if (
        not fits
        or not features.is_floating_point()
        or (channels is not None and features.shape[1] != channels)
    ):
        tensor = isinstance(features, Tensor)
        got = f"{features.dtype} {tuple(features.shape)}" if tensor else type(features).__name__
        raise ValueError(f"{name}: expected floating point of shape (B, {axis}, H, W), not empty, got {got}")
    if finite and not torch.compiler.is_compiling() and not torch.isfinite(features).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")


def wide(*tensors: Tensor) -> torch.dtype:
    """The dtype to compute in: the widest of the tensors', at least float32."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def no_autocast(tensor: Tensor) -> AbstractContextManager:
    """A context in which autocast, if it is on for the tensor's device, is off."""
    return torch.autocast(tensor.device.type, enabled=False)


def traced() -> bool:
    """Whether torch compiles, exports or transforms (`torch.func`) the program: then no value can be looked at."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


def widest(tensor: Tensor) -> torch.dtype:
    """float64, or float32 on a device that has no float64."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64
