"""What every function does with its arguments first: one clear error naming the argument, and a dtype wide enough.

Values are looked at only where there are any: while torch compiles, exports or transforms a program (`traced`), shapes
and dtypes are checked and numbers are taken on trust.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from numbers import Integral, Real

import torch
from torch import Tensor, nn


def require_embeddings(embeddings: Tensor, name: str = "embeddings") -> None:
    """Raise ValueError unless `embeddings` is a finite floating-point matrix (N, d) with N, d >= 1."""
    require_floats(finite=False, **{name: embeddings})
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise ValueError(f"{name}: expected shape (N, d) with N, d >= 1, got {tuple(embeddings.shape)}")
    require_finite_values(embeddings, name)


def require_floats(*, finite: bool = False, **tensors: Tensor) -> None:
    """Raise ValueError unless each of the arguments, given by name, is a floating-point tensor; finite if asked."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            got = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ValueError(f"{name}: expected a floating-point tensor, got {got}")
        if finite and tensor.numel():
            require_finite_values(tensor, name)


def require_finite_values(tensor: Tensor, name: str) -> None:
    """Raise ValueError if the tensor holds NaN or infinity."""
    if traced() or math.isfinite(tensor.detach().sum().item()):  # finite if all are and it does not overflow
        return
    if not torch.isfinite(torch.stack(tensor.detach().aminmax())).all():  # both pass NaN on
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")


def require_labels(
    labels: Tensor, num_rows: int, num_classes: int | None = None, name: str = "labels"
) -> None:
    """Raise ValueError unless `labels` is an integer vector (num_rows,) in 0 .. num_classes - 1."""
    as_labels(labels, num_rows, num_classes, name)


def as_labels(
    labels: Tensor, num_rows: int | None, num_classes: int | None = None, name: str = "labels"
) -> Tensor:
    """The labels as int64, from integers of any width.

    Raises:
        ValueError: unless they are an integer vector (num_rows,), of any length for None, in 0 .. num_classes - 1.
    """
    whole = isinstance(labels, Tensor) and not (
        labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool
    )
    if not whole:
        got = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise ValueError(f"{name}: expected an integer tensor, got {got}")
    if labels.ndim != 1 or len(labels) != (len(labels) if num_rows is None else num_rows):
        length = "N" if num_rows is None else num_rows
        raise ValueError(f"{name}: expected shape ({length},), one label a row, got {tuple(labels.shape)}")
    labels = labels.long()  # torch cannot compare unsigned integers of 16, 32 and 64 bits
    if traced() or not len(labels):
        return labels
    low, high = (bound.item() for bound in labels.aminmax())
    if low < 0:
        raise ValueError(f"{name}: expected labels >= 0 (and below 2**63), got {low}")
    if num_classes is not None and high >= num_classes:
        raise ValueError(f"{name}: expected labels < {num_classes}, got {high}")
    return labels


def as_vector(values: object, name: str) -> Tensor:
    """A tensor from an array or a list of numbers; ValueError for anything else."""
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name}: expected numbers, got {type(values).__name__}") from None


def as_int(number: int, name: str, least: int = 1) -> int:
    """A whole number of Python, from one of Python or NumPy; ValueError below `least`."""
    if not is_whole(number) or isinstance(number, bool) or number < least:
        raise ValueError(f"{name}: expected a whole number >= {least}, got {number!r}")
    return int(number)


def is_whole(value: object) -> bool:
    """Whether it is a whole number, of Python or NumPy; a plain bool, since to mypy no `int` is an `Integral`."""
    return isinstance(value, Integral)


def is_real(value: object) -> bool:
    """Whether it is a real number, of Python or NumPy."""
    return isinstance(value, Real)


def require_sizes(**sizes: int) -> None:
    """Raise ValueError unless each of the sizes, given by name, is a whole number >= 1, of Python or NumPy."""
    for name, size in sizes.items():
        as_int(size, name)


def require_positive(**numbers: float) -> None:
    """Raise ValueError unless each of the numbers, given by name, is above zero, and finite."""
    for name, number in numbers.items():
        if not _is_number(number) or not 0 < number < math.inf:
            raise ValueError(f"{name}: expected a number > 0, and finite, got {number!r}")


def require_not_negative(**numbers: float) -> None:
    """Raise ValueError unless each of the numbers, given by name, is zero or above, and finite."""
    for name, number in numbers.items():
        if not _is_number(number) or not 0 <= number < math.inf:
            raise ValueError(f"{name}: expected a finite number >= 0, got {number!r}")


def require_shares(**numbers: float) -> None:
    """Raise ValueError unless each of the numbers, given by name, is in 0 .. 1."""
    for name, number in numbers.items():
        if not _is_number(number) or not 0 <= number <= 1:
            raise ValueError(f"{name}: expected a share in 0 .. 1, got {number!r}")


def require_finite(**numbers: float) -> None:
    """Raise ValueError unless each of the numbers, given by name, is finite."""
    for name, number in numbers.items():
        if not _is_number(number) or not -math.inf < number < math.inf:
            raise ValueError(f"{name}: expected a finite number, got {number!r}")


def _is_number(number: object) -> bool:
    return is_real(number) or (isinstance(number, Tensor) and number.ndim == 0)


def require_map(
    features: Tensor, channels: int | None = None, name: str = "features", *, finite: bool = False
) -> None:
    """Raise ValueError unless `features` is floating point of shape (B, channels, H, W), not empty; finite if asked."""
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
    if finite:
        require_finite_values(features, name)


def wide(*tensors: Tensor) -> torch.dtype:
    """The dtype to compute in: the widest of the tensors', at least float32."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def widest(tensor: Tensor) -> torch.dtype:
    """The widest dtype of the tensor's device: float64, or float32 on one that has no float64."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def no_autocast(tensor: Tensor) -> AbstractContextManager:
    """A context in which autocast, if it is on for the tensor's device, is off."""
    return torch.autocast(tensor.device.type, enabled=False)


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """A context in which `net` is in evaluation mode; afterwards each part of it is in the mode that it was in."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def a_weight(net: nn.Module) -> Tensor:
    """A floating-point parameter of `net`: its inputs go where it is, in its dtype. An empty float32 tensor if none."""
    return next((p for p in net.parameters() if p.is_floating_point()), torch.empty(0))


def require_reading(reading: object, *parts: str) -> None:
    """Raise ValueError unless `reading` is what `net.read(images)` gives, with all the named parts in it."""
    for part in parts:
        found = None if isinstance(reading, Tensor) else getattr(reading, part, None)
        if found is None or (isinstance(found, dict) and not found):
            got = "one without" if hasattr(reading, "embeddings") else type(reading).__name__
            mend = "the network gives none" if got == "one without" else "train with net.read"
            raise ValueError(f"reading: expected a Reading with {part}, got {got}; {mend}")


def traced() -> bool:
    """Whether torch compiles, exports or transforms (`torch.func`) the program: then no value can be looked at."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


def exporting() -> bool:
    """Whether torch exports the program (before 2.7, which cannot tell, or compiles it)."""
    return getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)()
