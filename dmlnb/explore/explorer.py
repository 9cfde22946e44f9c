"""The explorer: a map of images to move in, and what lies behind each point.

A thin shell: `EmbeddingAtlas` computes, and the scripts in `front/` draw points and words and report what was clicked.
Everything the browser shows is also an attribute here, so it can be driven from Python. No part comes from elsewhere:
script and thumbnails travel through the notebook's own connection.
"""

import base64
import csv
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import traitlets as t
from torch import Tensor, nn

from dmlnb.explore.atlas import EmbeddingAtlas
from dmlnb.explore.columns import Column, passes, require_rule
from dmlnb.explore.figures import class_colors, png_bytes
from dmlnb.explore.layout import Layout
from dmlnb.explore.looks import look_pictures, pooling_map
from dmlnb.explore.maps import embedding_map
from dmlnb.explore.names import chosen_rows, whole_numbers
from dmlnb.explore.page import MOST_NEIGHBOURS, write_page
from dmlnb.explore.pictures import Range, thumbnails
from dmlnb.explore.state import CLASS, SharedState
from dmlnb.explore.tiles import THUMBNAIL, sheet, thumbnail

HIT, PRECISION, KEPT, COMMON = (
    "hit or miss",
    "average precision",
    "kept by the map",
    "neighbours in common",
)
MOST_COLORS = 8  # classes told apart by colour and marker; all others are grey
SHEET = 60  # tiles of a contact sheet


