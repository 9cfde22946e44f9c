"""Batches for metric learning: M classes x K samples, and two halves of disjoint classes.

A sequence of batches is a table of indices made at construction from the seed: batch t is `batches[t]`, whatever ran
before. That is what makes an interrupted training resumable to the bit.
"""

import warnings
from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor

from dmlnb._inputs import as_int, as_vector, is_whole, require_labels


class ClassBatches(Sequence[Tensor]):
    """M classes, K samples of each, sorted by class inside the batch.

    Classes are walked in shuffled rounds, each cut into whole batches; so are the samples of a class. What is left of a
    round, fewer than M classes or K samples, waits for a later round, so visits differ a little by chance. A class with
    fewer than K samples gives all of them and then starts over: it is listed in `short_classes`, with a warning.

    A sequence of index tensors, which `torch.utils.data.DataLoader` takes as its `batch_sampler`.

    Args:
        labels: `(N,)` integers >= 0.
        classes_per_batch: M.
        samples_per_class: K.
        num_batches: length of the sequence.
        seed: of the shuffles.

    Attributes:
        table: `(num_batches, M * K)` indices.
        short_classes: classes with fewer than K samples.

    Raises:
        ValueError: for sizes below 1, or fewer than M classes.

    Taught in notebook 00.
    """

    def __init__(
        self,
        labels: Tensor,
        classes_per_batch: int,
        samples_per_class: int,
        num_batches: int,
        *,
        seed: int = 0,
    ):
        labels = labels if isinstance(labels, Tensor) else as_vector(labels, "labels")
        require_labels(labels, labels.numel())
        labels = labels.cpu().long()
        sizes = classes_per_batch, samples_per_class, num_batches
        if not all(is_whole(size) and size >= 1 for size in sizes):
            raise ValueError(
                "classes_per_batch, samples_per_class, num_batches: expected whole numbers >= 1, got "
                f"{classes_per_batch}, {samples_per_class}, {num_batches}"
            )
        classes_per_batch, samples_per_class, num_batches = map(int, sizes)
        classes, counts = labels.unique(return_counts=True)
        if len(classes) < classes_per_batch:
            raise ValueError(
                f"classes_per_batch: expected at most {len(classes)}, the classes there are, got {classes_per_batch}"
            )
        self.short_classes = classes[counts < samples_per_class].tolist()
        if self.short_classes:
            warnings.warn(
                f"{len(self.short_classes)} classes have fewer than {samples_per_class} samples; theirs repeat",
                UserWarning,
                stacklevel=2,
            )
        generator = torch.Generator().manual_seed(as_int(seed, "seed", least=-(2**63)))
        # A class round must not end inside a batch with a class twice: batches are cut from each round separately.
        per_round = len(classes) // classes_per_batch
        rounds = -(-num_batches // per_round)
        order = torch.stack([torch.randperm(len(classes), generator=generator) for _ in range(rounds)])
        drawn = order[:, : per_round * classes_per_batch].reshape(-1, classes_per_batch)[
            :num_batches
        ]  # (T, M)
        # the samples of each class, in their old order; one sort, however many classes there are
        members = torch.split(labels.argsort(stable=True), counts.tolist())
        self.table = torch.empty(num_batches, classes_per_batch, samples_per_class, dtype=torch.int64)
        visits = drawn.flatten().bincount(minlength=len(classes))
        places = torch.split(drawn.flatten().argsort(stable=True), visits.tolist())  # of each class, in order
        rows = self.table.flatten(0, 1)  # (T M, K), the same memory
        for own, place in zip(members, places, strict=True):
            rows[place] = _queue(own, len(place), samples_per_class, generator)
        self.table = self.table.flatten(1)

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, step: int) -> Tensor: ...
    @overload
    def __getitem__(self, step: slice) -> list[Tensor]: ...
    def __getitem__(self, step: int | slice) -> Tensor | list[Tensor]:
        return list(self.table[step]) if isinstance(step, slice) else self.table[step]


def _queue(own: Tensor, visits: int, size: int, generator: torch.Generator) -> Tensor:
    """`visits` rows of `size` samples, walking shuffled rounds of `own`; a row repeats only if `own` is too small."""
    per_round = max(1, len(own) // size)
    passes = -(-size // len(own))  # more than one only for short classes
    rows: list[Tensor] = []
    while len(rows) < visits:
        walk = torch.cat([own[torch.randperm(len(own), generator=generator)] for _ in range(passes)])
        rows.extend(walk[i * size : (i + 1) * size] for i in range(per_round))
    return torch.stack(rows[:visits]) if visits else own.new_empty(0, size)


class DisjointHalves(Sequence[tuple[Tensor, Tensor]]):
    """Pairs of batches `(first, second)` that share no class: what is fitted on one is tested on the other.

    Args and errors as `ClassBatches`; `classes_per_half` classes are in each half.

    Taught in notebook 03.
    """

    def __init__(
        self,
        labels: Tensor,
        classes_per_half: int,
        samples_per_class: int,
        num_batches: int,
        *,
        seed: int = 0,
    ):
        classes_per_half = as_int(classes_per_half, "classes_per_half")
        self.batches = ClassBatches(labels, 2 * classes_per_half, samples_per_class, num_batches, seed=seed)
        self.short_classes = self.batches.short_classes

    def __len__(self) -> int:
        return len(self.batches)

    @overload
    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]: ...
    @overload
    def __getitem__(self, step: slice) -> list[tuple[Tensor, Tensor]]: ...
    def __getitem__(self, step: int | slice) -> tuple[Tensor, Tensor] | list[tuple[Tensor, Tensor]]:
        if isinstance(step, slice):
            return [self[t] for t in range(len(self))[step]]
        first, second = self.batches[step].chunk(2)  # sorted by class, so the halves are disjoint
        return first, second
