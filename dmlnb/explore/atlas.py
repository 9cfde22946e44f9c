"""What the explorer knows: images and one or several embeddings of them, asked for neighbours, maps and statistics.

Plain Python, without a browser: the widget in `explorer.py` only passes on what is computed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmlnb._inputs import require_embeddings, require_labels
from dmlnb.explore.figures import to_numpy
from dmlnb.explore.maps import MOST_POINTS, project
from dmlnb.retrieval import nearest

PROJECTIONS = ("PCA", "UMAP")


@dataclass(frozen=True)
class Neighbours:
    """The nearest neighbours of one image, nearest first.

    Attributes:
        index: `(k,)` int, their numbers.
        similarity: `(k,)` float, the cosine.
        distance: `(k,)` float, Euclidean between unit vectors, sqrt(2 - 2 cosine).
        hit: `(k,)` bool, whether they are of the image's class.
    """

    index: np.ndarray
    similarity: np.ndarray
    distance: np.ndarray
    hit: np.ndarray


@dataclass(frozen=True)
class Selection:
    """What `EmbeddingAtlas.statistics` says of some images.

    Attributes:
        size: how many they are.
        classes: `{class: images of it in the selection}`, most frequent first.
        complete: of those classes, how many lie in the selection as a whole.
        recall_at_1: share whose nearest neighbour among *all* images is of their class; NaN for none.
        recall_inside: share whose nearest neighbour *within the selection* is of their class; NaN for fewer than two.
    """

    size: int
    classes: dict[int, int]
    complete: int
    recall_at_1: float
    recall_inside: float


class EmbeddingAtlas:
    """Images with labels, and what several embeddings make of them.

    Args:
        embeddings: `(N, d)`, or a dictionary of them by name, in the order of the images; tensors or arrays.
        labels: `(N,)` integers >= 0.
        class_names: a name a class; by default its number.
        scores: by name, `(N,)` numbers, one an image; NaN where there is none.
        seed: of UMAP.

    Attributes:
        names: of the embeddings.
        labels: `(N,)` int64 array.
        class_names: list of str.

    Raises:
        ValueError: for shapes that do not fit, NaN in embeddings, no embedding, or fewer than two images.

    Taught in notebook 08.
    """

    def __init__(
        self,
        embeddings: Tensor | np.ndarray | Mapping[str, Tensor | np.ndarray],
        labels: Tensor | np.ndarray,
        *,
        class_names: Sequence[str] | None = None,
        scores: Mapping[str, Sequence[float]] | None = None,
        seed: int = 0,
    ):
        named = dict(embeddings) if isinstance(embeddings, Mapping) else {"embedding": embeddings}
        if not named:
            raise ValueError("embeddings: expected at least one, got an empty dictionary")
        labels = torch.as_tensor(to_numpy(labels))
        self._rows: dict[str, Tensor] = {}
        for name, rows in named.items():
            rows = torch.as_tensor(to_numpy(rows))
            require_embeddings(rows, f"embeddings[{name!r}]" if len(named) > 1 else "embeddings")
            require_labels(labels, len(rows))
            self._rows[str(name)] = rows.float()
        if len(labels) < 2:
            raise ValueError(f"embeddings: expected at least 2 images, got {len(labels)}")
        self.names = list(self._rows)
        self.labels = labels.numpy().astype(np.int64)
        number = int(self.labels.max()) + 1
        names = range(number) if class_names is None else class_names
        self.class_names = [str(name) for name in names]
        if len(self.class_names) < number:
            raise ValueError(f"class_names: expected at least {number}, got {len(self.class_names)}")
        self.scores = {str(k): np.asarray(to_numpy(v), dtype=np.float32) for k, v in (scores or {}).items()}
        for name, values in self.scores.items():
            if values.shape != (len(self),):
                raise ValueError(f"scores[{name!r}]: expected shape ({len(self)},), got {values.shape}")
        self.seed = seed
        self._points: dict[tuple[str, str], np.ndarray] = {}
        self._hits: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def neighbours(self, name: str, index: int, k: int = 10) -> Neighbours:
        """The k exact nearest neighbours of image `index`, itself left out; fewer where there are not so many."""
        rows = self._of(name)
        if not 0 <= index < len(self):
            raise ValueError(f"index: expected 0 .. {len(self) - 1}, got {index}")
        k = min(k, len(self) - 1)
        found, cosine = (v[0].numpy() for v in nearest(rows[index : index + 1], rows, k=k + 1))
        others = np.flatnonzero(found != index)[:k]
        found, cosine = found[others], cosine[others]
        distance = np.sqrt(np.maximum(2 - 2 * cosine, 0))
        return Neighbours(found, cosine, distance, self.labels[found] == self.labels[index])

    def hits(self, name: str) -> np.ndarray:
        """`(N,)` bool: whether the nearest neighbour of each image is of its class. Computed once."""
        if name not in self._hits:
            found, _ = nearest(self._of(name), k=1)
            self._hits[name] = self.labels[found[:, 0].numpy()] == self.labels
        return self._hits[name]

    def points(self, name: str, projection: str = "PCA") -> np.ndarray:
        """`(N, 2)` float32 in -1 .. 1: the map, turned (and mirrored) so that it resembles the first embedding's PCA.

        A turn changes no distance, so a map says the same before and after; but two maps can be compared by eye.
        UMAP is for at most 5,000 images; maps are computed once.
        """
        if projection not in PROJECTIONS:
            raise ValueError(f"projection: expected one of {', '.join(PROJECTIONS)}, got {projection!r}")
        key = (name, projection)
        if key not in self._points:
            neighbours = min(15, len(self) - 1)
            raw = project(self._of(name), projection.lower(), self.seed, neighbours=neighbours)
            raw = raw - raw.mean(axis=0)
            first = (self.names[0], "PCA")
            if key != first:
                left, _, right = np.linalg.svd(raw.T @ self.points(*first))
                raw = raw @ (left @ right)  # orthogonal Procrustes
            low, high = raw.min(axis=0), raw.max(axis=0)
            raw = (raw - (low + high) / 2) / (float((high - low).max()) / 2 or 1.0)
            self._points[key] = raw.astype(np.float32)
        return self._points[key]

    def can_project(self, projection: str) -> bool:
        """Whether the images are not too many (or too few) for it."""
        return projection == "PCA" or 4 <= len(self) <= MOST_POINTS

    def has_points(self, name: str, projection: str) -> bool:
        """Whether the map is already there."""
        return (name, projection) in self._points

    def inside(self, name: str, projection: str, polygon: Sequence[Sequence[float]]) -> np.ndarray:
        """Numbers of the images whose points lie in a polygon `(M, 2)` of the map, M >= 3 (even-odd rule)."""
        corners = np.asarray(polygon, dtype=float)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
            raise ValueError(f"polygon: expected (M, 2) with M >= 3, got {corners.shape}")
        x, y = self.points(name, projection).T.astype(float)
        within = np.zeros(len(x), dtype=bool)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 != y1:  # does the ray to the right of each point cross this side?
                within ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        return np.flatnonzero(within)

    def statistics(self, name: str, chosen: Sequence[int] | np.ndarray) -> Selection:
        """Classes and recall of the images with the numbers `chosen`."""
        chosen = np.unique(np.asarray(chosen, dtype=np.int64))
        if len(chosen) and not (0 <= chosen[0] and chosen[-1] < len(self)):
            raise ValueError(f"chosen: expected numbers in 0 .. {len(self) - 1}")
        labels, counts = np.unique(self.labels[chosen], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        complete = int((np.bincount(self.labels)[labels] == counts).sum())
        overall = inside = float("nan")
        if len(chosen):
            overall = float(self._hits_of(name, chosen).mean())
        if len(chosen) > 1:
            found, _ = nearest(self._of(name)[chosen], k=1)
            own = self.labels[chosen]
            inside = float((own[found[:, 0].numpy()] == own).mean())
        classes = {int(labels[i]): int(counts[i]) for i in order}
        return Selection(len(chosen), classes, complete, overall, inside)

    def _hits_of(self, name: str, chosen: np.ndarray) -> np.ndarray:
        if name in self._hits:
            return self._hits[name][chosen]
        rows = self._of(name)
        found = nearest(rows[chosen], rows, k=2)[0].numpy()  # (M, 2)
        first = np.where(found[:, 0] == chosen, found[:, 1], found[:, 0])
        return self.labels[first] == self.labels[chosen]

    def _of(self, name: str) -> Tensor:
        if name not in self._rows:
            raise ValueError(f"name: expected one of {', '.join(self.names)}, got {name!r}")
        return self._rows[name]
