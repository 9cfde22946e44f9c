"""Exact nearest neighbours, and the measures of retrieval: R@k, P@R, MAP@R.

Queries are searched in blocks, sorted by how many neighbours they need, so memory stays that of the
embeddings and of one block; an N x N matrix is never formed. A query is excluded from its own answer by
index, never by rank: with duplicates the first answer may be another image.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dmlnb.retrieval.arguments import as_count, as_embeddings, as_labels, as_own, require_metric
from dmlnb.retrieval.search import ExactSearch

_BLOCK = 1 << 22  # numbers in one block of answers (queries times neighbours): 32 MiB of indices


@dataclass(frozen=True)
class RetrievalReport:
    """What `evaluate` measures; all shares in 0 .. 1.

    Attributes:
        recall_at: for each k, the share of queries with a hit among their first k neighbours.
        map_at_r: mean average precision among the first R neighbours, R = number of relevant items.
        precision_at_r: share of hits among the first R neighbours.
        num_queries: queries that were counted.
        num_skipped: queries without any relevant item; they are not counted.
    """

    recall_at: dict[int, float]
    map_at_r: float
    precision_at_r: float
    num_queries: int
    num_skipped: int


def nearest(
    queries: Tensor | ArrayLike,
    gallery: Tensor | ArrayLike | None = None,
    *,
    k: int = 8,
    metric: str = "cosine",
    own: Tensor | ArrayLike | None = None,
) -> tuple[Tensor, Tensor]:
    """The k nearest neighbours of each query, exactly: in the order of float64, equal ones by their index.

    Args:
        queries: `(Q, d)`; a tensor, an array or a list of rows.
        gallery: `(N, d)`; None searches among the queries themselves, each without itself.
        k: neighbours wanted, at most N (N - 1 where something is left out).
        metric: `"cosine"` or `"l2"`.
        own: `(Q,)` integers, for a gallery that holds the queries: the row that each query is itself, which is left
            out of its answer; -1 for a query that is not in the gallery.

    Returns:
        `(Q, k)` int64 indices into the gallery, nearest first, and `(Q, k)` float64 scores: the cosine,
        or the squared Euclidean distance. Both on the CPU.

    Raises:
        ValueError: for bad shapes, NaN, an unknown metric, `own` without a gallery or out of range, or k out of range.

    Source: exhaustive search, as a flat index of FAISS [johnson2019faiss]. Taught in notebook 00.
    """
    queries, gallery, own = _sides(queries, gallery, own, metric, "queries")
    k = as_count(k, "k", len(gallery) - _leaves_out(own))
    found, scores = ExactSearch(gallery, metric)(queries, k, own)
    return torch.from_numpy(found), torch.from_numpy(scores)


def evaluate(
    embeddings: Tensor | ArrayLike,
    labels: Tensor | ArrayLike,
    *,
    gallery: Tensor | ArrayLike | None = None,
    gallery_labels: Tensor | ArrayLike | None = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    metric: str = "cosine",
    own: Tensor | ArrayLike | None = None,
) -> RetrievalReport:
    """Measure retrieval: every embedding is a query, against all others or against a gallery.

    $$ \\mathrm{MAP@R} = \\frac1Q \\sum_q \\frac1{R_q} \\sum_{i=1}^{R_q} P_q(i)\\, [\\text{i-th is a hit}] $$

    where $P_q(i)$ is the share of hits among the first i neighbours.

    Args:
        embeddings: `(N, d)` queries; a tensor, an array or a list of rows.
        labels: `(N,)` integers >= 0, of any width.
        gallery: `(M, d)` to search in; None searches among the queries, each without itself.
        gallery_labels: `(M,)`.
        ks: the k of R@k; a k beyond the gallery counts the whole gallery, a k named twice counts once.
        metric: `"cosine"` (embeddings are normalised here) or `"l2"`.
        own: as in `nearest`; without it, a gallery that holds the queries answers each with itself.

    Returns:
        A `RetrievalReport`. Queries without a relevant item are skipped and counted in `num_skipped`.

    Raises:
        ValueError: for bad shapes, NaN, labels that do not fit, k < 1, or when no query has a relevant item.

    Source: R@k and MAP@R as in [musgrave2020reality]. Taught in notebook 00.
    """
    if (gallery is None) != (gallery_labels is None):
        raise ValueError("gallery, gallery_labels: expected both or neither")
    alone = gallery is None
    embeddings, gallery, own = _sides(embeddings, gallery, own, metric, "embeddings")
    query_labels = as_labels(labels, len(embeddings)).numpy()
    item_labels = query_labels if alone else as_labels(gallery_labels, len(gallery), "gallery_labels").numpy()
    return report_of(ExactSearch(gallery, metric), embeddings, query_labels, item_labels, own, ks)


def report_of(
    search: Callable,
    embeddings: Tensor,
    query_labels: np.ndarray,
    item_labels: np.ndarray,
    own: np.ndarray | None,
    ks: Sequence[int],
) -> RetrievalReport:
    """The report of queries `(N, d)` against what a search was made for; see `evaluate`.

    Args:
        search: `(queries (Q, d), k, own (Q,) or None, scores=False) -> (rows (Q, k), None)`, as `ExactSearch`.
        embeddings, own, ks: as in `evaluate`.
        query_labels, item_labels: `(N,)`, `(M,)`.
    """
    if not isinstance(ks, Iterable):
        raise ValueError(f"ks: expected several numbers >= 1, such as (1, 2, 4, 8), got {ks!r}")
    recalled = dict.fromkeys((as_count(k, "ks") for k in ks), 0)
    if not recalled:
        raise ValueError("ks: expected at least one number >= 1, got none")

    classes, counts = np.unique(item_labels, return_counts=True)
    place = np.searchsorted(classes, query_labels).clip(max=len(classes) - 1)
    relevant = np.where(classes[place] == query_labels, counts[place], 0)  # R of each query, (N,)
    if own is not None:
        relevant -= (own >= 0) & (item_labels[own] == query_labels)
    asked = np.flatnonzero(relevant > 0)
    if len(asked) == 0:
        raise ValueError("labels: expected at least one query with a relevant item, got none")
    asked = asked[np.argsort(relevant[asked], kind="stable")]  # queries that need few neighbours come first

    most = len(item_labels) - _leaves_out(own)
    average_precision = precision = 0.0
    start = 0
    while start < len(asked):
        stop = start + 1
        for _ in range(2):  # first by the depth of the first query, then by that of the last: the deepest
            depth = min(most, max(max(recalled), int(relevant[asked[min(stop, len(asked)) - 1]])))
            stop = start + max(1, min(2048, _BLOCK // depth))
        block = asked[start:stop]
        start = stop
        found, _ = search(embeddings[block], depth, None if own is None else own[block], scores=False)
        hits = item_labels[found] == query_labels[block, None]  # (Q, depth)
        for k in recalled:
            recalled[k] += int(hits[:, :k].any(axis=1).sum())
        rank = np.arange(1, depth + 1)
        r = relevant[block]  # (Q,)
        within = hits & (rank <= r[:, None])  # (Q, depth)
        average_precision += float(((np.cumsum(within, axis=1) / rank * within).sum(axis=1) / r).sum())
        precision += float((within.sum(axis=1) / r).sum())
    asked_count = len(asked)
    return RetrievalReport(
        recall_at={k: hits / asked_count for k, hits in recalled.items()},
        map_at_r=average_precision / asked_count,
        precision_at_r=precision / asked_count,
        num_queries=asked_count,
        num_skipped=len(embeddings) - asked_count,
    )


def _sides(
    queries: object, gallery: object, own: object, metric: str, name: str
) -> tuple[Tensor, Tensor, np.ndarray | None]:
    """Queries, gallery and the gallery row that each query is, checked; without a gallery the queries are it."""
    require_metric(metric)
    queries = as_embeddings(queries, name)
    if gallery is not None:
        gallery = as_embeddings(gallery, "gallery", queries.shape[1])
        return queries, gallery, None if own is None else as_own(own, len(queries), len(gallery))
    if own is not None:
        raise ValueError(
            "own: expected None without a gallery, where each query is left out of its own answer"
        )
    return queries, queries, np.arange(len(queries))


def _leaves_out(own: np.ndarray | None) -> bool:
    return own is not None and bool((own >= 0).any())
