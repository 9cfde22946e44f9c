"""The explorer's words and rows of thumbnails, as HTML that any notebook shows and any test can read."""

import base64
import html
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dmlnb.explore.atlas import EmbeddingAtlas, Neighbours, Selection
from dmlnb.explore.figures import png_bytes, to_numpy
from dmlnb.explore.pictures import Range, as_tensor
from dmlnb.explore.regions import assignment_maps, pooling_overlay
from dmlnb.explore.tiles import thumbnail


def tile(picture: np.ndarray, index: int, title: str, caption: str, hit: bool | None = None) -> str:
    """One image as a button that picks it; a hit has a full frame and a tick, a miss a dashed one and a cross."""
    kind = "" if hit is None else (" hit" if hit else " miss")
    mark = "" if hit is None else f'<i aria-hidden="true">{"✓" if hit else "✗"}</i>'
    said = "" if hit is None else (", hit" if hit else ", miss")
    words = html.escape(f"{title}{said}", quote=True)
    return (
        f'<button type="button" class="dmlnb-tile{kind}" data-index="{index}" title="{words}" aria-label="{words}">'
        f'<img src="{thumbnail(picture)}" alt="">{mark}<small>{html.escape(caption)}</small></button>'
    )


def neighbour_row(
    atlas: EmbeddingAtlas, pictures: Sequence[np.ndarray], index: int, found: Neighbours
) -> str:
    """The nearest neighbours of image `index` as tiles, with class and distance."""
    tiles = []
    for rank, (i, distance, cosine, hit) in enumerate(
        zip(found.index, found.distance, found.similarity, found.hit, strict=True), start=1
    ):
        name = atlas.class_names[atlas.labels[i]]
        title = f"neighbour {rank}: image {i}, class {name}, distance {distance:.2f}, cosine {cosine:.2f}"
        tiles.append(tile(pictures[i], int(i), title, f"{name} {distance:.2f}", bool(hit)))
    return f'<div class="dmlnb-row" role="list">{"".join(tiles)}</div>'


def picked_line(atlas: EmbeddingAtlas, name: str, index: int, found: Neighbours) -> str:
    """Which image is picked, and how many of its neighbours are hits."""
    own = html.escape(atlas.class_names[atlas.labels[index]])
    of_class = atlas.class_sizes[atlas.labels[index]] - 1
    hits = f"{int(found.hit.sum())} of {len(found.hit)} neighbours are hits"
    scores = "".join(f", {html.escape(k)} {v[index]:.3g}" for k, v in atlas.scores.items())
    return (
        f"<b>Image {index}</b>, class <b>{own}</b> ({of_class} others in the set){scores}. "
        f"By <b>{html.escape(name)}</b>: {hits}."
    )


def selection_block(atlas: EmbeddingAtlas, found: Selection, most: int = 8) -> str:
    """Statistics of a selection as a small table of its classes, longest bar first."""
    if not found.size:
        return "<p>Nothing is selected.</p>"
    plural = "" if found.size == 1 else "s"
    classes = len(found.classes)
    head = (
        f"<b>{found.size} image{plural}</b> of {classes} class{'' if classes == 1 else 'es'}, "
        f"{found.complete} of them completely. R@1 {_percent(found.recall_at_1)} against all images, "
        f"{_percent(found.recall_inside)} inside the selection."
    )
    largest = max(found.classes.values())
    rows = "".join(
        f'<tr><td>{html.escape(atlas.class_names[c])}</td><td><span style="width:{100 * n / largest:.0f}%"></span>'
        f"</td><td>{n} of {atlas.class_sizes[c]}</td></tr>"
        for c, n in list(found.classes.items())[:most]
    )
    rest = f"<p>classes not listed: {classes - most}</p>" if classes > most else ""
    return f"<p>{head}</p><table>{rows}</table>{rest}"


def contact_tiles(
    atlas: EmbeddingAtlas, pictures: Sequence[np.ndarray], chosen: Sequence[int], most: int = 60
) -> str:
    """The selected images as tiles, class after class."""
    chosen = np.asarray(chosen, dtype=np.int64)
    ordered = chosen[np.argsort(atlas.labels[chosen], kind="stable")]
    tiles = []
    for i in ordered[:most]:
        name = atlas.class_names[atlas.labels[i]]
        tiles.append(tile(pictures[i], int(i), f"image {i}, class {name}", name))
    rest = f"<p>and {len(ordered) - most} more</p>" if len(ordered) > most else ""
    return f'<div class="dmlnb-row dmlnb-sheet">{"".join(tiles)}</div>{rest}'


def looks(named: Mapping[str, Callable], images, index: int, range: Range = None) -> str:
    """Where image `index` is looked at, by name a function `(1, c, H, W) -> (1, h, w)`, below each other."""
    if not named:
        return ""
    image = as_tensor(images, index)
    maps = {name: to_numpy(look(image)) for name, look in named.items()}
    weights = {name: m for name, m in maps.items() if np.issubdtype(m.dtype, np.floating)}
    figures = [pooling_overlay(image, weights, range=range)] if weights else []
    for name, winner in maps.items():
        if name not in weights:
            figures.append(assignment_maps(image, winner, num_prototypes=int(winner.max()) + 1, range=range))
    alt = html.escape(f"Image {index} and, below it, where it is looked at by {', '.join(maps)}", quote=True)
    pictures = (base64.b64encode(png_bytes(figure, 80)).decode() for figure in figures)
    return "".join(f'<img alt="{alt}" src="data:image/png;base64,{picture}">' for picture in pictures)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.0f} %"
