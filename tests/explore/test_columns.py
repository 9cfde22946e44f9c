import numpy as np
import pytest
import torch

from dmlnb.explore.columns import Column, passes, read_column, require_rule


@pytest.mark.parametrize(
    "values", [[1, 2, 3], np.array([1, 2, 3], dtype=np.uint8), torch.tensor([1.0, 2.0, 3.0]).bfloat16()]
)
def test_numbers_stay_numbers(values):
    found = read_column(values, 3, "x")
    assert found.levels is None and found.values.dtype == np.float32 and found.values.tolist() == [1, 2, 3]


def test_gaps_among_numbers():
    found = read_column([1, None, float("nan"), 4.5], 4, "x")
    assert found.levels is None and np.array_equal(found.values, [1, np.nan, np.nan, 4.5], equal_nan=True)


def test_numbers_too_large_for_the_browser_are_its_largest():
    assert read_column([1e300, -1e300], 2, "x").values.tolist() == [np.inf, -np.inf]


def test_words_are_levels_the_most_frequent_first_and_gaps_have_none():
    found = read_column(["b", "a", None, "b", "", "c"], 6, "x")
    assert found.levels == ["b", "a", "c"]
    assert np.array_equal(found.values, [0, 1, np.nan, 0, np.nan, 2], equal_nan=True)
    assert read_column(["1", 2, "<b>"], 3, "x").levels == ["1", "2", "<b>"]


def test_a_mask_is_a_category():
    found = read_column(torch.tensor([True, False, True]), 3, "x")
    assert found.levels == ["yes", "no"] and found.values.tolist() == [0, 1, 0]


@pytest.mark.parametrize("values", [[1, 2], [[1], [2], [3]], 7])
def test_another_shape_is_named(values):
    with pytest.raises(ValueError, match=r"x: expected shape \(3,\)"):
        read_column(values, 3, "x")


def test_filters():
    numbers, words = read_column([1.0, 2.0, None, 0.1], 4, "x"), read_column(["a", "b", None, "a"], 4, "x")
    assert passes(numbers, None).all() and passes(words, None).all()
    assert passes(numbers, [1, 2]).tolist() == [True, True, False, False]
    assert passes(numbers, [float(np.float32(0.1)), 1]).tolist() == [True, False, False, True]
    assert passes(words, ["a"]).tolist() == [True, False, False, True]
    assert not passes(words, []).any()


@pytest.mark.parametrize("column, rule, words", [
    (Column(np.zeros(1)), [2, 1], "low <= high"), (Column(np.zeros(1)), [1], "low, high"),
    (Column(np.zeros(1)), ["a", "b"], "low, high"), (Column(np.zeros(1)), 3, "low, high"),
    (Column(np.zeros(1)), [float("nan"), 1], "low, high"), (None, [2, 1], "low <= high"),
    (Column(np.zeros(1), ["a"]), ["b"], "words of this column, got 'b'"),
    (Column(np.zeros(1), ["a"]), "a", "a list of words"),
])  # fmt: skip
def test_a_rule_that_is_none(column, rule, words):
    require_rule(column, None, "x")
    with pytest.raises(ValueError, match=r"filters\['x'\]: expected .*" + words):
        require_rule(column, rule, "x")
