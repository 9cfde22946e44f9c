"""Pools of candidates: random samples of every class, as many of each."""

import torch
from torch import Tensor

from dmlnb._inputs import as_int, require_labels


class ClassPools:
    """Draws b random samples of each class; a class with fewer than b repeats all of them.

    A pool is a function of the seed and its number, so that an interrupted training draws the same ones again.

    Args:
        labels: `(N,)` of the samples; every class 0 .. C - 1 occurs.
        classes: C.
        size: b.
        seed: of all pools.

    Raises:
        ValueError: for labels out of range, a class without samples, or a seed below 0.
    """

    def __init__(self, labels: Tensor, classes: int, size: int, seed: int = 0):
        require_labels(labels, len(labels), classes)
        self.labels = labels.cpu()
        self.size, self.seed = size, as_int(seed, "seed", least=0)
        self.counts = torch.bincount(self.labels, minlength=classes)  # (C,)
        if self.counts.min() == 0:
            raise ValueError(f"labels: class {int(self.counts.argmin())} of {classes} has no sample")

    def draw(self, number: int) -> Tensor:
        """Indices `(C, b)` of pool `number`, an integer >= 0."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        shuffled = torch.randperm(len(self.labels), generator=generator)
        grouped = shuffled[self.labels[shuffled].argsort(stable=True)]  # class after class, random inside
        first = self.counts.cumsum(0) - self.counts  # (C,)
        return grouped[first[:, None] + torch.arange(self.size) % self.counts[:, None]]
