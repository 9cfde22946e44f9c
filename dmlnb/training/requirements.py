"""What `train` asks of its arguments, before anything changes, and of the numbers of a validation."""

import math
import operator
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from dmlnb._inputs import as_vector, require_labels, require_not_negative, require_positive
from dmlnb.data.loading import Images, reads_batches, require_images


def require_data(images: object, labels: object) -> tuple[Images, Tensor | None]:
    """Images as they can be read, and their labels as int64, or None where the items of a Dataset bring them."""
    images = require_images(images)
    labels = getattr(images, "labels", None) if labels is None else labels
    if labels is None:
        if reads_batches(images):
            raise ValueError("labels: expected one label an image, got None; only a Dataset brings its own")
        return images, None
    labels = as_vector(labels, "labels")
    if labels.shape != (len(images),) or (isinstance(images, Tensor) and images.ndim != 4):
        shape = tuple(images.shape) if isinstance(images, Tensor) else f"{len(images)} items"
        raise ValueError(
            f"images, labels: expected (N, c, S, S) and (N,), got {shape}, {tuple(labels.shape)}"
        )
    if not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool):
        labels = labels.long()  # every width: uint16 knows neither min() nor an index
    require_labels(labels, len(images))
    return images, labels


def require_settings(
    steps: int,
    stop_at: int | None,
    seed: int,
    *,
    validate: Callable | None,
    keep_best: str | None,
    renew: str | None,
    clip: float | None,
    **numbers: float,
) -> tuple[int, int, int]:
    """Raise ValueError for a setting out of its range; returns the steps, the step to leave after, and the seed."""
    whole = {
        "warmup": 0,
        "workers": 0,
        "validate_every": 1,
        "checkpoint_every": 1,
        "seed": -(2**43),
        "stop_at": 0,
    }
    for name, least in whole.items():
        value = {**numbers, "seed": seed, "stop_at": steps if stop_at is None else stop_at}[name]
        if not hasattr(value, "__index__") or operator.index(value) < least:
            raise ValueError(f"{name}: expected a whole number >= {least}, got {value!r}")
    if not seed < 2**43:
        raise ValueError(f"seed: expected a whole number < 2**43, got {seed}")
    require_not_negative(
        **{name: numbers[name] for name in ("learning_rate", "proxy_factor", "weight_decay")}
    )
    if clip is not None:
        require_positive(clip=clip)
    for name, wanted in {"keep_best": keep_best, "renew": renew}.items():
        if wanted is not None and validate is None:
            raise ValueError(f"{name}: expected validate too, which gives {wanted!r}; got None")
    return steps, min(steps, steps if stop_at is None else operator.index(stop_at)), operator.index(seed)


def require_numbers(
    validated: Mapping[str, float], keep_best: str | None, renew: str | None = None
) -> dict[str, float]:
    """What `validate` returned as Python numbers, with `keep_best` and `renew` among them."""
    if not isinstance(validated, Mapping):
        raise ValueError(f"validate: expected a dict of numbers, got {type(validated).__name__}")
    found = {}
    for name, value in validated.items():
        try:
            found[name] = value.item() if hasattr(value, "item") else value
            float(found[name])
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"validate: expected a dict of numbers, got {type(value).__name__} for {name!r}"
            ) from error
    for name, wanted in {"keep_best": keep_best, "renew": renew}.items():
        if wanted is not None and wanted not in found:
            raise ValueError(
                f"{name}: validate gave {', '.join(map(repr, found)) or 'nothing'}, but no {wanted!r}"
            )
    if keep_best is not None and not math.isfinite(found[keep_best]):
        raise FloatingPointError(f"validate: {keep_best} became {found[keep_best]}")
    return found
