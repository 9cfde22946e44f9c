"""Columns beside the images: numbers and words, one per image, to colour and filter by."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmlnb.explore.figures import to_numpy


@dataclass(frozen=True)
class Column:
    """One value per image.

    Attributes:
        values: `(N,)` float32: numbers, or the place of each image's word among the levels; NaN where there is none.
        levels: the words of a category, most frequent first; None for numbers.
    """

    values: np.ndarray
    levels: list[str] | None = None


def read_column(values, number: int, name: str) -> Column:
    """Numbers stay numbers; words, and true and false, become a category; None, NaN and "" mean that there is none.

    Args:
        values: `number` of them, in a list, an array or a tensor.
        number: of images.
        name: of the argument, for errors.

    Raises:
        ValueError: for another number of them, or values of more than one axis.
    """
    array = to_numpy(values)
    if array.shape != (number,):
        raise ValueError(f"{name}: expected shape ({number},), got {array.shape}")
    if array.dtype.kind in "iuf":
        return Column(_narrow(array))
    items = array.tolist()
    if array.dtype.kind == "O" and all(_missing(v) or _is_number(v) for v in items):
        return Column(_narrow(np.array([np.nan if _missing(v) else v for v in items], dtype=float)))
    words = [
        None if _missing(v) else ("no", "yes")[v] if isinstance(v, bool | np.bool_) else str(v) for v in items
    ]
    counts = Counter(word for word in words if word is not None)
    levels = sorted(counts, key=lambda word: (-counts[word], word))
    place = {word: j for j, word in enumerate(levels)} | {None: np.nan}
    return Column(np.array([place[word] for word in words], dtype=np.float32), levels)


def passes(column: Column, rule: Sequence | None) -> np.ndarray:
    """`(N,)` bool: who passes a filter: a range `[low, high]` of numbers, or the words to keep; None keeps all."""
    if rule is None:
        return np.ones(len(column.values), dtype=bool)
    if column.levels is not None:
        return np.isin(column.values, [column.levels.index(word) for word in rule])
    return (column.values >= np.float32(rule[0])) & (column.values <= np.float32(rule[1]))


def require_rule(column: Column | None, rule, name: str) -> None:
    """Raise unless the rule is one for this column (or the column is still to be computed)."""
    if rule is None:
        return
    if not isinstance(rule, Sequence) or isinstance(rule, str):
        raise ValueError(f"filters[{name!r}]: expected [low, high] or a list of words, got {rule!r}")
    if column is not None and column.levels is not None:
        unknown = [word for word in rule if word not in column.levels]
        if unknown:
            raise ValueError(f"filters[{name!r}]: expected words of this column, got {unknown[0]!r}")
    elif len(rule) != 2 or not all(_is_number(v) and v == v for v in rule) or rule[0] > rule[1]:
        raise ValueError(f"filters[{name!r}]: expected [low, high] with low <= high, got {rule!r}")


def _narrow(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what is too large for float32 is drawn as the largest
        return array.astype(np.float32)


def _missing(value) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)


def _is_number(value) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
