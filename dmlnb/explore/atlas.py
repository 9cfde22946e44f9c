"""What the explorer knows: images and one or several embeddings of them, asked for neighbours, maps and statistics.

Plain Python, without a browser: the widget in `explorer.py` only passes on what is computed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.path import Path
from scipy.linalg import orthogonal_procrustes
from torch import Tensor

from dmlnb._inputs import as_int, as_vector, require_embeddings, wide
from dmlnb.explore.figures import to_numpy
from dmlnb.explore.maps import FEWEST_POINTS, MOST_POINTS, project
from dmlnb.explore.names import chosen_rows, names_of, whole_numbers
from dmlnb.geometry import normalize
from dmlnb.retrieval import nearest

PROJECTIONS, OWN = ("PCA", "UMAP"), "own"


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
        labels: `(N,)` integers >= 0, of any width and size.
        class_names: a name a class, in the order of the labels or `{label: name}`; by default its number.
        scores: by name, `(N,)` numbers, one per image; NaN where there is none.
        coordinates: `(N, 2)`, a map of your own, the same for all embeddings: the projection `"own"`.
        seed: of UMAP.

    Attributes:
        names: of the embeddings.
        projections: names of the maps, the first one first.
        labels: `(N,)` int64 array.
        class_names: `{label: name}` of the classes that have images, in the order of the labels.
        class_sizes: `{label: images}`.

    Raises:
        ValueError: for shapes that do not fit, NaN in embeddings or coordinates, no embedding or two of one name, a
            class without a name, or fewer than two images.

    Taught in notebook 08.
    """

    def __init__(
        self,
        embeddings: Tensor | np.ndarray | Mapping[str, Tensor | np.ndarray],
        labels: Tensor | np.ndarray,
        *,
        class_names: Sequence[str] | Mapping[int, str] | None = None,
        scores: Mapping[str, Sequence[float]] | None = None,
        coordinates: Tensor | np.ndarray | None = None,
        seed: int = 0,
    ):
        named = embeddings if isinstance(embeddings, Mapping) else {"embedding": embeddings}
        if not named:
            raise ValueError("embeddings: expected at least one, got an empty dictionary")
        self.labels = whole_numbers(labels)
        self._rows = {
            name: self._checked(rows, name, len(named)) for name, rows in _by_name(named, "embeddings")
        }
        if len(self) < 2:
            raise ValueError(f"embeddings: expected at least 2 images, got {len(self)}")
        self.names = list(self._rows)
        classes, sizes = np.unique(self.labels, return_counts=True)
        self.class_sizes = dict(zip(classes.tolist(), sizes.tolist(), strict=True))
        self.class_names = names_of(class_names, self.class_sizes)
        self.scores = {
            name: np.asarray(to_numpy(v), dtype=np.float32) for name, v in _by_name(scores or {}, "scores")
        }
        for name, values in self.scores.items():
            if values.shape != (len(self),):
                raise ValueError(f"scores[{name!r}]: expected shape ({len(self)},), got {values.shape}")
        self._own = None if coordinates is None else to_numpy(coordinates)
        if self._own is not None and self._own.dtype.kind not in "iuf":
            raise ValueError(f"coordinates: expected numbers, got {self._own.dtype}")
        self._own = None if coordinates is None else self._own.astype(float)
        if self._own is not None and self._own.shape != (len(self), 2):
            raise ValueError(f"coordinates: expected shape ({len(self)}, 2), got {self._own.shape}")
        if self._own is not None and not np.isfinite(self._own).all():
            raise ValueError("coordinates: expected finite numbers, got NaN or infinity")
        self.projections = [OWN] * (self._own is not None) + ["PCA"]
        self.projections += ["UMAP"] * (FEWEST_POINTS <= len(self) <= MOST_POINTS)
        self.seed = as_int(seed, "seed", least=0)
        self._points: dict[tuple[str, str], np.ndarray] = {}
        self._hits: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def neighbours(self, name: str, index: int, k: int = 10) -> Neighbours:
        """The k exact nearest neighbours of image `index`, itself left out; fewer where there are not so many."""
        if not 0 <= index < len(self):
            raise ValueError(f"index: expected 0 .. {len(self) - 1}, got {index}")
        rows = self._of(name)
        found, cosine = nearest(rows[[index]], rows, k=min(k, len(self) - 1), own=[index])
        found, cosine = found[0].numpy(), cosine[0].numpy()
        unit = normalize(rows[[index, *found]].double())
        distance = (unit[1:] - unit[0]).norm(dim=1).numpy()  # not from the cosine, which rounds near 1
        return Neighbours(found, cosine, distance, self.labels[found] == self.labels[index])

    def hits(self, name: str) -> np.ndarray:
        """`(N,)` bool: whether the nearest neighbour of each image is of its class. Computed once."""
        if name not in self._hits:
            found, _ = nearest(self._of(name), k=1)
            self._hits[name] = self.labels[found[:, 0].numpy()] == self.labels
        return self._hits[name]

    def points(self, name: str, projection: str = "PCA") -> np.ndarray:
        """`(N, 2)` float32 in -1 .. 1: the map, turned (and mirrored) so that it resembles the first embedding's PCA.

        A turn changes no distance, so a map says the same before and after; but two maps can be compared by eye. Your
        own coordinates are only moved and scaled, by one factor.
        Maps are computed once.
        """
        known = [OWN] * (self._own is not None) + list(PROJECTIONS)
        if projection not in known:
            raise ValueError(f"projection: expected one of {', '.join(known)}, got {projection!r}")
        rows, key = self._of(name), (name, projection)
        if key not in self._points:
            first = (self.names[0], "PCA")
            if projection == OWN:
                raw = self._own
            else:
                raw = project(rows, projection.lower(), self.seed, neighbours=min(15, len(self) - 1))
                raw = raw - raw.mean(axis=0)
            if projection != OWN and key != first:
                raw = raw @ orthogonal_procrustes(raw, self.points(*first))[0]
            low, high = raw.min(axis=0), raw.max(axis=0)
            raw = (raw - (low + high) / 2) / (float((high - low).max()) / 2 or 1.0)
            self._points[key] = raw.astype(np.float32)
        return self._points[key]

    def has_points(self, name: str, projection: str) -> bool:
        """Whether the map is already there."""
        return (name, projection) in self._points

    def inside(self, name: str, projection: str, polygon: Sequence[Sequence[float]]) -> np.ndarray:
        """Numbers of the images whose points lie in a polygon `(M, 2)` of the map, M >= 3 (even-odd rule)."""
        corners = np.asarray(polygon, dtype=float)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
            raise ValueError(f"polygon: expected (M, 2) with M >= 3, got {corners.shape}")
        return np.flatnonzero(Path(corners).contains_points(self.points(name, projection)))

    def statistics(self, name: str, chosen: Sequence[int] | np.ndarray | Tensor) -> Selection:
        """Classes and recall of some images; `chosen` are their numbers, or a mask of all images."""
        chosen = chosen_rows(chosen, len(self))
        labels, counts = (v.tolist() for v in np.unique(self.labels[chosen], return_counts=True))
        frequent = sorted(zip(labels, counts, strict=True), key=lambda pair: -pair[1])
        complete = sum(self.class_sizes[c] == n for c, n in frequent)
        overall = inside = float("nan")
        if len(chosen):
            overall = float(self._hits_of(name, chosen).mean())
        if len(chosen) > 1:
            found, _ = nearest(self._of(name)[chosen], k=1)
            own = self.labels[chosen]
            inside = float((own[found[:, 0].numpy()] == own).mean())
        return Selection(len(chosen), dict(frequent), complete, overall, inside)

    def _hits_of(self, name: str, chosen: np.ndarray) -> np.ndarray:
        if name in self._hits:
            return self._hits[name][chosen]
        found, _ = nearest(self._of(name)[chosen], self._of(name), k=1, own=chosen)
        return self.labels[found[:, 0].numpy()] == self.labels[chosen]

    def _of(self, name: str) -> Tensor:
        if name not in self._rows:
            raise ValueError(f"name: expected one of {', '.join(self.names)}, got {name!r}")
        return self._rows[name]

    def _checked(self, rows, name: str, among: int) -> Tensor:
        argument = f"embeddings[{name!r}]" if among > 1 else "embeddings"
        rows = as_vector(to_numpy(rows), argument)
        require_embeddings(rows, argument)
        if len(rows) != len(self):
            got = f"{len(self)} labels for {len(rows)} {argument}"
            raise ValueError(f"labels: expected shape ({len(rows)},), one label a row, got {got}")
        return rows.to(wide(rows))


def _by_name(values: Mapping, argument: str):
    """`(name, value)` with names as text; two names that read the same are refused."""
    names = [str(name) for name in values]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{argument}: expected names that differ, got {twice.pop()!r} twice")
    return zip(names, values.values(), strict=True)
