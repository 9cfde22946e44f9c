"""The explorer: a map of images to move in, and what lies behind each point.

A thin shell: `EmbeddingAtlas` computes, `rows` and `tiles` make words and pictures of it, and `explorer.js` draws
points and reports what was clicked. Everything the browser shows is also an attribute here, so it can be driven from
Python. No part comes from elsewhere: script and thumbnails travel through the notebook's own connection.
"""

import base64
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import traitlets as t
from torch import Tensor, nn

from dmlnb.explore import rows
from dmlnb.explore.atlas import EmbeddingAtlas
from dmlnb.explore.figures import class_colors, png_bytes
from dmlnb.explore.looks import pooling_map
from dmlnb.explore.maps import embedding_map
from dmlnb.explore.names import chosen_rows, whole_numbers
from dmlnb.explore.pictures import Range, thumbnails
from dmlnb.explore.state import CLASS, SharedState
from dmlnb.explore.tiles import THUMBNAIL, sheet

HIT = "hit or miss"
MOST_COLORS = 8  # classes told apart by colour and marker; all others are grey


class EmbeddingExplorer(SharedState):
    """A 2-D map of embeddings with hover, pick, lasso, filter, and a switch between embeddings of the same images.

    Works with ipywidgets 7.7 (Colab) and 8. A reader without a kernel sees a picture of the map instead.

        explorer = EmbeddingExplorer(images, {"GAP": x, "GSP": y}, labels, looks={"GAP": net, "GSP": other})
        explorer.picked = 7; explorer.neighbours; explorer.selection

    Args:
        images: a batch `(N, 1, H, W)`, `(N, H, W)` or `(N, 3, H, W)`, or images of several sizes: a list or a data set
            such as `ImageFiles`, whose files are opened one after the other and kept as thumbnails (see `as_bytes`).
            uint8 is 0 .. 255, floating point 0 .. 1.
        embeddings: `(N, d)`, or a dictionary of them by name.
        labels: `(N,)` integers >= 0.
        class_names: a name a class, in the order of the labels or `{label: name}`.
        scores: by name, `(N,)` numbers to colour by.
        range: of images in other numbers: `(low, high)`, `(mean, std)` by channel, or `"imagenet"`.
        coordinates: `(N, 2)`, a map of your own, shown first; its projection is called `"own"`.
        looks: by the name of the embedding, a network (its pooling is shown, see `pooling_map`) or a function from
            images `(1, c, H, W)` to a map `(1, h, w)`: weights >= 0, or integers for an assignment to templates.
        classes: coloured at the start, at most 8.
        seed: of UMAP.

    Attributes:
        atlas: the `EmbeddingAtlas` behind the picture.
        embedding, projection, color_by: what is shown; `"PCA"`, `"UMAP"` or `"own"`; `"class"`, `"hit or miss"` or a
            score.
        picked: number of the picked image, -1 for none.
        neighbours: numbers of its nearest neighbours.
        classes, only: the coloured classes, and whether all others are hidden.
        selection: numbers of the selected images, an array; `select` sets them.

    Raises:
        ValueError: for shapes that do not fit, images outside their range, more than 8 classes, or a look without an
            embedding of its name.

    Taught in notebook 08.
    """

    def __init__(
        self,
        images: Tensor | np.ndarray | Sequence,
        embeddings: Tensor | np.ndarray | Mapping[str, Tensor | np.ndarray],
        labels: Tensor | np.ndarray | Sequence[int],
        *,
        class_names: Sequence[str] | Mapping[int, str] | None = None,
        scores: Mapping[str, Sequence[float]] | None = None,
        looks: Mapping[str, nn.Module | Callable[[Tensor], Tensor]] | None = None,
        classes: Sequence[int] | None = None,
        range: Range = None,
        coordinates: Tensor | np.ndarray | None = None,
        seed: int = 0,
    ):
        self.atlas = EmbeddingAtlas(
            embeddings, labels, class_names=class_names, scores=scores, coordinates=coordinates, seed=seed
        )
        taken = {CLASS, HIT} & set(self.atlas.scores)
        if taken:
            raise ValueError(f"scores: expected names other than {CLASS!r} and {HIT!r}, got {taken.pop()!r}")
        if self.atlas.labels.max() > 2**53:
            raise ValueError(
                f"labels: expected at most 2^53, got {self.atlas.labels.max()}; number them anew"
            )
        self._images, self._range = images, range
        if hasattr(images, "__len__") and len(images) != len(self.atlas):
            raise ValueError(f"images: expected {len(self.atlas)}, one a label, got {len(images)}")
        self._pictures = thumbnails(images, THUMBNAIL, range=range)
        looks = {str(k): look for k, look in (looks or {}).items()}
        unknown = set(looks) - set(self.atlas.names)
        if unknown:
            raise ValueError(f"looks: expected names among {', '.join(self.atlas.names)}, got {unknown}")
        self._looks = {k: pooling_map(v) if isinstance(v, nn.Module) else v for k, v in looks.items()}
        present = list(self.atlas.class_names)
        chosen = present[:MOST_COLORS] if classes is None else whole_numbers(classes, "classes").tolist()
        if len(chosen) > MOST_COLORS or not set(chosen) <= set(present):
            raise ValueError(f"classes: expected at most {MOST_COLORS} that have images, got {chosen}")
        self.selection = np.array([], dtype=np.int64)
        sprite, tile = sheet(self._pictures)
        super().__init__(
            sprite=sprite,
            tile=tile,
            labels=self.atlas.labels.astype("<f8").tobytes(),
            class_labels=present,
            class_names=list(self.atlas.class_names.values()),
            palette=class_colors(MOST_COLORS),
            embeddings=self.atlas.names,
            projections=self.atlas.projections,
            colorings=[CLASS, HIT, *self.atlas.scores],
            embedding=self.atlas.names[0],
            projection=self.atlas.projections[0],
            points=_packed(self.atlas.points(self.atlas.names[0], self.atlas.projections[0])),
            classes=chosen,
            score_range=[0.0, 1.0],
        )

    def select(self, chosen: Sequence[int] | np.ndarray | Tensor) -> None:
        """Select the images with these numbers, or where a mask of all images is true."""
        chosen = chosen_rows(chosen, len(self.atlas))
        found = self.atlas.statistics(self.embedding, chosen)
        self.selection = chosen
        self.selected = chosen.astype("<u4").tobytes()
        self.selection_html = rows.selection_block(self.atlas, found) if len(chosen) else ""
        self._fill_sheet()

    @t.validate("embedding", "projection", "color_by", "picked", "classes")
    def _valid(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        known = {"embedding": "embeddings", "projection": "projections", "color_by": "colorings"}.get(name)
        if known and getattr(self, known) and value not in getattr(self, known):
            raise t.TraitError(f"{name}: expected one of {', '.join(getattr(self, known))}, got {value!r}")
        if name == "picked" and not -1 <= value < len(self.atlas):
            raise t.TraitError(f"picked: expected -1 .. {len(self.atlas) - 1}, got {value}")
        if name == "classes":
            if len(value) > MOST_COLORS or not all(c in self.atlas.class_names for c in value):
                raise t.TraitError(f"classes: expected at most {MOST_COLORS} that have images, got {value}")
        return value

    @t.observe("embedding", "projection")
    def _move(self, change) -> None:
        number = len(self.atlas)
        if self.projection == "UMAP" and not self.atlas.has_points(self.embedding, "UMAP"):
            self.status = f"UMAP of {number} images: up to {10 + number // 250} seconds, once …"
        try:
            self.points = _packed(self.atlas.points(self.embedding, self.projection))
        finally:
            self.status = ""
        if change["name"] == "embedding":
            self._recolor(change)
            self._describe(change)
            self.select(self.selection)

    @t.observe("color_by")
    def _recolor(self, change) -> None:
        if self.color_by == CLASS:
            self.score = b""
            return
        if self.color_by == HIT:
            values = self.atlas.hits(self.embedding).astype("<f4")
        else:
            values = self.atlas.scores[self.color_by].astype("<f4")
            finite = values[np.isfinite(values)]
            low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
            self.score_range = [low, high if high > low else low + 1.0]
        self.score = values.tobytes()

    @t.observe("picked")
    def _describe(self, change) -> None:
        if self.picked < 0:
            self.neighbours, self.hits = [], []
            self.picked_html = self.row_html = self.look_html = ""
            return
        found = self.atlas.neighbours(self.embedding, self.picked)
        self.neighbours, self.hits = found.index.tolist(), found.hit.tolist()
        self.picked_html = rows.picked_line(self.atlas, self.embedding, self.picked, found)
        self.row_html = rows.neighbour_row(self.atlas, self._pictures, self.picked, found)
        if change["name"] == "picked":
            self.look_html = rows.looks(self._looks, self._images, self.picked, self._range)

    @t.observe("lasso")
    def _enclose(self, change) -> None:
        if len(self.lasso) < 3:
            self.select([])
            return
        chosen = self.atlas.inside(self.embedding, self.projection, self.lasso)
        if self.only:
            chosen = chosen[np.isin(self.atlas.labels[chosen], self.classes)]
        self.select(chosen)

    @t.observe("sheet")
    def _fill_sheet(self, change=None) -> None:
        shown = self.sheet and len(self.selection)
        self.sheet_html = rows.contact_tiles(self.atlas, self._pictures, self.selection) if shown else ""

    def png(self) -> bytes:
        """The map as a picture: what a reader without a kernel sees."""
        some = np.arange(len(self.atlas))
        if len(some) > 5000:
            some = np.sort(np.random.default_rng(0).choice(some, 5000, replace=False))
        # coloured classes come first, so that they have the same colours and markers as in the browser
        place = {c: j for j, c in enumerate(self.classes)}
        labels = [place.get(c, MOST_COLORS + c) for c in self.atlas.labels[some].tolist()]
        figure = embedding_map(
            self.atlas.points(self.embedding, self.projection)[some],
            labels,
            [self.atlas.class_names[c] for c in self.classes],
            list(place.values()),
            title=self.embedding,
            axis_names=(f"{self.projection} 1", f"{self.projection} 2"),
        )
        return png_bytes(figure)

    def _repr_mimebundle_(self, **kwargs):
        made = super()._repr_mimebundle_(**kwargs)
        data, metadata = made if isinstance(made, tuple) else (made, {})
        data = {
            **data,
            "text/plain": f"Embedding explorer of {len(self.atlas)} images (interactive: run the cell to use it)",
            "image/png": base64.b64encode(self.png()).decode(),
        }
        return data, metadata


def _packed(points: np.ndarray) -> bytes:
    return np.ascontiguousarray(points, dtype="<f4").tobytes()
