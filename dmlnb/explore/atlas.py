"""What the explorer knows: images and one or several embeddings of them, asked for neighbours, maps and statistics.

Plain Python, without a browser: the widget in `explorer.py` only passes on what is computed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.path import Path
from torch import Tensor

from dmlnb._inputs import as_int, as_vector, require_embeddings, wide
from dmlnb.explore.columns import Column, read_column
from dmlnb.explore.figures import to_numpy
from dmlnb.explore.names import chosen_rows, names_of, whole_numbers
from dmlnb.explore.planes import Planes, shared
from dmlnb.geometry import normalize
from dmlnb.retrieval import nearest
from dmlnb.retrieval.search import ExactSearch

SET = "set"  # the column that tells queries from the gallery
_BLOCK = 1 << 22  # numbers in one block of answers (queries times neighbours)


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
        recall_at_1: share of its queries whose nearest neighbour among *all* images is of their class; NaN for none.
        recall_inside: share whose nearest neighbour *within the selection* is of their class; NaN for fewer than two.

    Where a gallery was named, neighbours are those in it, and queries all other images; else all images are both.
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
        metadata: by name, `(N,)` numbers or words; None or NaN where there is none.
        gallery: in which neighbours are looked for: numbers of images, or a mask; None takes all. All other images are
            the queries.
        coordinates: `(N, 2)`, a map of your own, the same for all embeddings: the projection `"own"`.
        seed: of UMAP.

    Attributes:
        names: of the embeddings.
        projections: names of the maps, the first one first.
        labels: `(N,)` int64 array.
        class_names: `{label: name}` of the classes that have images, in the order of the labels.
        class_sizes: `{label: images}`.
        columns: scores and metadata by name, as `Column`s.
        queries: `(N,)` bool, whose neighbours count in statistics.

    Raises:
        ValueError: for shapes that do not fit, NaN in embeddings or coordinates, no embedding or two of one name, two
            columns of one name, a class without a name, a gallery of one image, or fewer than two images.

    Taught in notebook 08.
    """

    def __init__(
        self,
        embeddings: Tensor | np.ndarray | Mapping[str, Tensor | np.ndarray],
        labels: Tensor | np.ndarray,
        *,
        class_names: Sequence[str] | Mapping[int, str] | None = None,
        scores: Mapping[str, Sequence[float]] | None = None,
        metadata: Mapping[str, Sequence] | None = None,
        gallery: Sequence[int] | np.ndarray | Tensor | None = None,
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
        everything = np.arange(len(self))
        self._gallery = everything if gallery is None else chosen_rows(gallery, len(self), "gallery")
        if len(self._gallery) < 2:
            raise ValueError(f"gallery: expected at least 2 images, got {len(self._gallery)}")
        self._place = np.full(len(self), -1)  # of each image in the gallery
        self._place[self._gallery] = np.arange(len(self._gallery))
        self.queries = self._place < 0
        if not self.queries.any():
            self.queries = ~self.queries
        self.columns = self._read(scores or {}, metadata or {})
        own = None if coordinates is None else self._checked_map(to_numpy(coordinates))
        self.seed = as_int(seed, "seed", least=0)
        self.planes = Planes(self._rows, own, self.seed)
        self.projections = self.planes.names()
        self._searches: dict[str, ExactSearch] = {}
        self._hits: dict[str, np.ndarray] = {}
        self._precision: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def neighbours(self, name: str, index: int, k: int = 10) -> Neighbours:
        """The k exact nearest neighbours of image `index`, itself left out; fewer where there are not so many."""
        if not 0 <= index < len(self):
            raise ValueError(f"index: expected 0 .. {len(self) - 1}, got {index}")
        found, cosine = self._nearest(name, np.array([index]), as_int(k, "k", least=1))
        found, cosine = found[0], cosine[0]
        unit = normalize(self._of(name)[[index, *found]].double())
        distance = (unit[1:] - unit[0]).norm(dim=1).numpy()  # not from the cosine, which rounds near 1
        return Neighbours(found, cosine, distance, self.labels[found] == self.labels[index])

    def table(self, name: str, k: int) -> np.ndarray:
        """`(N, k)` int64: the exact nearest neighbours of every image, nearest first; all that there are if fewer."""
        return self._nearest(name, np.arange(len(self)), k)[0]

    def distances(self, name: str, table: np.ndarray) -> np.ndarray:
        """`(N, k)` float64: Euclidean distances between unit vectors, of each image to those in its line of a table."""
        unit = normalize(self._of(name).double()).numpy()
        far = [np.linalg.norm(unit[column] - unit, axis=1) for column in table.T]
        return np.stack(far, axis=1)

    def hits(self, name: str) -> np.ndarray:
        """`(N,)` bool: whether the nearest neighbour of each image is of its class. Computed once."""
        if name not in self._hits:
            self._hits[name] = self.labels[self.table(name, 1)[:, 0]] == self.labels
        return self._hits[name]

    def average_precision(self, name: str) -> np.ndarray:
        """`(N,)` float32: each image's average precision among its first R neighbours, as in `evaluate`.

        R is the number of relevant images. NaN for images that are no queries and those with R = 0.
        """
        if name not in self._precision:
            classes, counts = np.unique(self.labels[self._gallery], return_counts=True)
            of_class = dict(zip(classes.tolist(), counts.tolist(), strict=True))
            relevant = np.array([of_class.get(c, 0) for c in self.labels.tolist()]) - (self._place >= 0)
            found = np.full(len(self), np.nan, dtype=np.float32)
            for depth in np.unique(relevant[self.queries & (relevant > 0)]).tolist():
                asked = np.flatnonzero(self.queries & (relevant == depth))
                step = max(1, _BLOCK // depth)
                for block in (asked[i : i + step] for i in range(0, len(asked), step)):
                    near, _ = self._nearest(name, block, depth)
                    hits = self.labels[near] == self.labels[block, None]  # (Q, R)
                    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
                    found[block] = (precision * hits).sum(axis=1) / depth
            self._precision[name] = found
        return self._precision[name]

    def in_common(self, name: str, other: str, k: int = 10) -> np.ndarray:
        """`(N,)` float32: the share of each image's k nearest neighbours that two embeddings have in common."""
        return shared(self.table(name, k), self.table(other, k))

    def points(self, name: str, projection: str = "PCA", among: np.ndarray | None = None) -> np.ndarray:
        """`(N, 2)` float32 in -1 .. 1: the map, turned (and mirrored) so that it resembles the first embedding's PCA.

        A turn changes no distance, so a map says the same before and after; but two maps can be compared by eye. Your
        own coordinates are only moved and scaled, by one factor. With `among`, numbers of images, it is a map of these
        alone; all others are NaN.
        Maps are computed once; those of UMAP are kept in files too.
        """
        self._of(name)
        return self.planes.points(name, projection, among)

    def kept(self, name: str, projection: str, among: np.ndarray | None = None) -> np.ndarray:
        """`(N,)` float32: of each image's 10 nearest neighbours, the share that is among its 10 nearest on the map."""
        self._of(name)
        return self.planes.kept(name, projection, among)

    def has_points(self, name: str, projection: str, among: np.ndarray | None = None) -> bool:
        """Whether the map is already there."""
        return self.planes.has(name, projection, among)

    def inside(
        self,
        name: str,
        projection: str,
        polygon: Sequence[Sequence[float]],
        among: np.ndarray | None = None,
    ) -> np.ndarray:
        """Numbers of the images whose points lie in a polygon `(M, 2)` of the map, M >= 3 (even-odd rule)."""
        corners = np.asarray(polygon, dtype=float)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
            raise ValueError(f"polygon: expected (M, 2) with M >= 3, got {corners.shape}")
        return np.flatnonzero(Path(corners).contains_points(self.points(name, projection, among)))

    def statistics(self, name: str, chosen: Sequence[int] | np.ndarray | Tensor) -> Selection:
        """Classes and recall of some images; `chosen` are their numbers, or a mask of all images."""
        chosen = chosen_rows(chosen, len(self))
        labels, counts = (v.tolist() for v in np.unique(self.labels[chosen], return_counts=True))
        frequent = sorted(zip(labels, counts, strict=True), key=lambda pair: -pair[1])
        complete = sum(self.class_sizes[c] == n for c, n in frequent)
        overall = inside = float("nan")
        asked = chosen[self.queries[chosen]]
        if len(asked):
            overall = float(self._hits_of(name, asked).mean())
            rows, gallery = self._of(name), chosen[self._place[chosen] >= 0]
            if len(gallery) > 1 or (len(gallery) and self._place[asked[0]] < 0):
                place = {image: j for j, image in enumerate(gallery.tolist())}
                own = [place.get(image, -1) for image in asked.tolist()]
                found, _ = nearest(rows[asked], rows[gallery], k=1, own=own)
                inside = float((self.labels[gallery[found[:, 0].numpy()]] == self.labels[asked]).mean())
        return Selection(len(chosen), dict(frequent), complete, overall, inside)

    def _hits_of(self, name: str, chosen: np.ndarray) -> np.ndarray:
        if name in self._hits:
            return self._hits[name][chosen]
        return self.labels[self._nearest(name, chosen, 1)[0][:, 0]] == self.labels[chosen]

    def _nearest(self, name: str, images: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and cosines, `(Q, k)`, of the nearest images in the gallery; each without itself."""
        rows = self._of(name)
        if name not in self._searches:
            self._searches[name] = ExactSearch(rows[self._gallery], "cosine")
        inside = self._place[images] >= 0
        most = len(self._gallery) - bool(inside.any())
        own = self._place[images] if inside.any() else None
        found, cosine = self._searches[name](rows[images], min(k, most), own)
        return self._gallery[found], cosine

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

    def _checked_map(self, own: np.ndarray) -> np.ndarray:
        if own.dtype.kind not in "iuf":
            raise ValueError(f"coordinates: expected numbers, got {own.dtype}")
        if own.shape != (len(self), 2):
            raise ValueError(f"coordinates: expected shape ({len(self)}, 2), got {own.shape}")
        if not np.isfinite(own).all():
            raise ValueError("coordinates: expected finite numbers, got NaN or infinity")
        return own.astype(float)

    def _read(self, scores: Mapping, metadata: Mapping) -> dict[str, Column]:
        found = {}
        for name, values in _by_name(scores, "scores"):
            found[name] = read_column(values, len(self), f"scores[{name!r}]")
            if found[name].levels is not None:
                raise ValueError(f"scores[{name!r}]: expected numbers, got words; pass them as metadata")
        for name, values in _by_name(metadata, "metadata"):
            if name in found:
                raise ValueError(f"metadata: expected names that differ from those of scores, got {name!r}")
            found[name] = read_column(values, len(self), f"metadata[{name!r}]")
        if not self.queries.all():
            if SET in found:
                raise ValueError(
                    f"metadata: expected a name other than {SET!r}, which says what is in the gallery"
                )
            words = np.where(self.queries, "query", "gallery")
            found[SET] = read_column(words, len(self), SET)
        return found


def _by_name(values: Mapping, argument: str):
    """`(name, value)` with names as text; two names that read the same are refused."""
    names = [str(name) for name in values]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{argument}: expected names that differ, got {twice.pop()!r} twice")
    return zip(names, values.values(), strict=True)
