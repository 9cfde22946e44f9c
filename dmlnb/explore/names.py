"""What users call things and how they number them: names are shown as they are, masks and labels mean what they say."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.legend import Legend

from dmlnb.explore.figures import to_numpy


def plain(text) -> str:
    """A name for a figure: one line, and a `$` in it is a `$`, not mathematics."""
    return " ".join(str(text).split()).replace("$", r"\$")


def name_legend(axes, handles: Iterable, names: Iterable, **how) -> Legend:
    """A legend of names as they are (matplotlib leaves out names that begin with an underscore).

    Args:
        axes: axes or a figure.
        handles: what the legend explains.
        names: as many.
        how: as for `Axes.legend`.
    """
    handles, names = list(handles), list(names)
    legend = axes.legend(handles, [str(i) for i in range(len(names))], **how)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(plain(name))
    return legend


def whole_numbers(values, name: str = "labels") -> np.ndarray:
    """Integers of any width, in a tensor, an array or a list, as a vector of int64.

    Raises:
        ValueError: for anything else (masks, fractions, more than one axis) and for numbers below 0 or beyond int64.
    """
    array = to_numpy(values)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected a vector of integers, got {array.dtype} of shape {array.shape}")
    if array.min() < 0 or array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name}: expected integers in 0 .. 2^63 - 1, got {array.min()} .. {array.max()}")
    return array.astype(np.int64)


def chosen_rows(chosen, number: int, name: str = "chosen") -> np.ndarray:
    """The numbers of the rows that are meant, sorted and each once: by their numbers, or by a mask of `number` rows.

    Raises:
        ValueError: for a mask of another length, numbers out of range, or anything else.
    """
    array = to_numpy(chosen)
    if array.dtype.kind == "b":
        if array.shape != (number,):
            raise ValueError(f"{name}: expected a mask of shape ({number},), got {array.shape}")
        return np.flatnonzero(array)
    if array.ndim == 1 and array.dtype.kind == "i" and array.size and array.min() < 0:
        raise ValueError(f"{name}: expected numbers in 0 .. {number - 1}, got {array.min()}")
    rows = np.unique(whole_numbers(array, name))
    if len(rows) and rows[-1] >= number:
        raise ValueError(f"{name}: expected numbers in 0 .. {number - 1}, got {rows[-1]}")
    return rows


def names_of(class_names: Sequence | Mapping | None, classes: Iterable[int]) -> dict[int, str]:
    """A name for each of the classes: from a list by position, from a mapping by key, else the number itself.

    Raises:
        ValueError: for a list too short, or a mapping without a key for one of the classes.
    """
    classes = [int(c) for c in classes]
    if class_names is None:
        return {c: str(c) for c in classes}
    if isinstance(class_names, Mapping):
        missing = [c for c in classes if c not in class_names]
        if missing:
            raise ValueError(f"class_names: expected a name for each class, got none for class {missing[0]}")
        return {c: str(class_names[c]) for c in classes}
    names, needed = list(class_names), max(classes, default=-1) + 1
    if len(names) < needed:
        raise ValueError(f"class_names: expected at least {needed}, got {len(names)}")
    return {c: str(names[c]) for c in classes}
