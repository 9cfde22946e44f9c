"""ImageFiles: image files with class labels, opened when they are asked for; and which of many cannot be opened."""

from __future__ import annotations

import copy
import operator
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dmlnb.data.pictures import open_image

Rows = Sequence[tuple[Path, Any]]  # (image file, the class's own identifier)


class ImageFiles(torch.utils.data.Dataset):
    """Image files with class labels; an image is opened when it is asked for.

    Args:
        rows: `(path, class identifier)`, one per image.
        split: name of the split, kept as it is.
        transform: applied to the upright RGB image on access (`open_image`); None gives the PIL image.
        identifiers: all class identifiers in the order of their labels; by default the sorted ones of `rows`.
        class_names: `{identifier: name}`; by default the identifiers themselves.
        skip_broken: open every image once, now, and leave out those that are missing or cannot be read.

    Attributes:
        paths: N files.
        labels: `(N,)` int64 in 0 .. C - 1.
        class_names: C names, in the order of the labels.
        num_classes: C.
        broken: `(path, reason)` of what was left out.
        split, transform: as given.

    Raises:
        ValueError: if there is no image.
        FileNotFoundError: if images are missing; names the first.
        OSError: on access, for an image that cannot be read; names it.
        TypeError: on access, for an index that is no whole number.
    """

    def __init__(
        self,
        rows: Rows,
        split: str = "all",
        transform: Callable | None = None,
        identifiers: Sequence | None = None,
        *,
        class_names: dict[Any, str] | None = None,
        skip_broken: bool = False,
    ):
        self.broken: list[tuple[Path, str]] = []
        rows = [(Path(path).expanduser(), own) for path, own in rows]
        if skip_broken:
            self.broken = broken_images([path for path, _ in rows])
            out = {path for path, _ in self.broken}
            rows = [row for row in rows if row[0] not in out]
        if not rows:
            left_out = f", {len(self.broken)} could not be read" if self.broken else ""
            raise ValueError(
                f"split: the index lists no image of {split!r}{left_out}; is the download complete?"
            )
        missing = [path for path, _ in rows if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{missing[0]}: listed in the index, but not there ({len(missing)} of {len(rows)} are missing); "
                "unpack the images first, or leave them out with skip_broken=True"
            )
        identifiers = sorted({own for _, own in rows}) if identifiers is None else list(identifiers)
        number = {own: label for label, own in enumerate(identifiers)}
        names = class_names or {}
        self.paths = [path for path, _ in rows]
        self.labels: Tensor = torch.tensor([number[own] for _, own in rows])
        self.class_names = [str(names.get(own, own)) for own in identifiers]
        self.num_classes = len(identifiers)
        self.split, self.transform = split, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple:
        try:
            place = operator.index(index)
        except TypeError:
            raise TypeError(
                f"index: expected a whole number, got {index!r}; of_classes takes a part"
            ) from None
        try:
            image = open_image(self.paths[place])
        except OSError as error:
            raise type(error)(f"{error}; images.check() names all such files") from error
        return (image if self.transform is None else self.transform(image)), int(self.labels[place])

    def of_classes(self, classes: Tensor | Sequence[int]) -> ImageFiles:
        """The images of some classes only, numbered 0 .. in the order given.

        Args:
            classes: `(c,)` labels of this set, each once, such as `class_split` gives.

        Raises:
            ValueError: if a class is named twice, is not there or has no image.
        """
        rows, labels, names = restrict(self.labels, self.class_names, classes)
        pairs = [(self.paths[i], own) for i, own in zip(rows.tolist(), labels.tolist(), strict=True)]
        return ImageFiles(
            pairs, self.split, self.transform, range(len(names)), class_names=dict(enumerate(names))
        )

    def with_transform(self, transform: Callable | None) -> ImageFiles:
        """The same images under another transform."""
        images = copy.copy(self)
        images.transform = transform
        return images

    def check(self) -> list[tuple[Path, str]]:
        """Open every image once: `(path, reason)` of those that cannot be read; empty if all is well."""
        return broken_images(self.paths)


def restrict(
    labels: Tensor, class_names: Sequence[str], classes: Tensor | Sequence[int]
) -> tuple[Tensor, Tensor, list[str]]:
    """Rows of the chosen classes in their old order, their labels numbered in the order given, and the names."""
    chosen = [int(c) for c in classes]
    present = set(labels.unique().tolist())
    wrong = [c for c in chosen if c not in present]
    if not chosen or wrong or len(set(chosen)) < len(chosen):
        raise ValueError(f"classes: expected labels that have images, each once, got {(wrong or chosen)[:8]}")
    new = torch.full((max(present) + 1,), -1)
    new[chosen] = torch.arange(len(chosen))
    rows = (new[labels] >= 0).nonzero().flatten()
    return rows, new[labels[rows]], [class_names[c] for c in chosen]


def broken_images(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Open every file: `(path, reason)` of those that are missing or cannot be read, in the order given."""
    from tqdm import tqdm

    def reason(path: Path) -> str | None:
        try:
            open_image(path)
        except OSError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reasons = tqdm(pool.map(reason, paths), "checking", len(paths), unit="image", disable=None)
        return [(path, why) for path, why in zip(paths, reasons, strict=True) if why]
