"""Exercises of notebook 00: Recall at 1, average precision at R, and two predictions."""

from collections.abc import Callable

import torch

from dmlnb.checks.core import Property, check, predict
from dmlnb.retrieval import evaluate


def _recall_at_1(embeddings, labels) -> float:
    return evaluate(embeddings, labels, ks=(1,)).recall_at[1]


def recall_at_1(attempt: Callable) -> Callable:
    """Check `attempt(embeddings (N, d) of unit length, labels (N,)) -> float`. Taught in notebook 00."""
    generator = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize(torch.randn(40, 3, generator=generator), dim=1)
    labels = torch.randint(0, 8, (40,), generator=generator).sort().values
    far = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]), dim=1)
    twins = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2], [1.0, 0.2], [0.9, 0.3], [-1, 0.1], [-1, 0.2]]), dim=1)
    return check(
        attempt,
        _recall_at_1,
        [
            Property("a query must not find itself", (far, torch.tensor([0, 1, 0, 1]))),
            Property("the nearest neighbour has the largest, not the smallest similarity", (far, torch.tensor([0, 0, 1, 1]))),
            Property("among duplicates, the query is excluded by index, not by rank", (twins, torch.tensor([0, 1, 0, 1, 1]))),
            Property("the share of hits among all queries", (unit, labels)),
        ],
    )


def _average_precision_at_r(hits) -> float:
    hits = torch.as_tensor(hits).double()
    return float((hits * hits.cumsum(0) / torch.arange(1, len(hits) + 1)).mean())


def average_precision_at_r(attempt: Callable) -> Callable:
    """Check `attempt(hits (R,) of bool, nearest first) -> float`. Taught in notebook 00."""
    patterns = {
        "only hits give 1": [1, 1, 1],
        "early hits count more than late ones": [0, 0, 1, 1],
        "precision is counted at ranks with a hit only": [1, 0, 1, 0],
        "the sum is divided by R, not by the number of hits": [1, 0, 0, 0],
        "no hit gives 0, not an error": [0, 0, 0],
    }
    return check(
        attempt,
        _average_precision_at_r,
        [Property(name, (torch.tensor(hits, dtype=torch.bool),)) for name, hits in patterns.items()],
    )


def predict_seen_classes(answer: str | None = None) -> None:
    """What happens to R@1 when the test images are of classes seen in training? Taught in notebook 00."""
    predict(
        {
            "higher": "the proxies have pulled these very classes together; only new classes show what carries over.",
            "lower": "training pulls the images of its classes together, so they are easier to retrieve than new ones.",
            "same": "it would be, if the embedding had learned nothing about its own classes in particular.",
        },
        "higher",
        answer,
    )


def predict_more_classes(answer: str | None = None) -> None:
    """What happens to R@1 when half of the test classes are left out? Taught in notebook 00."""
    predict(
        {
            "higher": "fewer wrong letters are in the race, so the same embedding looks better. Compare equal galleries only.",
            "lower": "the query keeps all its own relevant images and loses wrong ones; it cannot get harder.",
            "same": "the embedding is the same, but a gallery with fewer wrong letters offers fewer mistakes.",
        },
        "higher",
        answer,
    )
