"""A gallery in parts, one on each of several processes: each searches its part, all have the answer of the whole.

The parts stand in the order of the ranks: rows are numbered through, those of rank 0 first. Alone, the part is the
whole.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dmlnb._ranks import from_all_ranks, of_all_ranks, one_message, ranks
from dmlnb.retrieval.arguments import as_count, as_embeddings, as_labels, as_own, require_metric
from dmlnb.retrieval.report import RetrievalReport, report_of
from dmlnb.retrieval.search import ExactSearch

_BLOCK = 1 << 22  # numbers in one block of answers, of all ranks together


class ShardedSearch:
    """`ExactSearch` of all ranks' rows; built, and called with the same queries, on all ranks.

    Distances are measured from the mean of all rows, so they are the same numbers as in one index.

    Args:
        part: `(n_r, d)`, this rank's rows of the gallery, one at least.
        metric: `"cosine"` or `"l2"`.
    """

    def __init__(self, part: Tensor, metric: str):
        sizes = of_all_ranks(len(part))
        rank, _ = ranks()
        self.first, self.size = (
            sum(sizes[:rank]),
            sum(sizes),
        )  # the number of the first row here, and of all rows

        def mean(rows: np.ndarray) -> np.ndarray:
            sums = from_all_ranks(torch.from_numpy(rows.sum(axis=0, keepdims=True)))  # (W, d)
            return sums.numpy().sum(axis=0) / self.size

        self.search = ExactSearch(part, metric, mean)

    def __len__(self) -> int:
        return self.size

    def __call__(
        self, queries: Tensor, k: int, own: np.ndarray | None = None, *, scores: bool = True
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """As `ExactSearch`, with the numbers that rows have in the whole."""
        own = own if own is not None and (own >= 0).any() else None
        here = min(k + (own is not None), len(self.search))
        step = max(1, _BLOCK // (ranks()[1] * (k + 1)))
        blocks = [
            self._merged(
                queries[start : start + step], k, here, None if own is None else own[start : start + step]
            )
            for start in range(0, len(queries), step)
        ]
        found, squares = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return found, self.search.scores(queries, squares) if scores else None

    def _merged(self, queries, k, here, own) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of each rank's `here` nearest, and their squared distances."""
        found, squares = self.search.neighbours(queries, here)
        found += self.first
        found, squares = (from_all_ranks(torch.from_numpy(a.T)).numpy().T for a in (found, squares))
        found, squares = self.search.in_order(queries, found, squares)
        if own is not None:
            keep = found != own[:, None]
            keep[keep.all(axis=1), -1] = False  # where it is not among them, drop the last instead
            found, squares = (a[keep].reshape(len(a), -1) for a in (found, squares))
        return found[:, :k], squares[:, :k]


@one_message()
def nearest_in_shards(
    queries: Tensor, part: Tensor, *, k: int = 8, metric: str = "cosine", own: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`dmlnb.retrieval.nearest` in a gallery of which each process holds a part.

    Args:
        queries: `(Q, d)`, the same on all ranks.
        part: `(n_r, d)`, this rank's part of the gallery; ranks may have parts of different sizes, none may be empty.
        k: neighbours wanted, at most the rows of all parts (less one where something is left out).
        metric: `"cosine"` or `"l2"`.
        own: `(Q,)`: the row, counted through all parts, that each query is itself and that is left out; -1 for none.

    Returns:
        `(Q, k)` rows, counted through all parts, and `(Q, k)` float64 scores; the same on all ranks.

    Raises:
        ValueError: as `nearest`; on the first rank that finds it, the others end.
        ConnectionError: if another process has ended or does not answer.
    """
    require_metric(metric)
    queries = as_embeddings(queries, "queries")
    part = as_embeddings(part, "part", queries.shape[1])
    search = ShardedSearch(part, metric)
    own = None if own is None else as_own(own, len(queries), len(search))
    k = as_count(k, "k", len(search) - (own is not None and bool((own >= 0).any())))
    found, scores = search(queries, k, own)
    return torch.from_numpy(found.copy()), torch.from_numpy(scores)


@one_message()
def evaluate_shards(
    embeddings: Tensor,
    labels: Tensor,
    *,
    gallery: Tensor | None = None,
    gallery_labels: Tensor | None = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    metric: str = "cosine",
) -> RetrievalReport:
    """`dmlnb.retrieval.evaluate` where each process holds a part of the queries and of the gallery.

    All ranks get all queries; what takes memory and time, the gallery made ready and its search, stays in parts.

    Args:
        embeddings: `(n_r, d)`, this rank's queries.
        labels: `(n_r,)`.
        gallery: `(m_r, d)`, this rank's part of the gallery; None searches among the queries, each without itself.
        gallery_labels: `(m_r,)`.
        ks, metric: as in `evaluate`.

    Returns:
        The report of the whole, the same on all ranks.

    Raises:
        ValueError: as `evaluate`, also for a rank without rows; on the first rank that finds it, the others end.
        ConnectionError: if another process has ended or does not answer.
    """
    if (gallery is None) != (gallery_labels is None):
        raise ValueError("gallery, gallery_labels: expected both or neither")
    require_metric(metric)
    embeddings = as_embeddings(embeddings)
    labels = as_labels(labels, len(embeddings))
    alone = gallery is None
    part = embeddings if alone else as_embeddings(gallery, "gallery", embeddings.shape[1])
    part_labels = labels if alone else as_labels(gallery_labels, len(part), "gallery_labels")
    search = ShardedSearch(part, metric)
    queries, query_labels, item_labels = map(from_all_ranks, (embeddings, labels, part_labels))
    own = np.arange(len(queries)) if alone else None
    return report_of(search, queries, query_labels.numpy(), item_labels.numpy(), own, ks)