class EmbeddingExplorer(SharedState):
    """A 2-D map of embeddings with hover, pick, lasso and filters, or two maps of two embeddings side by side.

    Works with ipywidgets 7.7 (Colab) and 8. A reader without a kernel sees a picture of the map instead; `save_html`
    writes a page that lives without Python.

        explorer = EmbeddingExplorer(images, {"GAP": x, "GSP": y}, labels, looks={"GAP": net, "GSP": other})
        explorer.picked = 7; explorer.neighbours; explorer.selection

    Args:
        images: a batch `(N, 1, H, W)`, `(N, H, W)` or `(N, 3, H, W)`, or images of several sizes: a list or a data set
            such as `ImageFiles`, whose files are opened one after the other and kept as thumbnails (see `as_bytes`).
            uint8 is 0 .. 255, floating point 0 .. 1.
        embeddings: `(N, d)`, or a dictionary of them by name.
        labels: `(N,)` integers >= 0.
        class_names: a name a class, in the order of the labels or `{label: name}`.
        scores: by name, `(N,)` numbers to colour and filter by.
        metadata: by name, `(N,)` numbers or words to colour and filter by; None or NaN where there is none.
        gallery: in which neighbours are looked for: numbers of images or a mask; all other images are the queries.
        range: of images in other numbers: `(low, high)`, `(mean, std)` by channel, or `"imagenet"`.
        coordinates: `(N, 2)`, a map of your own, shown first; its projection is called `"own"`.
        looks: by the name of the embedding, a network (its pooling is shown, see `pooling_map`) or a function from
            images `(1, c, H, W)` to a map `(1, h, w)`: weights >= 0, or integers for an assignment to templates.
        classes: coloured at the start, at most 8.
        seed: of UMAP.

    Attributes:
        atlas: the `EmbeddingAtlas` behind the picture.
        embedding, twin, projection: what is shown: an embedding's name, another's beside it or `""`, and `"PCA"`,
            `"UMAP"` or `"own"`. UMAP is computed in the background, PCA being shown meanwhile; `wait` waits for it.
        color_by: `"class"`, `"hit or miss"`, `"average precision"`, `"kept by the map"` (the share of the 10 nearest
            neighbours that are nearest on the map too), `"neighbours in common"` (of the two embeddings), or a column.
        k: how many neighbours.
        picked: number of the picked image, -1 for none.
        neighbours, hits: numbers of its nearest neighbours, and which are of its class.
        classes, only: the coloured classes, and whether all others are hidden.
        filters: by name of a column `[low, high]` or the words to keep; all must be passed.
        visible: `(N,)` bool, who passes the filters.
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
        metadata: Mapping[str, Sequence] | None = None,
        gallery: Sequence[int] | np.ndarray | Tensor | None = None,
        looks: Mapping[str, nn.Module | Callable[[Tensor], Tensor]] | None = None,
        classes: Sequence[int] | None = None,
        range: Range = None,
        coordinates: Tensor | np.ndarray | None = None,
        seed: int = 0,
    ):
        self.atlas = EmbeddingAtlas(
            embeddings,
            labels,
            class_names=class_names,
            scores=scores,
            metadata=metadata,
            gallery=gallery,
            coordinates=coordinates,
            seed=seed,
        )
        atlas, columns = self.atlas, self.atlas.columns
        taken = {CLASS, HIT, PRECISION, KEPT, COMMON} & set(columns)
        if taken:
            raise ValueError(
                f"scores, metadata: expected names other than the explorer's own, got {taken.pop()!r}"
            )
        if atlas.labels.max() > 2**53:
            raise ValueError(f"labels: expected at most 2^53, got {atlas.labels.max()}; number them anew")
        self._images, self._range = images, range
        if hasattr(images, "__len__") and len(images) != len(atlas):
            raise ValueError(f"images: expected {len(atlas)}, one a label, got {len(images)}")
        self._pictures = thumbnails(images, THUMBNAIL, range=range)
        looks = {str(k): look for k, look in (looks or {}).items()}
        unknown = set(looks) - set(atlas.names)
        if unknown:
            raise ValueError(f"looks: expected names among {', '.join(atlas.names)}, got {unknown}")
        self._looks = {k: pooling_map(v) if isinstance(v, nn.Module) else v for k, v in looks.items()}
        present = list(atlas.class_names)
        chosen = present[:MOST_COLORS] if classes is None else whole_numbers(classes, "classes").tolist()
        if len(chosen) > MOST_COLORS or not set(chosen) <= set(present):
            raise ValueError(f"classes: expected at most {MOST_COLORS} that have images, got {chosen}")
        self.selection = np.array([], dtype=np.int64)
        self._focus: np.ndarray | None = None  # numbers of the images that the map is of; None: all
        self._layout: Layout | None = None
        self._work: threading.Thread | None = None
        sprite, tile = sheet(self._pictures)
        levels = {name: column.levels for name, column in columns.items() if column.levels is not None}
        measured = [HIT, PRECISION, KEPT] + [COMMON] * (len(atlas.names) > 1)
        super().__init__(
            sprite=sprite,
            tile=tile,
            labels=atlas.labels.astype("<f8").tobytes(),
            class_labels=present,
            class_names=list(atlas.class_names.values()),
            palette=class_colors(MOST_COLORS),
            embeddings=atlas.names,
            projections=atlas.projections,
            colorings=[CLASS, *measured, *columns],
            columns={name: _packed(column.values) for name, column in columns.items()},
            levels={HIT: ["miss", "hit"], **levels},
            most_neighbours=min(MOST_NEIGHBOURS, len(atlas) - 1),
            k=min(10, len(atlas) - 1),
            embedding=atlas.names[0],
            projection=atlas.projections[0],
            points=_packed(atlas.points(atlas.names[0], atlas.projections[0])),
            classes=chosen,
        )

    # --- what can be asked and done from Python ---------------------------------------------------------------------

    @property
    def neighbours(self) -> list[int]:
        """Numbers of the picked image's nearest neighbours."""
        return self.found.get("index", [])

    @property
    def hits(self) -> list[bool]:
        """Which of them are of its class."""
        return self.found.get("hit", [])

    @property
    def visible(self) -> np.ndarray:
        """`(N,)` bool: the images that pass all filters."""
        shown = np.isin(self.atlas.labels, self.classes) | (not self.only)
        for name, rule in self.filters.items():
            if rule is not None:
                shown &= passes(self._column(name), rule)
        return shown

    def select(self, chosen: Sequence[int] | np.ndarray | Tensor) -> None:
        """Select the images with these numbers, or where a mask of all images is true."""
        chosen = chosen_rows(chosen, len(self.atlas))
        found = self.atlas.statistics(self.embedding, chosen)
        self.selection = chosen
        self.selected = chosen.astype("<u4").tobytes()
        self.stats = {
            "size": found.size,
            "classes": [list(pair) for pair in found.classes.items()],
            "complete": found.complete,
            "recall": _or_none(found.recall_at_1),
            "inside": _or_none(found.recall_inside),
        }
        self._send_thumbs()

    def focus(self, chosen: Sequence[int] | np.ndarray | Tensor | None) -> None:
        """A map of these images alone (numbers or a mask), projected anew; None shows all again.

        Raises:
            ValueError: for fewer than two images.
        """
        among = None if chosen is None else chosen_rows(chosen, len(self.atlas))
        if among is not None and len(among) < 2:
            raise ValueError(f"chosen: expected at least 2 images for a map, got {len(among)}")
        names = self.atlas.planes.names(None if among is None else len(among))
        self._focus = among
        self.focused = among is not None
        if self.projection in names:
            self._move()
        else:
            self.projection = "PCA"

    def save_csv(self, path: str | os.PathLike) -> None:
        """The selected images as a table: number, label, class, and every column."""
        names = [*self.atlas.columns, *self.measures]
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["index", "label", "class", *names])
            for i in self.selection.tolist():
                label = int(self.atlas.labels[i])
                values = [_word(self._column(name), i) for name in names]
                table.writerow([i, label, self.atlas.class_names[label], *values])

    def save_html(self, path: str | os.PathLike, *, neighbours: int = 20, title: str = "Embeddings") -> None:
        """The explorer as one page of HTML that needs no Python, no network and no other file.

        It holds the map of every embedding by PCA (and your own coordinates), and by UMAP once one of them has been
        computed; the exact nearest neighbours of every image; hits, average precision and what the maps keep. Point,
        pick, lasso, twin maps, colours and filters work; there are no looks, and no maps of a part.

        Args:
            path: of the file.
            neighbours: kept of each image.
            title: of the page.

        Raises:
            ValueError: for neighbours below 1.
        """
        self.wait()
        Path(path).write_text(write_page(self, neighbours, title), encoding="utf-8")

    def wait(self) -> None:
        """Until UMAP is done, if it is at work."""
        if self._work is not None:
            self._work.join()

    # --- answers to what has changed ----------------------------------------------------------------------------------

    @t.validate("embedding", "twin", "projection", "color_by", "picked", "classes", "k", "filters")
    def _valid(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        known = {
            "embedding": self.embeddings,
            "twin": self.embeddings and [*self.embeddings, ""],
            "projection": self.projections,
            "color_by": self.colorings,
        }.get(name)
        if known and value not in known:
            raise t.TraitError(f"{name}: expected one of {', '.join(filter(None, known))}, got {value!r}")
        if name == "picked" and not -1 <= value < len(self.atlas):
            raise t.TraitError(f"picked: expected -1 .. {len(self.atlas) - 1}, got {value}")
        if name == "k" and not 1 <= value <= self.most_neighbours:
            raise t.TraitError(f"k: expected 1 .. {self.most_neighbours}, got {value}")
        if name == "classes":
            if len(value) > MOST_COLORS or not all(c in self.atlas.class_names for c in value):
                raise t.TraitError(f"classes: expected at most {MOST_COLORS} that have images, got {value}")
        if name == "filters":
            for column, rule in value.items():
                if column not in self.colorings[1:]:
                    raise t.TraitError(
                        f"filters: expected names among {', '.join(self.colorings[1:])}, got {column!r}"
                    )
                try:
                    require_rule(self._described(column), rule, column)
                except ValueError as error:
                    raise t.TraitError(str(error)) from None
        return value

    @t.observe("embedding", "twin", "projection")
    def _move(self, change=None) -> None:
        if self.twin == self.embedding:
            self.twin = ""
            return
        self._stop()
        if self.projection == "UMAP":
            missing = [name for name in self._shown() if not self.atlas.has_points(name, "UMAP", self._focus)]
            if missing:
                self._start(missing)
        self._send_points()
        if change is not None and change["name"] in ("embedding", "twin"):
            self._describe(change)
            self.select(self.selection)

    @t.observe("color_by", "filters")
    def _measure(self, change=None) -> None:
        """Send the measures that are coloured or filtered by."""
        wanted = [name for name in (self.color_by, *self.filters) if name in (HIT, PRECISION, KEPT, COMMON)]
        if change is not None and set(wanted) <= set(self.measures):
            return
        slow = len(self.atlas) > 5000 and wanted and not self.busy
        if slow:
            self.status = f"comparing {len(self.atlas)} images …"
        self.measures = {name: _packed(self._column(name).values) for name in wanted}
        if slow:
            self.status = ""

    @t.observe("picked", "k")
    def _describe(self, change) -> None:
        self.found = self._neighbours(self.embedding)
        self.twin_found = self._neighbours(self.twin)
        self._send_thumbs()
        if change["name"] == "picked":
            known = self.picked >= 0
            self.looks = look_pictures(self._looks, self._images, self.picked, self._range) if known else []

    @t.observe("lasso")
    def _enclose(self, change) -> None:
        if len(self.lasso) < 3:
            self.select([])
            return
        name = self.twin if self.lasso_on_twin and self.twin else self.embedding
        chosen = self.atlas.inside(name, self._drawn(name), self.lasso, self._focus)
        self.select(chosen[self.visible[chosen]])

    @t.observe("sheet")
    def _send_thumbs(self, change=None) -> None:
        seen = [self.picked] * (self.picked >= 0) + self.neighbours + self.twin_found.get("index", [])
        if self.sheet:
            order = np.lexsort((self.selection, self.atlas.labels[self.selection]))
            seen += self.selection[order][:SHEET].tolist()
        had = self.thumbs
        self.thumbs = {str(i): had.get(str(i)) or thumbnail(self._pictures[i]) for i in seen}

    @t.observe("request")
    def _do(self, change) -> None:
        what = self.request[0] if self.request else ""
        if what == "cancel" and self.busy:
            self.projection = "PCA"
        elif what == "everything":
            self.focus(None)
        elif what == "focus" and len(self.selection) >= 2:
            self.focus(self.selection)

    # --- UMAP in the background ---------------------------------------------------------------------------------------

    def _start(self, missing: list[str]) -> None:
        """Compute these maps in another process, one after the other; then show them."""
        layouts = [Layout(self.atlas.planes.part(name, self._focus), self.atlas.seed) for name in missing]
        among, self._layout, self.busy = self._focus, layouts, True
        self.status = f"UMAP of {missing[0]}: looking for neighbours … (PCA is shown meanwhile)"

        def work():
            try:
                for name, layout in zip(missing, layouts, strict=True):
                    tell = lambda share, name=name: self._tell(layouts, f"UMAP of {name}: {share:.0%}")
                    points = layout.run(tell)
                    if points is None:
                        return
                    self.atlas.planes.keep(name, "UMAP", points, among)
                self._finish(layouts, "")
            except RuntimeError as error:
                self._finish(layouts, str(error))

        self._work = threading.Thread(target=work, daemon=True)
        self._work.start()

    def _tell(self, layouts: list[Layout], words: str) -> None:
        if self._layout is layouts:
            self.status = words

    def _finish(self, layouts: list[Layout], words: str) -> None:
        if self._layout is layouts:
            self._layout, self.busy, self.status = None, False, words
            self._send_points()

    def _stop(self) -> None:
        if self._layout is not None:
            for layout in self._layout:
                layout.stop()
            self._layout, self.busy, self.status = None, False, ""

    # --- parts of the answers -----------------------------------------------------------------------------------------

    def _shown(self) -> list[str]:
        return [self.embedding] + [self.twin] * (self.twin != "")

    def _drawn(self, name: str) -> str:
        """The projection that is on the screen: PCA as long as UMAP is at work or could not be computed."""
        ready = self.projection != "UMAP" or self.atlas.has_points(name, "UMAP", self._focus)
        return self.projection if ready else "PCA"

    def _send_points(self) -> None:
        places = [_packed(self.atlas.points(name, self._drawn(name), self._focus)) for name in self._shown()]
        self.twin_points = places[1] if self.twin else b""
        self.points = places[0]
        self._measure()

    def _neighbours(self, name: str) -> dict:
        if self.picked < 0 or not name:
            return {}
        found = self.atlas.neighbours(name, self.picked, self.k)
        return {
            "index": found.index.tolist(),
            "distance": found.distance.tolist(),
            "cosine": found.similarity.tolist(),
            "hit": found.hit.tolist(),
        }

    def _described(self, name: str) -> Column | None:
        """The column of a name as far as it is known without computing it: what its levels are."""
        if name == HIT:
            return Column(np.zeros(0), self.levels[HIT])
        return self.atlas.columns.get(name)

    def _column(self, name: str) -> Column:
        atlas = self.atlas
        if name == HIT:
            hits = atlas.hits(self.embedding).astype(np.float32)
            return Column(np.where(atlas.queries, hits, np.float32(np.nan)), self.levels[HIT])
        if name == PRECISION:
            return Column(atlas.average_precision(self.embedding))
        if name == KEPT:
            return Column(atlas.kept(self.embedding, self._drawn(self.embedding), self._focus))
        if name == COMMON:
            nothing = np.full(len(atlas), np.nan, dtype=np.float32)
            return Column(atlas.in_common(self.embedding, self.twin) if self.twin else nothing)
        return atlas.columns[name]

    # --- for readers without a kernel ---------------------------------------------------------------------------------

    def png(self) -> bytes:
        """The map as a picture: what a reader without a kernel sees."""
        self.wait()
        points = self.atlas.points(self.embedding, self._drawn(self.embedding), self._focus)
        some = np.flatnonzero(np.isfinite(points[:, 0]) & self.visible)
        if len(some) > 5000:
            some = np.sort(np.random.default_rng(0).choice(some, 5000, replace=False))
        # coloured classes come first, so that they have the same colours and markers as in the browser
        place = {c: j for j, c in enumerate(self.classes)}
        labels = [place.get(c, MOST_COLORS + c) for c in self.atlas.labels[some].tolist()]
        figure = embedding_map(
            points[some],
            labels,
            [self.atlas.class_names[c] for c in self.classes],
            list(place.values()),
            title=self.embedding,
            axis_names=(f"{self._drawn(self.embedding)} 1", f"{self._drawn(self.embedding)} 2"),
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


def _packed(numbers: np.ndarray) -> bytes:
    return np.ascontiguousarray(numbers, dtype="<f4").tobytes()


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else number


def _word(column: Column, index: int) -> str:
    value = float(column.values[index])
    if np.isnan(value):
        return ""
    return repr(value) if column.levels is None else column.levels[int(value)]
