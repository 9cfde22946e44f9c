import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmlnb.retrieval import choose_threshold


def slow(scores, correct, precision):
    """Every score as the cut-off, and no other."""
    best = None
    for t in set(scores):
        given = [c for s, c in zip(scores, correct, strict=True) if s >= t]
        if sum(given) / len(given) >= precision and (best is None or len(given) > best[2] * len(scores)):
            best = (t, sum(given) / len(given), len(given) / len(scores))
    return best


@given(
    pairs=st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=25),
    precision=st.sampled_from([0.1, 0.5, 0.75, 1.0]),
)
def test_equals_a_slow_loop(pairs, precision):
    scores, correct = [float(s) for s, _ in pairs], [c for _, c in pairs]
    expected = slow(scores, correct, precision)
    if expected is None:
        with pytest.raises(ValueError, match="precision: expected at most"):
            choose_threshold(scores, correct, precision)
    else:
        assert choose_threshold(torch.tensor(scores), torch.tensor(correct), precision) == pytest.approx(
            expected
        )
        distances = choose_threshold(-np.array(scores), np.array(correct), precision, metric="l2")
        assert (-distances.score, *distances[1:]) == pytest.approx(expected)


def test_by_hand():
    scores, correct = [0.9, 0.8, 0.7, 0.6, 0.5], [True, True, False, True, False]
    assert choose_threshold(scores, correct, 0.75) == pytest.approx((0.6, 0.75, 0.8))
    assert choose_threshold(scores, correct, 1.0) == pytest.approx((0.8, 1.0, 0.4))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([], []), "scores"),
        (([1.0, float("nan")], [True, True]), "scores"),
        (([1.0], [True, True]), "correct"),
        (([1.0], [1]), "correct"),
        (([1.0], [True], 0), "precision"),
        (([1.0], [True], 1.1), "precision"),
        (([1.0], [False]), "precision: expected at most 0.0000"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        choose_threshold(*arguments)
    with pytest.raises(ValueError, match="metric"):
        choose_threshold([1.0], [True], metric="dot")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int64, np.float32])
def test_a_score_of_zero_is_the_lowest_in_any_dtype(dtype):
    scores, correct = np.array([0, 200, 150, 100], dtype), np.array([False, True, True, True])
    assert choose_threshold(scores, correct, 0.9) == (100.0, 1.0, 0.75)
    assert all(type(number) is float for number in choose_threshold(scores, correct, 0.7))
