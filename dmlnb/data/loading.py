"""Batches from what holds images: a tensor, feature maps, or a Dataset whose items are opened by workers.

What a Dataset's transform draws at random depends on (seed, step, place in the batch) alone: so a training that is
interrupted goes on with the very same images, and the number of workers changes nothing but the speed.
"""

import random
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, default_collate


@runtime_checkable
class Images(Protocol):
    """What holds images: a tensor or array, feature maps, or a Dataset (see `require_images`)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


Key = tuple[int, int, int]  # (step, place in the batch, index)


def require_images(images: object) -> Images:
    """Images as they can be read: a tensor (NumPy arrays become one), feature maps, or a map-style Dataset.

    Args:
        images: a tensor `(N, c, S, S)`; anything with `reads_batches = True`, whose `[index tensor]` gives
            `(B, C, H, W)`; or anything with `len()` whose `[i]` gives `(image, label, ...)`, or the image alone.

    Returns:
        The same.

    Raises:
        ValueError: for anything else, such as a DataLoader, or if there is no image.
    """
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(images)
    if isinstance(images, IterableDataset | DataLoader) or not isinstance(images, Images):
        mend = "; give its .dataset, batches are made here" if isinstance(images, DataLoader) else ""
        raise ValueError(
            "images: expected a tensor, feature maps or a Dataset with len() and [i], "
            f"got {type(images).__name__}{mend}"
        )
    if len(images) == 0:
        raise ValueError("images: expected at least one, got none")
    if not reads_batches(images):
        image, _ = _parts(
            *_Seeded(images, 0)[0, 0, 0]
        )  # a wrong item is named here, not from inside a worker
        if image.ndim != 3:
            raise ValueError(f"images: expected items of shape (c, S, S), got {tuple(image.shape)}")
    return images


Part = TypeVar("Part", Tensor, list[Key])


def reads_batches(images: object) -> bool:
    """Whether `images[index tensor]` gives a batch: a tensor, or what says so by `reads_batches`."""
    return isinstance(images, Tensor) or bool(getattr(images, "reads_batches", False))


def load_batches(
    images: Images,
    labels: Tensor | None,
    batches: Sequence[Tensor],
    steps: Sequence[int],
    *,
    seed: int = 0,
    workers: int = 0,
    part: tuple[int, int] = (0, 1),
) -> Generator[tuple[Tensor, Tensor | None], None, None]:
    """The images and labels of `batches[step]`, one pair for each of `steps`.

    Args:
        images: see `require_images`.
        labels: `(N,)`, or None for those that the items of a Dataset bring (None if they bring none).
        batches: index tensors `(B,)`.
        steps: which of them, in order.
        seed: of the random transforms of a Dataset.
        workers: processes that open the items of a Dataset; 0 opens them here.
        part: `(number, of how many)`: of each batch only this part, of as many in order and of equal length.

    Yields:
        `(B, c, S, S)` as stored, and `(B,)`. Who may stop before the end closes it: `with closing(load_batches(...))`.
    """
    if reads_batches(images):
        for step in steps:
            index = _part(index_of(batches, step, len(images)), part)
            yield images[index], None if labels is None else labels[index]
        return
    loader = DataLoader(
        _Seeded(images, seed),
        batch_sampler=_Keys(batches, steps, len(images), part),
        num_workers=workers,
        collate_fn=_collate,
        generator=torch.Generator(),  # the global generator stays as it is
    )
    with closing(in_own_words(loader)) as loaded:
        for step, (batch, own) in zip(steps, loaded, strict=True):
            index = _part(index_of(batches, step, len(images)), part)
            yield batch, own if labels is None else labels[index]


def in_own_words(loader: DataLoader) -> Generator[Any, None, None]:
    """The loader's batches; an error of a worker process is one line, as it is without workers, and ends them all."""
    batches = iter(loader)
    try:
        yield from batches
    except (OSError, ValueError) as error:
        if not str(error).startswith("Caught "):
            raise
        own = str(error).strip().splitlines()[-1].partition(": ")[2]  # below the worker's traceback
        raise type(error)(own) from error
    finally:  # what a kept error refers to is left to the garbage collector, which waits five seconds for each worker
        if loader.num_workers:
            batches._shutdown_workers()  # type: ignore[attr-defined] # there is no public way


