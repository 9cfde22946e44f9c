import functools
import math

import pytest

from studies import cross_batch


@pytest.fixture(autouse=True)
def tiny(monkeypatch, few_letters):
    monkeypatch.setattr(cross_batch, "Glyphs", few_letters)
    monkeypatch.setattr(cross_batch, "STEPS", 2)
    monkeypatch.setattr(cross_batch, "SEARCH_STEPS", 2)
    recipe = functools.partial(cross_batch.glyph_with_attributes, train_set=few_letters())
    monkeypatch.setattr(cross_batch, "glyph_with_attributes", recipe)
    monkeypatch.setattr(cross_batch, "KMeans", functools.partial(cross_batch.KMeans, max_iter=2))


@pytest.mark.parametrize("method", ["GAP", "XML"])
def test_two_steps(check_row, method):
    check_row("cross_batch", method, cross_batch.run(method, 0))


@pytest.mark.parametrize("method", ["same-batch classifier", "GSP, zero-shot loss"])
def test_two_steps_of_training(method):
    _, history = cross_batch.fit(cross_batch.METHODS[method], 0, 2)
    assert all(math.isfinite(entry["loss"]) for entry in history) and len(history) == 2


def test_two_steps_of_the_search():
    row = cross_batch.run_search("16 prototypes", 0)
    assert {"map_at_r", "zero_shot_accuracy", "loss"} <= row.keys()
