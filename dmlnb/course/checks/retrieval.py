"""Checkers of notebook 00: R@1 and the average precision at R."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb.course.checks.core import Property, check
from dmlnb.retrieval import evaluate


def recall_at_1(attempt: Any = None) -> Callable:
    """Check `attempt(embeddings (N, d) unit rows, labels (N,)) -> float`, the share of queries whose nearest is a hit.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 00.
    """
    ring = _on_circle([0, 10, 90, 100])
    many = torch.nn.functional.normalize(
        torch.randn(40, 6, generator=torch.Generator().manual_seed(0)), dim=1
    )
    return check(
        attempt,
        _recall_at_1,
        [
            Property(
                "a query must not find itself: it is left out (here no other is a hit)",
                {"embeddings": ring, "labels": torch.tensor([0, 1, 1, 2])},
                0.0,
            ),
            Property(
                "it is a share in 0 .. 1, no count and no percentage (here every query has a hit)",
                {"embeddings": ring, "labels": torch.tensor([0, 0, 0, 0])},
                1.0,
            ),
            Property(
                "the nearest neighbour has the largest, not the smallest inner product (here always a hit)",
                {"embeddings": ring, "labels": torch.tensor([0, 0, 1, 1])},
                1.0,
            ),
            Property(
                "a query is left out by index, not by rank or similarity: its duplicate is another image, and nearest",
                {
                    "embeddings": _on_circle([0, 0, 40, 41, 80, 81]),
                    "labels": torch.tensor([0, 1, 0, 0, 1, 1]),
                },
                4 / 6,
            ),
            Property(
                "it is the share of hits among all queries: each counts the same, in a large class or a small one",
                {
                    "embeddings": _on_circle([0, 5, 10, 15, 20, 25, 120, 250]),
                    "labels": torch.tensor([0] * 6 + [1, 1]),
                },
                6 / 8,
            ),
            Property(
                "it is the share of queries with a hit, on random embeddings",
                {"embeddings": many, "labels": torch.arange(40) % 5},
            ),
        ],
    )


def average_precision_at_r(attempt: Any = None) -> Callable:
    """Check `attempt(hits (R,) bool) -> float`: the mean over ranks i = 1 .. R of hit_i times precision at i.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 00.
    """
    return check(
        attempt,
        _average_precision_at_r,
        [
            Property("only hits give 1", {"hits": torch.tensor([True, True, True])}, 1.0),
            Property(
                "the precisions are summed over ranks with a hit, and the sum is divided by R, not by the hits",
                {"hits": torch.tensor([True, False, False, False])},
                1 / 4,
            ),
            Property(
                "early hits count more than late ones: the precision at a late rank is smaller",
                {"hits": torch.tensor([False, False, True])},
                1 / 9,
            ),
            Property("no hit gives 0, not NaN", {"hits": torch.tensor([False, False])}, 0.0),
            Property(
                "it is the mean of hit times precision over the ranks",
                {"hits": torch.tensor([False, True, True, False, True, True, False])},
            ),
        ],
    )


def _recall_at_1(embeddings: Tensor, labels: Tensor) -> float:
    return evaluate(embeddings, labels, ks=(1,)).recall_at[1]


def _average_precision_at_r(hits: Tensor) -> float:
    hits = hits.double()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)  # (R,) at each rank
    return float((hits * precision).mean())


def _on_circle(degrees: list[float]) -> Tensor:
    radians = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
    return torch.stack([radians.cos(), radians.sin()], dim=1)