def index_of(batches: Sequence[Tensor], step: int, size: int) -> Tensor:
    """`batches[step]` as an index tensor `(B,)`; ValueError unless it is one, of whole numbers in 0 .. size - 1."""
    try:
        index = torch.as_tensor(batches[step])
    except (TypeError, ValueError, RuntimeError):  # such as a pair of tensors
        raise ValueError(
            f"batches: expected index tensors (B,), step {step} has {_kind(batches[step])}"
        ) from None
    if index.ndim != 1 or len(index) == 0 or index.is_floating_point() or index.dtype == torch.bool:
        raise ValueError(
            f"batches: expected index tensors (B,), step {step} has {index.dtype} of shape {tuple(index.shape)}"
        )
    if index.min() < 0 or index.max() >= size:
        raise ValueError(
            f"batches: expected indices in 0 .. {size - 1}, step {step} has {index.min()} .. {index.max()}"
        )
    return index


def _part(batch: Part, part: tuple[int, int]) -> Part:
    """One of several parts of equal length."""
    number, parts = part
    each = len(batch) // parts
    return batch[number * each : (number + 1) * each]


class _Keys:
    """For each step, the keys of its batch, or of its part."""

    def __init__(self, batches: Sequence[Tensor], steps: Sequence[int], size: int, part: tuple[int, int]):
        self.batches, self.steps, self.size, self.part = batches, steps, size, part

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[Key]]:
        for step in self.steps:
            index = index_of(self.batches, step, self.size).tolist()
            keys = [(step, place, row) for place, row in enumerate(index)]
            yield _part(keys, self.part)


class _Seeded(torch.utils.data.Dataset):
    """Items of a Dataset, each opened with the generators of torch, NumPy and Python at a seed of its own."""

    def __init__(self, items: Images, seed: int):
        self.items, self.seed = items, seed

    def __getitem__(self, key: Key) -> tuple[object, int]:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: list[Key]) -> list[tuple[object, int]]:
        before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002 - what transforms use
        try:
            return [(self._open(*key), key[2]) for key in keys]
        finally:
            torch.set_rng_state(before[0])
            np.random.set_state(before[1])  # noqa: NPY002
            random.setstate(before[2])

    def _open(self, step: int, place: int, index: int) -> object:
        drawn = np.random.SeedSequence([self.seed % 2**64, step, place]).generate_state(1, np.uint64)[0]
        own = int(drawn) >> 1
        torch.default_generator.manual_seed(own)
        np.random.seed(own % 2**32)  # noqa: NPY002
        random.seed(own)
        return self.items[index]


def _collate(items: list[tuple[object, int]]) -> tuple[Tensor, Tensor | None]:
    images, labels = zip(*(_parts(item, index) for item, index in items), strict=True)
    sizes = [tuple(image.shape) for image in images]
    if len({*sizes}) > 1:
        one, other = [*dict.fromkeys(sizes)][:2]
        raise ValueError(
            f"images: expected one size, got {one} and {other}; let the transform crop or resize to one"
        )
    return torch.stack(images), None if labels[0] is None else torch.as_tensor(default_collate([*labels]))


def _parts(item: object, index: int) -> tuple[Tensor, object]:
    """Image and label of an item, or the image and None."""
    image, label = item[:2] if isinstance(item, tuple | list) and len(item) > 1 else (item, None)
    if isinstance(image, np.ndarray):
        image = torch.from_numpy(image)
    if not isinstance(image, Tensor):
        raise ValueError(
            f"images: expected items (image tensor, label), item {index} is {_kind(item)}; "
            "give the Dataset a transform that ends in a tensor"
        )
    return image, label


def _kind(item: object) -> str:
    inner = ", ".join(type(part).__name__ for part in item) if isinstance(item, tuple | list) else ""
    return f"{type(item).__name__} ({inner})" if inner else type(item).__name__
