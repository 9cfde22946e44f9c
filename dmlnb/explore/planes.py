"""Maps of several embeddings of the same images, turned so that they can be compared by eye."""

from collections.abc import Mapping

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from torch import Tensor

from dmlnb.explore.layout import load_map, neighbours_of, store_map
from dmlnb.explore.maps import FEWEST_POINTS, MOST_POINTS, project
from dmlnb.retrieval import nearest

PROJECTIONS, OWN = ("PCA", "UMAP"), "own"
KEPT = 10  # nearest neighbours that are looked for on the map


class Planes:
    """The maps of named embeddings, each computed once; UMAP's are kept in files too (see `layout`).

    Args:
        rows: `(N, d)` by name; the first one's PCA is what the others are turned to.
        own: `(N, 2)`, a map of one's own for all of them, or None.
        seed: of UMAP.
    """

    def __init__(self, rows: Mapping[str, Tensor], own: np.ndarray | None, seed: int):
        self.rows, self.own, self.seed = rows, own, seed
        self._number = len(next(iter(rows.values())))
        self._first = next(iter(rows))
        self._points: dict[tuple, np.ndarray] = {}
        self._kept: dict[tuple, np.ndarray] = {}

    def names(self, number: int | None = None) -> list[str]:
        """Of the projections that so many images have, the first one first."""
        number = self._number if number is None else number
        umap = ["UMAP"] * (FEWEST_POINTS <= number <= MOST_POINTS)
        return [OWN] * (self.own is not None) + ["PCA"] + umap

    def part(self, name: str, among: np.ndarray | None) -> Tensor:
        """The rows of an embedding, or those `among` them."""
        return self.rows[name] if among is None else self.rows[name][torch.from_numpy(among)]

    def has(self, name: str, projection: str, among: np.ndarray | None = None) -> bool:
        """Whether a map is there, in memory or in a file."""
        if _key(name, projection, among) in self._points:
            return True
        if projection != "UMAP":
            return False
        raw = load_map(self.part(name, among), self.seed)
        if raw is not None:
            self.keep(name, projection, raw, among)
        return raw is not None

    def points(self, name: str, projection: str, among: np.ndarray | None = None) -> np.ndarray:
        """`(N, 2)` float32 in -1 .. 1; with `among`, a map of these alone, and NaN for all others."""
        known = [OWN] * (self.own is not None) + list(PROJECTIONS)
        if projection not in known:
            raise ValueError(f"projection: expected one of {', '.join(known)}, got {projection!r}")
        if not self.has(name, projection, among):
            rows = self.part(name, among)
            if projection == OWN:
                raw = self.own if among is None else self.own[among]
            elif projection == "PCA":
                raw = project(rows)
            else:
                raw = project(rows, "umap", self.seed, neighbours=neighbours_of(len(rows)))
                store_map(rows, self.seed, raw)
            self.keep(name, projection, raw, among)
        return self._points[_key(name, projection, among)]

    def keep(self, name: str, projection: str, raw: np.ndarray, among: np.ndarray | None = None) -> None:
        """Take a map `(n, 2)` that was computed elsewhere: turn it, scale it, and hold it."""
        key, first = _key(name, projection, among), _key(self._first, "PCA", among)
        if projection != OWN:
            raw = raw - raw.mean(axis=0)
            if key != first:
                target = self.points(self._first, "PCA", among)
                target = target if among is None else target[among]
                raw = raw @ orthogonal_procrustes(raw, target)[0]
        low, high = raw.min(axis=0), raw.max(axis=0)
        raw = (raw - (low + high) / 2) / (float((high - low).max()) / 2 or 1.0)
        if among is None:
            self._points[key] = raw.astype(np.float32)
        else:
            self._points[key] = np.full((self._number, 2), np.nan, dtype=np.float32)
            self._points[key][among] = raw

    def kept(self, name: str, projection: str, among: np.ndarray | None = None) -> np.ndarray:
        """`(N,)` float32: of each image's 10 nearest neighbours, the share that is among its 10 nearest on the map."""
        key = _key(name, projection, among)
        if key not in self._kept:
            rows = self.part(name, among)
            points = self.points(name, projection, among)
            k = min(KEPT, len(rows) - 1)
            true, _ = nearest(rows, k=k)
            shown, _ = nearest(points if among is None else points[among], k=k, metric="l2")
            share = shared(true.numpy(), shown.numpy())
            self._kept[key] = share if among is None else _spread(share, among, self._number)
        return self._kept[key]


def shared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`(N,)` float32: the share of the first `(N, k)` numbers of each line that stand in the second's line."""
    common = np.zeros(len(first), dtype=np.float32)
    for column in first.T:  # k passes instead of an (N, k, k) table
        common += (second == column[:, None]).any(axis=1)
    return common / first.shape[1]


def _spread(values: np.ndarray, among: np.ndarray, number: int) -> np.ndarray:
    whole = np.full(number, np.nan, dtype=np.float32)
    whole[among] = values
    return whole


def _key(name: str, projection: str, among: np.ndarray | None) -> tuple:
    return name, projection, b"" if among is None else among.tobytes()
