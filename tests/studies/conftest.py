"""Two steps of each study on a handful of letters: its rows have the keys of the stored ones, and finite numbers."""

import functools
import math

import pytest
import torch

from dmlnb.course import results
from dmlnb.data import Glyphs, cyrillic_letters
from studies import photographs, stored


@functools.cache
def drawn(split, per_class, **options):
    return Glyphs(split, per_class=per_class, **options)


def few(split="train", per_class=None, **options):
    """`Glyphs` with two images of each class, or four where the study asks for a number."""
    return drawn(split, 4 if per_class else 2, **options)


@pytest.fixture
def few_letters():
    return few


@functools.cache
def four_of_each(seed):
    return cyrillic_letters(4, seed=seed)


@pytest.fixture
def few_cyrillic():
    return lambda per_class=100, *, seed=0: four_of_each(seed)


@pytest.fixture
def check_row():
    """`check_row(study, method, row)`: the keys are those of the stored rows, all numbers are finite."""

    def check(study, method, row):
        stored = results.load(study)["runs"][method][0]
        assert row.keys() == stored.keys() - {"seed", "seconds"}, method
        numbers = [v for value in row.values() for v in (value if isinstance(value, list) else [value])]
        assert numbers and all(math.isfinite(number) for number in numbers), method

    return check


@pytest.fixture
def few_birds(monkeypatch, tmp_path):
    """`few_birds(study)`: four maps of each of ten species per part, two steps; gives the folder of searches."""
    parts = {"train": (0, 10), "validation": (10, 20), "test": (20, 30)}
    labels = {
        split: torch.arange(low, high).repeat_interleave(4) - low for split, (low, high) in parts.items()
    }
    maps = {split: torch.randn(len(y), 6, 3, 3) for split, y in labels.items()}
    mean = {split: values.mean(dim=(2, 3), keepdim=True) for split, values in maps.items()}

    def shrink(study):
        for place in (photographs, study):
            for name, value in {
                "SPECIES": parts,
                "STEPS": 2,
                "EVERY": 1,
                "birds": lambda path="": (maps, labels),
                "averaged": lambda path="": (mean, labels),
                "mirrored_train": lambda path="": mean["train"].flip(1),
                "ClassBatches": lambda y, classes, each, steps, seed: [torch.arange(len(y))] * steps,
            }.items():
                if hasattr(place, name):
                    monkeypatch.setattr(place, name, value)
        monkeypatch.setattr(stored, "FINISHED", tmp_path)
        return tmp_path

    return shrink
