"""Exact nearest neighbours with FAISS, and the measures of retrieval: R@k, P@R, MAP@R.

Queries are searched in blocks, sorted by how many neighbours they need, so memory stays that of the
embeddings and of one block; an N x N matrix is never formed. A query is excluded from its own answer by
index, never by rank: with duplicates the first answer may be another image. Among equal scores FAISS decides
the order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmlnb._inputs import require_embeddings, require_labels
from dmlnb.geometry import normalize

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


def _index(queries: Tensor, gallery: Tensor, metric: str):
    """FAISS index of the gallery, and the queries as rows for it, (Q, d) float32."""
    import faiss  # its own OpenMP: imported only where it is used

    if metric == "cosine":
        index, prepare = faiss.IndexFlatIP(gallery.shape[1]), normalize
    elif metric == "l2":
        # FAISS expands |a - b|^2, which rounds badly far from the origin: move the gallery's mean there
        origin = gallery.detach().double().mean(dim=0)
        index, prepare = faiss.IndexFlatL2(gallery.shape[1]), lambda v: v.double() - origin.to(v.device)
    else:
        raise ValueError(f"metric: expected 'cosine' or 'l2', got {metric!r}")
    items = _rows(prepare(_wide(gallery)))
    index.add(items)
    return index, items if queries is gallery else _rows(prepare(_wide(queries)))


def _wide(embeddings: Tensor) -> Tensor:
    return embeddings.detach().to(torch.promote_types(embeddings.dtype, torch.float32))


def _rows(embeddings: Tensor) -> np.ndarray:
    if embeddings.abs().amax() > 1e15:
        raise ValueError("embeddings, gallery: metric 'l2' expects coordinates below 1e15, got larger ones")
    return np.ascontiguousarray(embeddings.to("cpu", torch.float32).numpy())


def _search(index, queries: np.ndarray, own: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest gallery rows of each query; `own` are gallery rows that the queries are themselves."""
    if own is None:
        scores, found = index.search(queries, k)
        return found, scores
    scores, found = index.search(queries, k + 1)
    itself = found == own[:, None]  # (Q, k + 1)
    itself[~itself.any(axis=1), -1] = True  # pushed out by k + 1 duplicates: drop the last instead
    keep = ~itself
    return found[keep].reshape(-1, k), scores[keep].reshape(-1, k)


def nearest(
    queries: Tensor, gallery: Tensor | None = None, *, k: int = 8, metric: str = "cosine"
) -> tuple[Tensor, Tensor]:
    """The k nearest neighbours of each query, exactly.

    Args:
        queries: `(Q, d)`.
        gallery: `(N, d)`; None searches among the queries themselves, each without itself.
        k: neighbours wanted, at most N (N - 1 without a gallery).
        metric: `"cosine"` or `"l2"`.

    Returns:
        `(Q, k)` int64 indices into the gallery, nearest first, and `(Q, k)` float32 scores: the cosine,
        or squared Euclidean distance, rounded as float32 at the spread of the gallery. Both on the CPU.

    Raises:
        ValueError: for bad shapes, NaN, an unknown metric, or k out of range.

    Source: FAISS flat index [johnson2019faiss]. Taught in notebook 00.
    """
    require_embeddings(queries, "queries")
    own = np.arange(len(queries)) if gallery is None else None
    gallery = queries if gallery is None else gallery
    _require_gallery(queries, gallery)
    most = len(gallery) - (own is not None)
    if not 1 <= k <= most:
        raise ValueError(f"k: expected 1 .. {most}, got {k}")
    index, rows = _index(queries, gallery, metric)
    found, scores = _search(index, rows, own, k)
    return torch.from_numpy(found), torch.from_numpy(scores)


