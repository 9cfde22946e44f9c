"""Checkers of notebook 10: classes held out, and the cut-off for "unknown"."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb.course.checks.core import Property, check
from dmlnb.retrieval import choose_threshold


def held_out(attempt: Any = None) -> Callable:
    """Check `attempt(labels (N,), share) -> (N,) bool`: the rows of the last `share` of the classes.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 10.
    """
    even, uneven = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]), torch.tensor([5, 5, 5, 5, 5, 5, 9, 40, 41, 9])
    mixed = torch.tensor([3, 0, 2, 1, 0, 3, 1, 2])
    return check(
        attempt,
        _held_out,
        [
            Property("one answer for each row: (N,) → (N,)", {"labels": even, "share": 0.5}, only_shape=True),
            Property("the last classes are held out", {"labels": even, "share": 0.5}),
            Property(
                "rows stand in any order; all rows of a class go together", {"labels": mixed, "share": 0.5}
            ),
            Property("a share of the classes, however many rows they have", {"labels": uneven, "share": 0.5}),
            Property("a share of the classes, whatever their numbers are", {"labels": uneven, "share": 0.25}),
        ],
    )


def cut_off(attempt: Any = None) -> Callable:
    """Check `attempt(scores (N,), correct (N,) bool, precision) -> float`: the lowest score to answer from.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 10.
    """
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])
    shuffled = torch.tensor([3, 0, 1, 4, 2])
    late = torch.tensor([True, False, True, True, False])
    return check(
        attempt,
        _cut_off,
        [
            Property(
                "with all answers right, all are given",
                {"scores": scores, "correct": torch.ones(5, dtype=torch.bool), "precision": 0.9},
            ),
            Property(
                "an answer counts when its score is this good or better: of these, the wanted share is right",
                {
                    "scores": scores,
                    "correct": torch.tensor([True, True, False, False, False]),
                    "precision": 0.6,
                },
            ),
            Property(
                "the precision may dip and come back: the lowest score that reaches it counts",
                {"scores": scores, "correct": late, "precision": 0.75},
            ),
            Property(
                "scores come in any order",
                {"scores": scores[shuffled], "correct": late[shuffled], "precision": 0.75},
            ),
            Property(
                "equal scores are answered together or not at all",
                {
                    "scores": torch.tensor([0.9, 0.5, 0.5, 0.5]),
                    "correct": torch.tensor([True, True, False, False]),
                    "precision": 0.9,
                },
            ),
        ],
    )


def _held_out(labels: Tensor, share: float) -> Tensor:
    classes = labels.unique()
    return torch.isin(labels, classes[len(classes) - round(share * len(classes)) :])


def _cut_off(scores: Tensor, correct: Tensor, precision: float) -> float:
    return choose_threshold(scores, correct, precision).score
