"""Exercises of notebook 01: average pooling, histograms over prototypes, the cover radius, and a prediction."""

from collections.abc import Callable

import torch

from dmlnb import geometry, pooling
from dmlnb.checks.core import Property, check, predict


def _tensors(*shapes: tuple[int, ...]) -> tuple:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(*shape, generator=generator) for shape in shapes)


def gap(attempt: Callable) -> Callable:
    """Check `attempt(features (B, d, H, W)) -> (B, d)`. Taught in notebook 01."""
    return check(
        attempt,
        pooling.GlobalAveragePooling(),
        [
            Property("one vector of d channels an image", _tensors((2, 3, 4, 5))),
            Property("a constant map is its own average", (torch.full((2, 3, 4, 4), 7.0),)),
            Property("height and width need not be equal", _tensors((1, 2, 3, 7))),
        ],
    )


def _hard(tokens, prototypes):
    return pooling.hard_histogram(tokens[None], prototypes, cost="euclidean")[0]


def hard_histogram(attempt: Callable) -> Callable:
    """Check `attempt(tokens (n, d), prototypes (m, d)) -> (m,)`, nearest prototype. Taught in notebook 01."""
    unequal = torch.tensor([[0.1, 0.0], [1.0, 0.0], [0.2, 0.1]]), torch.tensor([[0.1, 0.0], [2.0, 0.0]])
    empty = torch.tensor([[0.0, 0.0], [0.1, 0.0]]), torch.tensor([[0.0, 0.0], [0.05, 5.0], [9.0, 9.0]])
    return check(
        attempt,
        _hard,
        [
            Property("one share a prototype, also for a prototype that wins nothing", empty),
            Property("nearest means smallest distance, not largest inner product", unequal),
            Property("shares sum to 1", _tensors((50, 4), (6, 4))),
        ],
    )


def _soft(tokens, prototypes, sharpness):
    return pooling.soft_histogram(tokens[None], prototypes, sharpness, cost="euclidean")[0]


def soft_histogram(attempt: Callable) -> Callable:
    """Check `attempt(tokens (n, d), prototypes (m, d), sharpness) -> (m,)`, by distance. Taught in notebook 01."""
    tokens, prototypes = _tensors((30, 4), (5, 4))
    return check(
        attempt,
        _soft,
        [
            Property("sharpness 0 gives equal shares 1/m", (tokens, prototypes, 0.0)),
            Property("the softmax runs over prototypes, then the mean over tokens", (tokens, prototypes, 1.0)),
            Property("a nearer prototype gets more: minus the distance", (tokens[:1], prototypes, 2.0)),
            Property("the sharpness multiplies the distance", (tokens, prototypes, 7.0)),
        ],
    )


def cover_radius(attempt: Callable) -> Callable:
    """Check `attempt(points (n, d), centres (m, d)) -> scalar`. Taught in notebook 01."""
    line = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[0.0], [1.0]])
    return check(
        attempt,
        geometry.cover_radius,
        [
            Property("the worst point counts, at the distance of its nearest centre", line),
            Property("distances are not squared", (torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))),
            Property("a centre that covers nothing does no harm", (torch.zeros(2, 2), torch.tensor([[0.0, 1.0], [50.0, 0.0]]))),
            Property("any numbers of points and centres", _tensors((40, 3), (7, 3))),
        ],
    )


def predict_bound(answer: str | None = None) -> None:
    """Half the cover radius: what of the error? Taught in notebook 01."""
    predict(
        {
            "halves": "the bound halves; the error is usually far below it and follows its own way.",
            "may even grow": "only the bound is smaller. Differences that used to cancel may no longer do so.",
            "shrinks, by an unknown factor": "not always: it may also grow, as long as it stays below the new bound.",
        },
        "may even grow",
        answer,
    )
