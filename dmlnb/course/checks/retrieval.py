"""Checkers of notebook 00: R@1 in a gallery of its own, and R@1 block by block."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb.course.checks.core import Property, check
from dmlnb.retrieval import evaluate


def gallery_recall(attempt: Any = None) -> Callable:
    """Check `attempt(queries (Q, d), query_labels (Q,), gallery (N, d), gallery_labels (N,)) -> float`, unit rows.

    It is the share of queries whose nearest item of the gallery is of their class, among those that can be answered.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 00.
    """
    rows = torch.nn.functional.normalize(
        torch.randn(50, 6, generator=torch.Generator().manual_seed(0)), dim=1
    )
    return check(
        attempt,
        _gallery_recall,
        [
            Property(
                "the found item's label is one of the gallery's labels (here each query finds its class)",
                _sides([0, 90, 180], [0, 1, 2], [170, 10, 80], [2, 0, 1]),
                1.0,
            ),
            Property(
                "nothing is left out: item i of the gallery is not query i (here each is the only right answer)",
                _sides([0, 90], [0, 1], [1, 91], [0, 1]),
                1.0,
            ),
            Property(
                "a query whose class is not in the gallery has no right answer, and is not counted",
                _sides([0, 90], [0, 7], [5, 100], [0, 1]),
                1.0,
            ),
            Property(
                "it is a share of the queries, and each query counts the same",
                _sides([0, 5, 10, 120], [0, 0, 0, 1], [2, 118, 240], [0, 0, 1]),
                3 / 4,
            ),
            Property(
                "it is the share of queries that are answered right, on random embeddings",
                {
                    "queries": rows[:20],
                    "query_labels": torch.arange(20) % 5,
                    "gallery": rows[20:],
                    "gallery_labels": torch.arange(30) % 4,
                },
            ),
        ],
    )


def blockwise_recall(attempt: Any = None) -> Callable:
    """Check `attempt(embeddings (N, d) unit rows, labels (N,), block) -> float`: R@1, `block` queries at a time.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 00.
    """
    many = torch.nn.functional.normalize(
        torch.randn(40, 6, generator=torch.Generator().manual_seed(0)), dim=1
    )
    return check(
        attempt,
        _blockwise_recall,
        [
            Property(
                "the answer does not depend on the blocks: here all queries are in one (and all find their class)",
                {
                    "embeddings": _on_circle([0, 10, 90, 100]),
                    "labels": torch.tensor([0, 0, 1, 1]),
                    "block": 4,
                },
                1.0,
            ),
            Property(
                "neighbours are looked for among all images, not in the block alone (there none is a hit)",
                {
                    "embeddings": _on_circle([0, 90, 1, 91]),
                    "labels": torch.tensor([0, 1, 0, 1]),
                    "block": 2,
                },
                1.0,
            ),
            Property(
                "no query finds itself, in the second block either (here no other is a hit)",
                {
                    "embeddings": _on_circle([0, 10, 90, 100]),
                    "labels": torch.tensor([0, 1, 1, 0]),
                    "block": 2,
                },
                0.0,
            ),
            Property(
                "each query counts the same, also where the last block is shorter (here it holds the two misses)",
                {
                    "embeddings": _on_circle([0, 5, 10, 15, 100, 235]),
                    "labels": torch.tensor([0, 0, 0, 0, 1, 1]),
                    "block": 4,
                },
                4 / 6,
            ),
            Property(
                "a query is left out by its index: its duplicate is another image, and nearest",
                {
                    "embeddings": _on_circle([0, 0, 40, 41, 80, 81]),
                    "labels": torch.tensor([0, 1, 0, 0, 1, 1]),
                    "block": 3,
                },
                4 / 6,
            ),
            Property(
                "it is R@1, on random embeddings",
                {"embeddings": many, "labels": torch.arange(40) % 5, "block": 7},
            ),
        ],
    )


def _gallery_recall(queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor) -> float:
    report = evaluate(queries, query_labels, gallery=gallery, gallery_labels=gallery_labels, ks=(1,))
    return report.recall_at[1]


def _blockwise_recall(embeddings: Tensor, labels: Tensor, block: int) -> float:
    return evaluate(embeddings, labels, ks=(1,)).recall_at[1]  # it searches in blocks of its own


def _sides(queries: list, query_labels: list, gallery: list, gallery_labels: list) -> dict[str, Tensor]:
    return {
        "queries": _on_circle(queries),
        "query_labels": torch.tensor(query_labels),
        "gallery": _on_circle(gallery),
        "gallery_labels": torch.tensor(gallery_labels),
    }


def _on_circle(degrees: list[float]) -> Tensor:
    radians = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
    return torch.stack([radians.cos(), radians.sin()], dim=1)