def evaluate(
    embeddings: Tensor,
    labels: Tensor,
    *,
    gallery: Tensor | None = None,
    gallery_labels: Tensor | None = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    metric: str = "cosine",
) -> RetrievalReport:
    """Measure retrieval: every embedding is a query, against all others or against a gallery.

    $$ \\mathrm{MAP@R} = \\frac1Q \\sum_q \\frac1{R_q} \\sum_{i=1}^{R_q} P_q(i)\\, [\\text{i-th is a hit}] $$

    where $P_q(i)$ is the share of hits among the first i neighbours.

    Args:
        embeddings: `(N, d)` queries.
        labels: `(N,)` integers >= 0.
        gallery: `(M, d)` to search in; None searches among the queries, each without itself.
        gallery_labels: `(M,)`.
        ks: the k of R@k; a k beyond the gallery counts the whole gallery.
        metric: `"cosine"` (embeddings are normalised here) or `"l2"`.

    Returns:
        A `RetrievalReport`. Queries without a relevant item are skipped and counted in `num_skipped`.

    Raises:
        ValueError: for bad shapes, NaN, labels that do not fit, k < 1, or when no query has a relevant item.

    Source: R@k and MAP@R as in [musgrave2020reality]. Taught in notebook 00.
    """
    require_embeddings(embeddings)
    require_labels(labels, len(embeddings))
    if (gallery is None) != (gallery_labels is None):
        raise ValueError("gallery, gallery_labels: expected both or neither")
    if not ks or min(ks) < 1:
        raise ValueError(f"ks: expected numbers >= 1, got {tuple(ks)}")
    alone = gallery is None
    if not alone:
        require_labels(gallery_labels, len(gallery), name="gallery_labels")
    gallery, gallery_labels = (embeddings, labels) if alone else (gallery, gallery_labels)
    _require_gallery(embeddings, gallery)

    query_labels, item_labels = labels.cpu().numpy(), gallery_labels.cpu().numpy()
    classes, counts = np.unique(item_labels, return_counts=True)
    place = np.searchsorted(classes, query_labels).clip(max=len(classes) - 1)
    relevant = np.where(classes[place] == query_labels, counts[place], 0) - alone  # R of each query, (N,)
    asked = np.flatnonzero(relevant > 0)
    if len(asked) == 0:
        raise ValueError("labels: expected at least one query with a relevant item, got none")
    asked = asked[np.argsort(relevant[asked], kind="stable")]  # queries that need few neighbours come first

    index, rows = _index(embeddings, gallery, metric)
    most = len(gallery) - alone
    recalled = dict.fromkeys(ks, 0)
    average_precision = precision = 0.0
    start = 0
    while start < len(asked):
        stop = start + 1
        for _ in range(2):  # first by the depth of the first query, then by that of the last: the deepest
            depth = min(most, max(max(ks), int(relevant[asked[min(stop, len(asked)) - 1]])))
            stop = start + max(1, min(2048, _BLOCK // depth))
        block = asked[start:stop]
        start = stop
        found, _ = _search(index, rows[block], block if alone else None, depth)
        hits = item_labels[found] == query_labels[block, None]  # (Q, depth)
        for k in ks:
            recalled[k] += int(hits[:, :k].any(axis=1).sum())
        rank = np.arange(1, depth + 1)
        r = relevant[block]  # (Q,)
        within = hits & (rank <= r[:, None])  # (Q, depth)
        average_precision += float(((np.cumsum(within, axis=1) / rank * within).sum(axis=1) / r).sum())
        precision += float((within.sum(axis=1) / r).sum())
    asked_count = len(asked)
    return RetrievalReport(
        recall_at={k: recalled[k] / asked_count for k in ks},
        map_at_r=average_precision / asked_count,
        precision_at_r=precision / asked_count,
        num_queries=asked_count,
        num_skipped=len(embeddings) - asked_count,
    )


def _require_gallery(queries: Tensor, gallery: Tensor) -> None:
    require_embeddings(gallery, "gallery")
    if gallery.shape[1] != queries.shape[1]:
        raise ValueError(
            f"gallery: expected {queries.shape[1]} coordinates as the queries, got {gallery.shape[1]}"
        )
