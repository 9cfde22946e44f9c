"""Two steps of each study on a handful of letters: its rows have the keys of the stored ones, and finite numbers."""

import functools
import math

import pytest

from dmlnb.course import results
from dmlnb.data import Glyphs, cyrillic_letters


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
