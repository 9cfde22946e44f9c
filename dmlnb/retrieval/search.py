"""Exact nearest neighbours: float32 finds candidates, float64 orders what float32 cannot tell apart.

Both metrics are one search for the least squared distance. For `"cosine"` the rows are unit vectors, for which

$$ \\cos(q, x) = \\tfrac12 \\bigl( \\lVert q \\rVert^2 + 1 - \\lVert q - x \\rVert^2 \\bigr), $$

so that the least distance is the largest cosine. Inner products near 1 tell angles apart down to 3e-4 only; distances
of rows moved to their mean keep all their digits, however narrow the cone is that the rows lie in.

The float32 distance D of a query q to a row x in d dimensions is wrong by at most

$$ E = (4 + d / 2)\\, \\epsilon\\, (2 \\lVert q \\rVert + \\sqrt{D})^2 . $$

Neighbours nearer to each other than twice that, at the last neighbour's D, are measured again, in float64 and from
differences. Where one query would need many rows, all distances to it are computed in float64, block by block. No N x N
matrix is ever formed.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dmlnb.geometry import normalize

_BLOCK = 1 << 22  # numbers in one block of answers (queries times candidates): 32 MiB
_TILE = 512, 1 << 14  # queries and rows that are compared at a time in float32: again 32 MiB
_SHARE = 16  # a query that needs more than N / 16 rows is compared with all, in float64
_EPS = np.finfo(np.float64).eps
_NEVER = 1e300  # the squared distance of a row that is no answer; far from overflow


class ExactSearch:
    """A gallery made ready to be searched, any number of times.

    Args:
        gallery: `(N, d)`, finite, floating point, on the CPU.
        metric: `"cosine"` or `"l2"`.
        mean: gives, of rows `(N, d)`, where distances are measured from, `(d,)`; None for their mean. Of a part of a
            gallery it is the mean of the whole.

    Raises:
        ValueError: for coordinates of 1e15 or more with `"l2"`.
    """

    def __init__(
        self,
        gallery: Tensor,
        metric: str,
        mean: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        self.metric = metric
        rows = self._plain(gallery)  # (N, d) float64
        origin = rows.mean(axis=0) if mean is None else mean(rows)
        self.zeros = (rows == 0).all(axis=1) if metric == "cosine" else np.zeros(len(rows), bool)
        if self.zeros.any():  # no direction, so cosine 0 with everything: a unit vector on an axis of its own
            rows = np.hstack([rows, self.zeros[:, None].astype(rows.dtype)])
            origin = np.append(origin, self.zeros.mean())
        self.origin = origin.astype(np.float32).astype(np.float64)  # short numbers: x - origin is exact
        rows -= self.origin
        largest = np.abs(rows).max()
        if metric == "l2" and 0 < largest < 1e-120:
            raise ValueError(
                'gallery: expected distances of 1e-120 or more with metric "l2", got smaller ones; scale up'
            )
        self.scale = 2.0 ** np.ceil(np.log2(largest)) if largest > 0 else 1.0  # a power of two rounds nothing
        rows /= self.scale
        self.rows, self.norms = rows, np.einsum("nd,nd->n", rows, rows)
        self.rounding = (
            16 * _EPS / self.scale if metric == "cosine" else 0.0
        )  # of unit vectors, in this scale
        self._short: np.ndarray | None = None  # rows and norms, (N, d + 1), in float32

    def __len__(self) -> int:
        return len(self.rows)

    def __call__(
        self, queries: Tensor, k: int, own: np.ndarray | None = None, *, scores: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows of each query; equal ones by their number.

        Args:
            queries: `(Q, d)`.
            k: 1 .. N, or N - 1 with `own`.
            own: `(Q,)` int64, the row that the query is itself, which is left out; -1 for none.
            scores: whether they are wanted too; if not, an array `(Q, 0)` stands for them.

        Returns:
            `(Q, k)` int64 rows, nearest first, and `(Q, k)` float64 cosines or squared distances.
        """
        found, squares = self.neighbours(queries, k, own, squares=scores)
        return found, self.scores(queries, squares) if scores else squares

    def neighbours(
        self, queries: Tensor, k: int, own: np.ndarray | None = None, *, squares: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """As the search itself, with squared distances, of unit vectors for the cosine, in place of scores."""
        own = own if own is not None and (own >= 0).any() else None
        found = np.empty((len(queries), k), dtype=np.int64)
        distances = np.empty((len(queries), k if squares else 0))
        width = k + (own is not None) + 4 + k // 8  # candidates asked for
        step = max(1, min(4096, _BLOCK // (len(self) if self._all_needed(width) else width)))
        for start in range(0, len(queries), step):
            block = slice(start, start + step)
            q = self._place(queries[block])
            mine = None if own is None else own[block]
            found[block], values = self._nearest(q, mine, k, width, squares)
            if squares:
                distances[block] = values * self.scale**2
        return found, distances

    def scores(self, queries: Tensor, squares: np.ndarray) -> np.ndarray:
        """Squared distances `(Q, k)` as they are, or the cosines that belong to them."""
        if self.metric == "l2":
            return squares
        has_direction = (queries != 0).any(dim=1, keepdim=True).numpy()  # (Q, 1)
        return np.clip((has_direction + 1.0 - squares) / 2, -1, 1)

    def in_order(
        self, queries: Tensor, found: np.ndarray, squares: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and squared distances of each query, nearest first; those within rounding by their number."""
        q = self._place(queries)
        size = np.sqrt(np.einsum("qd,qd->q", q, q))[:, None]
        return _sorted(found, squares, self._tie(size, np.sqrt(squares) / self.scale) * self.scale**2)

    def _tie(self, size: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """How much two squared distances may differ by rounding alone."""
        return 2 * distance * (self.rounding + 16 * _EPS * (size + distance))

    def _all_needed(self, width: int) -> bool:
        return width * _SHARE >= len(self)

    def _plain(self, vectors: Tensor) -> np.ndarray:
        """Rows in float64, on the sphere for the cosine; a new array."""
        if self.metric == "cosine":
            return np.array(normalize(vectors.double()).numpy())
        if vectors.abs().amax() > 1e15:
            raise ValueError(
                "embeddings, gallery: metric 'l2' expects coordinates below 1e15, got larger ones"
            )
        return np.array(vectors.double().numpy())

    def _place(self, queries: Tensor) -> np.ndarray:
        """Queries as points among `rows`."""
        q = self._plain(queries)
        if self.zeros.any():
            q = np.hstack([q, np.zeros((len(q), 1))])
        return (q - self.origin) / self.scale

    def _nearest(
        self, q: np.ndarray, own: np.ndarray | None, k: int, width: int, scores: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of `width` candidate rows for points q, and squared distances (exact only with `scores`)."""
        everything = self._all_needed(width)
        size = np.sqrt(np.einsum("qd,qd->q", q, q))[:, None]  # (Q, 1)
        if everything:
            found, squares, grid = self._compare_all(q, own)
        else:
            found, squares = self._candidates(q, width, own)
            grid = 0.0
        eps = _EPS if everything else np.finfo(np.float32).eps
        last = squares[:, k - 1 : k]
        error = (4 + q.shape[1] / 2) * eps * (2 * size + np.sqrt(last)) ** 2 + grid  # (Q, 1)
        within = (squares <= last + 3 * error).sum(axis=1)  # so many may be among the first k
        missing = (within == squares.shape[1]) & (not everything)  # there may be more beyond the candidates
        cut = int(within.max())
        found, squares = found[:, :cut], squares[:, :cut]
        close = np.zeros(found.shape, dtype=bool)
        meets = np.diff(squares, axis=1) <= 2 * error
        meets &= np.arange(1, cut) < within[:, None]
        close[:, 1:] |= meets
        close[:, :-1] |= meets
        unclear = np.flatnonzero(close.any(axis=1))
        if scores:
            close[:, :k] = True
        affordable = not everything or close.sum() <= len(q) * max(512, len(self) // _SHARE, k * scores)
        if affordable:
            close &= ~missing[:, None]
            self._measure(q, found, squares, close)
        if len(unclear):
            tie = self._tie(size[unclear], np.sqrt(squares[unclear]))
            if not affordable:  # thousands of rows within rounding of each other
                tie = 2 * error[unclear] + np.zeros_like(tie)
            found[unclear], squares[unclear] = _sorted(found[unclear], squares[unclear], tie)
        found, squares = found[:, :k], squares[:, :k]
        step = max(1, _BLOCK // len(self))
        again = np.flatnonzero(missing)
        for part in (again[i : i + step] for i in range(0, len(again), step)):
            mine = None if own is None else own[part]
            found[part], squares[part] = self._nearest(q[part], mine, k, 4 * width, scores)
        return found, squares

    def _candidates(self, q: np.ndarray, width: int, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The nearest `width` rows in float32, sorted, without the query's own, with their squared distances."""
        if self._short is None:
            self._short = np.hstack([self.rows, self.norms[:, None]], dtype=np.float32, casting="same_kind")
        # No square overflows; what lies farther is compared with all rows in the end.
        near = np.hstack(
            [np.clip(-2 * q, -1e15, 1e15), np.ones((len(q), 1))], dtype=np.float32, casting="same_kind"
        )
        squares = np.empty((len(q), width), dtype=np.float32)
        found = np.empty((len(q), width), dtype=np.int64)
        tall, wide = _TILE[0], max(_TILE[1], 4 * width)
        for top in range(0, len(q), tall):
            lines = slice(top, top + tall)
            best: list[tuple[Tensor, Tensor]] = []
            for left in range(0, len(self), wide):
                block = near[lines] @ self._short[left : left + wide].T  # |x|^2 - 2 q x
                if own is not None:
                    line = np.flatnonzero((own[lines] >= left) & (own[lines] < left + block.shape[1]))
                    block[line, own[lines][line] - left] = np.inf
                values, places = torch.from_numpy(block).topk(min(width, block.shape[1]), largest=False)
                best.append((values, places + left))
            values, order = torch.cat([v for v, _ in best], dim=1).topk(width, largest=False)
            squares[lines] = values.numpy()
            found[lines] = torch.cat([p for _, p in best], dim=1).gather(1, order).numpy()
        squares = squares + np.einsum("qd,qd->q", q, q)[:, None]
        return found, np.maximum(squares, 0, out=squares)

    def _compare_all(
        self, q: np.ndarray, own: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All rows, sorted, with their squared distances, and the grid that these are rounded to.

        The query's own row is the last, at a distance at which it never answers.

        Distance and number of a row are packed in one integer: sorting those is five times faster than an argsort.
        """
        squares = q @ self.rows.T
        squares *= -2
        squares += self.norms
        squares += np.einsum("qd,qd->q", q, q)[:, None]
        np.maximum(squares, 0, out=squares)
        bits = len(self).bit_length()
        grid = squares.max(axis=1, keepdims=True) / 2.0 ** (62 - bits)  # (Q, 1)
        grid[grid == 0] = 1.0
        squares /= grid
        packed = squares.astype(np.int64)
        packed <<= bits
        packed |= np.arange(len(self))
        if own is not None:
            itself = np.flatnonzero(own >= 0)
            packed[itself, own[itself]] = np.iinfo(np.int64).max  # to the end
        packed.sort(axis=1)
        found = packed & ((1 << bits) - 1)
        packed >>= bits
        squares = packed * grid
        if own is not None:
            found[itself, -1], squares[itself, -1] = own[itself], _NEVER
        return found, squares, grid

    def _measure(self, q: np.ndarray, found: np.ndarray, squares: np.ndarray, chosen: np.ndarray) -> None:
        """Write the squared distances of the chosen pairs, from differences in float64."""
        pairs = np.flatnonzero(chosen)
        step = max(1, _BLOCK // (4 * q.shape[1]))
        for start in range(0, len(pairs), step):
            query, place = np.divmod(pairs[start : start + step], chosen.shape[1])
            difference = self.rows[found[query, place]]
            difference -= q[query]
            squares[query, place] = np.einsum("pd,pd->p", difference, difference)


def _sorted(found: np.ndarray, squares: np.ndarray, tie: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each line in order of the distance; those within rounding of the one before them, in order of their numbers."""
    order = np.argsort(squares, axis=1, kind="stable")
    found, squares, tie = (np.take_along_axis(a, order, axis=1) for a in (found, squares, tie))
    group = np.cumsum(np.diff(squares, axis=1, prepend=-np.inf) > tie, axis=1)
    order = np.lexsort((found, group), axis=1)
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(squares, order, axis=1)
