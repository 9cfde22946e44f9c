"""Classes for training, validation and test, without a class in common, and folds of classes."""

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from dmlnb._inputs import as_int, as_vector, require_labels


class ClassSplit(NamedTuple):
    """Classes of the three parts, each sorted; none is in two of them."""

    train: Tensor
    validation: Tensor
    test: Tensor


def class_split(
    labels: Tensor, parts: Sequence[float] = (0.4, 0.1, 0.5), *, seed: int | None = 0
) -> ClassSplit:
    """Divide the classes: what is tested was never seen, neither in training nor when settings were chosen.

    Args:
        labels: `(N,)` integers >= 0; the classes are the labels that occur.
        parts: classes for training, validation and test: three whole numbers, which may leave classes over, or three
            shares of all classes, which sum to 1.
        seed: of the shuffle; None takes the classes in the order of their numbers, as the benchmarks do.

    Returns:
        The classes of each part, for `ImageFiles.of_classes` and `FeatureMaps.of_classes`.

    Raises:
        ValueError: if the parts do not fit the classes, or training or test would be empty.
    """
    classes = _classes(labels, seed)
    number = len(classes)
    if len(parts) != 3 or not all(part >= 0 for part in parts):
        raise ValueError(
            f"parts: expected three numbers >= 0, for training, validation and test, got {parts}"
        )
    if all(isinstance(part, Integral) for part in parts):
        counts = [int(part) for part in parts]
    elif abs(sum(parts) - 1) < 1e-6:
        first, second = round(number * parts[0]), round(number * (parts[0] + parts[1]))
        counts = [first, second - first, number - second]
    else:
        raise ValueError(f"parts: expected shares that sum to 1, or three counts of classes, got {parts}")
    if sum(counts) > number or not counts[0] or not counts[2] or (parts[1] > 0 and not counts[1]):
        raise ValueError(
            f"parts: {number} classes do not make parts of {', '.join(map(str, counts))}, got {parts}"
        )
    return ClassSplit(*(part.sort().values for part in classes[: sum(counts)].split(counts)))


def class_folds(labels: Tensor, folds: int = 4, *, seed: int | None = 0) -> list[tuple[Tensor, Tensor]]:
    """Divide the classes into folds; each is held out once.

    Args:
        labels: `(N,)` integers >= 0.
        folds: number of folds, at least 2, at most the number of classes. Their sizes differ by one at most.
        seed: as in `class_split`.

    Returns:
        `folds` pairs `(classes to train on, classes held out)`, each sorted.

    Raises:
        ValueError: if there are fewer classes than folds.
    """
    classes = _classes(labels, seed)
    if not 2 <= as_int(folds, "folds", least=0) <= len(classes):
        raise ValueError(f"folds: expected 2 .. {len(classes)}, the classes there are, got {folds}")
    chunks = torch.tensor_split(classes, int(folds))
    rest = [torch.cat([c for j, c in enumerate(chunks) if j != i]) for i in range(len(chunks))]
    return [(a.sort().values, b.sort().values) for a, b in zip(rest, chunks, strict=True)]


def _classes(labels: Tensor, seed: int | None) -> Tensor:
    labels = labels if isinstance(labels, Tensor) else as_vector(labels, "labels")
    require_labels(labels, labels.numel())
    classes = labels.cpu().long().unique()
    if seed is None:
        return classes
    return classes[
        torch.randperm(
            len(classes), generator=torch.Generator().manual_seed(as_int(seed, "seed", least=-(2**63)))
        )
    ]
