"""k-reciprocal re-ranking: two images are near if they have the same neighbours.

The neighbours of each gallery row are found once. A query is then compared with its candidates by the neighbours that
they share. Queries do not see each other, so an answer does not depend on what else is asked.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dmlnb._inputs import require_shares
from dmlnb.retrieval.arguments import as_count, as_embeddings, as_own
from dmlnb.retrieval.search import ExactSearch

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def rerank(
    queries: Tensor | ArrayLike,
    gallery: Tensor | ArrayLike,
    *,
    k: int = 8,
    own: Tensor | ArrayLike | None = None,
    neighbours: int = 20,
    expansion: int = 6,
    weight: float = 0.3,
    candidates: int = 100,
) -> tuple[Tensor, Tensor]:
    """The k best of each query's nearest neighbours, by the neighbours that they share with the query.

    Reciprocal are rows that are among each other's k nearest, $R(x, k) = \\{h \\in N(x, k) : x \\in N(h, k)\\}$, a
    gallery row with itself. $R^*(x)$ adds $R(h, k/2)$ of those h in it of which two thirds are in $R(x, k)$. With

    $$ V_x(h) = e^{-\\lVert x - h \\rVert^2} [h \\in R^*(x)],\\ \\text{summing to 1, averaged over } x
       \\text{ and its } k_2 - 1 \\text{ nearest}, $$

    $$ d(q, g) = (1 - \\lambda) \\Bigl(1 - \\frac{\\sum_h \\min(V_q, V_g)}{\\sum_h \\max(V_q, V_g)}\\Bigr)
       + \\lambda\\, (1 - \\cos(q, g)). $$

    Args:
        queries: `(Q, d)`.
        gallery: `(N, d)`; its own graph takes a search of all rows among all.
        k: answers wanted, at most `candidates`.
        own: as in `nearest`.
        neighbours: k of the reciprocal sets; at most N - 1 are used.
        expansion: k_2, rows averaged over; 1 for none.
        weight: $\\lambda$ in [0, 1]; 1 keeps the order of the cosine.
        candidates: nearest rows that are ranked anew; at most N (N - 1 where something is left out) are used.

    Returns:
        `(Q, k)` int64 rows, best first, and `(Q, k)` float64 scores 1 - d: larger is better.

    Raises:
        ValueError: for bad embeddings, a number out of range, or a gallery of one row.

    Source: [zhong2017reranking], whose sets are over the gallery and all queries; there d is scaled by its maximum.
    """
    gallery = as_embeddings(gallery, "gallery")
    return ReciprocalGraph(gallery, ExactSearch(gallery, "cosine"), neighbours, expansion)(
        queries, k, own=own, weight=weight, candidates=candidates
    )


class ReciprocalGraph:
    """The gallery's part of `rerank`, made once: who is whose neighbour, and the vectors V of all rows.

    Args:
        gallery: `(N, d)`, N >= 2.
        search: the gallery's `ExactSearch` by cosine.
        neighbours, expansion: as in `rerank`.
    """

    def __init__(self, gallery: Tensor, search: ExactSearch, neighbours: int = 20, expansion: int = 6):
        from scipy.sparse import identity

        num = len(gallery)
        if num < 2:
            raise ValueError(f"gallery: expected at least two rows, got {num}")
        self.search = search
        self.neighbours = min(as_count(neighbours, "neighbours"), num - 1)
        self.expansion = min(as_count(expansion, "expansion"), num)
        depth = max(self.neighbours, self.expansion - 1)
        found, cosine = search(gallery, depth, np.arange(num))  # (N, depth) each
        self.bound = cosine[:, self.neighbours - 1]  # who is nearer than this is among a row's neighbours
        half = math.ceil(self.neighbours / 2)
        itself = identity(num, dtype=np.int32, format="csr")
        mutual, self.core = (  # R(x, k) and R(x, k / 2) of all rows, (N, N) sparse
            (table.multiply(table.T) + itself).tocsr()
            for table in (
                _table(found[:, :m], np.ones((num, m), np.int32), num) for m in (self.neighbours, half)
            )
        )
        self.vectors = self._average(self._vectors(gallery, mutual), itself, found)  # V, (N, N) sparse

    def __call__(
        self,
        queries: Tensor | ArrayLike,
        k: int,
        *,
        own: Tensor | ArrayLike | None = None,
        weight: float = 0.3,
        candidates: int = 100,
    ) -> tuple[Tensor, Tensor]:
        """As `rerank`."""
        num, dim = len(self.search), self.search.rows.shape[1] - self.search.zeros.any()
        queries = as_embeddings(queries, "queries", int(dim))
        own = None if own is None else as_own(own, len(queries), num)
        most = num - (own is not None and bool((own >= 0).any()))
        candidates = min(as_count(candidates, "candidates"), most)
        k = as_count(k, "k", candidates)
        require_shares(weight=weight)
        depth = min(most, max(candidates, self.neighbours, self.expansion - 1))
        found, cosine = self.search(queries, depth, own)  # (Q, depth) each
        first = found[:, : self.neighbours]
        mutual = (
            cosine[:, : self.neighbours] >= self.bound[first]
        )  # the query would be among their neighbours
        vectors = self._vectors(queries, _table(first, mutual.astype(np.int32), num))
        vectors = self._average(vectors, None, found)
        found, cosine = found[:, :candidates], cosine[:, :candidates]
        shared = np.empty(
            cosine.shape
        )  # sum of the smaller of V_q and V_g; both sum to 1, so the larger sum to 2 - it
        for i, line in enumerate(vectors):
            mine, theirs = line.toarray()[0], self.vectors[found[i]]
            smaller = np.append(np.minimum(theirs.data, mine[theirs.indices]), 0)
            shared[i] = np.add.reduceat(smaller, theirs.indptr[:-1])
        total = np.asarray(vectors.sum(axis=1)) + 1  # of V_q, which may be empty, and of V_g
        score = (1 - weight) * shared / (total - shared) + weight * cosine
        order = np.argsort(-score, axis=1, kind="stable")[:, :k]
        best = lambda a: torch.from_numpy(np.take_along_axis(a, order, axis=1))
        return best(found), best(score)

    def _vectors(self, rows: Tensor, mutual: "csr_matrix") -> "csr_matrix":
        """V before averaging: the extended reciprocal sets of `rows`, weighed by distance, each summing to 1."""
        core_size = np.asarray(self.core.sum(axis=1)).ravel()
        overlap = (mutual @ self.core.T).multiply(mutual).tocsr()  # |R(x, k) and R(h, k/2)| for h in R(x, k)
        overlap.data = (3 * overlap.data >= 2 * core_size[overlap.indices]).astype(np.int32)
        members = (mutual + overlap @ self.core).tocsr()
        members.eliminate_zeros()
        members = members.astype(np.float64)
        place = self.search._place(rows)
        for i in range(len(place)):
            part = slice(members.indptr[i], members.indptr[i + 1])
            difference = self.search.rows[members.indices[part]] - place[i]
            near = np.exp(-np.einsum("pd,pd->p", difference, difference) * self.search.scale**2)
            members.data[part] = near / max(near.sum(), 1e-300)
        return members

    def _average(self, vectors: "csr_matrix", itself: "csr_matrix | None", found: np.ndarray) -> "csr_matrix":
        """V of x averaged with those of its nearest rows; `itself` tells gallery rows from queries."""
        count = self.expansion - 1
        if count == 0:
            return vectors.tocsr()
        others = _table(found[:, :count], np.ones((len(found), count), np.int32), len(self.search))
        return (
            (vectors + others @ (vectors if itself is not None else self.vectors)) / self.expansion
        ).tocsr()


def _table(columns: np.ndarray, values: np.ndarray, width: int) -> "csr_matrix":
    """A sparse (N, width) table with `values` (N, k) in the `columns` (N, k) of each line."""
    from scipy.sparse import csr_matrix

    lines = np.repeat(np.arange(len(columns)), columns.shape[1])
    table = csr_matrix((values.ravel(), (lines, columns.ravel())), shape=(len(columns), width))
    table.eliminate_zeros()
    return table
