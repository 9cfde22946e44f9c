"""Pictures of images: contact sheets, and queries with their neighbours."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from dmlnb.explore.canvas import (
    CAPTION,
    DETAIL,
    GAP,
    MARGIN,
    draw_badge,
    draw_caption,
    draw_frame,
    draw_outline,
    same_number,
    show,
)
from dmlnb.explore.figures import HIT, INK, MISS, SOFT, blank_figure, class_color, style, to_numpy
from dmlnb.explore.names import plain, whole_numbers
from dmlnb.explore.pictures import thumbnails


@style()
def contact_sheet(
    images,
    labels=None,
    columns: int = 10,
    titles: Sequence[str] | None = None,
    masks=None,
    *,
    range=None,
    title: str | None = None,
    width: float = 7.5,
) -> Figure:
    """Images in rows.

    Args:
        images: a batch `(N, 1, H, W)`, `(N, H, W)` or `(N, 3, H, W)`, or images of several sizes: a list or a data set
            (see `dmlnb.explore.as_bytes`). uint8 is 0 .. 255, floating point 0 .. 1.
        labels: `(N,)` integers >= 0; each image gets a frame in the colour of its class.
        columns: images a row.
        titles: N captions.
        masks: `(N, H, W)` bool; outlined.
        range: of other numbers: `(low, high)`, `(mean, std)` or `"imagenet"`.
        title: above all.
        width: of a full row, inches.

    Returns:
        The figure.

    Raises:
        ValueError: for images of another shape or range, or captions, labels or masks of another number.

    Taught in notebook 00.
    """
    pictures = thumbnails(images, DETAIL, range=range)
    columns = min(columns, len(pictures))
    same_number(pictures, labels=labels, titles=titles, masks=masks)
    caption = CAPTION if titles is not None else 0.0
    size = min((width - 2 * MARGIN + GAP) / columns - GAP, 1.1)
    top = MARGIN + (0.26 if title else 0.0)
    rows = -(-len(pictures) // columns)
    figure, ax = blank_figure(
        max(columns * (size + GAP) - GAP + 2 * MARGIN, 3.2),
        top + rows * (size + caption + GAP) + MARGIN - GAP,
    )
    classes = None if labels is None else whole_numbers(labels).tolist()
    for i, picture in enumerate(pictures):
        x = MARGIN + (i % columns) * (size + GAP)
        y = top + (i // columns) * (size + caption + GAP) + caption
        show(ax, picture, x, y, size)
        if titles is not None:
            draw_caption(ax, titles[i], x, y, size)
        if classes is not None:
            draw_frame(ax, x, y, size, class_color(classes[i]), 1.6)
        if masks is not None:
            draw_outline(ax, to_numpy(masks[i]), x, y, size)
    if title:
        ax.text(MARGIN, MARGIN, plain(title), va="top", fontsize=11)
    return figure


@style()
def neighbour_rows(
    query_images,
    neighbour_images,
    hits,
    query_titles: Sequence[str] | None = None,
    neighbour_titles: Sequence[Sequence[str]] | None = None,
    *,
    range=None,
    title: str | None = None,
) -> Figure:
    """One row a query: the query, then its neighbours; hits have a green frame and a tick, misses red and a cross.

    Args:
        query_images: Q images, as in `contact_sheet`.
        neighbour_images: `(Q, k, ...)`, nearest first; or Q lists or data sets of k images each.
        hits: `(Q, k)` bool, whether the neighbour is of the query's class.
        query_titles: Q captions.
        neighbour_titles: Q times k captions.
        range: as in `contact_sheet`.
        title: above all.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that do not fit, or hits that are neither true nor false.

    Taught in notebook 00.
    """
    queries, hits = thumbnails(query_images, DETAIL, range=range, name="query_images"), _truth(hits)
    neighbours, shape = _by_rank(neighbour_images, range)
    if hits.ndim != 2 or shape != hits.shape or len(queries) != len(hits):
        raise ValueError(
            f"neighbour_images, hits: expected ({len(queries)}, k, ...) and ({len(queries)}, k), "
            f"got {shape} and {hits.shape}"
        )
    same_number(queries, query_titles=query_titles, neighbour_titles=neighbour_titles)
    number, k = hits.shape
    size = min(0.86, (7.5 - 0.3) / (k + 1) - GAP)
    caption = CAPTION if query_titles is not None or neighbour_titles is not None else 0.0
    first = MARGIN + size + 0.3  # where the neighbours begin
    top = MARGIN + (0.28 if title else 0.0) + 0.24
    figure, ax = blank_figure(
        max(first + k * (size + GAP) - GAP + MARGIN, 3.2),
        top + number * (size + caption + 0.14) + MARGIN - 0.06,
    )
    if title:
        ax.text(MARGIN, MARGIN, plain(title), va="top", fontsize=11)
    heads = [f"neighbour {j + 1}" if j == 0 and size > 0.8 else str(j + 1) for j in np.arange(k)]
    places = [MARGIN, *(first + np.arange(k) * (size + GAP))]
    for x, head in zip(places, ["query", *heads], strict=True):
        ax.text(x + size / 2, top - 0.06, head, ha="center", va="bottom", fontsize=9, color=SOFT)
    for i, query in enumerate(queries):
        y = top + i * (size + caption + 0.14) + caption
        show(ax, query, MARGIN, y, size)
        draw_frame(ax, MARGIN, y, size, INK, 2)
        if query_titles is not None:
            draw_caption(ax, query_titles[i], MARGIN, y, size)
        for j, x in enumerate(places[1:]):
            show(ax, neighbours[i][j], x, y, size)
            draw_frame(ax, x, y, size, HIT if hits[i, j] else MISS, 2.4)
            draw_badge(ax, x + size - 0.1, y + size - 0.1, bool(hits[i, j]))
            if neighbour_titles is not None:
                draw_caption(ax, neighbour_titles[i][j], x, y, size)
    return figure


def _by_rank(images, range) -> tuple[list, tuple[int, ...]]:
    """The neighbours of each query as bytes, and their numbers (Q, k)."""
    if isinstance(images, torch.Tensor | np.ndarray):
        if images.ndim < 2:
            raise ValueError(f"neighbour_images: expected (Q, k, ...), got {tuple(images.shape)}")
        flat = thumbnails(images.reshape(-1, *images.shape[2:]), DETAIL, range=range, name="neighbour_images")
        number, k = images.shape[:2]
        return [flat[i * k : (i + 1) * k] for i in np.arange(number)], (number, k)
    rows = [thumbnails(row, DETAIL, range=range, name="neighbour_images") for row in images]
    lengths = {len(row) for row in rows}
    if len(lengths) != 1:
        raise ValueError(f"neighbour_images: expected as many of each query, got {sorted(lengths)}")
    return rows, (len(rows), lengths.pop())


def _truth(hits) -> np.ndarray:
    array = to_numpy(hits)
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise ValueError(f"hits: expected bool, got {array.dtype} other than 0 and 1")
    return array.astype(bool)
