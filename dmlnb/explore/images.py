"""Pictures of images: contact sheets, queries with their neighbours, and what a pooling looks at."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dmlnb.explore.figures import ACCENT, HIT, INK, MISS, SOFT, blank_figure, class_colors, style, to_numpy

_GAP, _CAPTION, _MARGIN = 0.08, 0.2, 0.08  # inches
_OCTAVES = 3  # the scale of weights goes from 1/8 to 8 times the uniform weight
_HEAT = LinearSegmentedColormap.from_list(
    "less, uniform, more", ["#5E3C99", "#B2ABD2", "#F7F7F7", "#FDB863", "#E66101"]
)


@style()
def contact_sheet(
    images,
    labels=None,
    columns: int = 10,
    titles: Sequence[str] | None = None,
    masks=None,
    *,
    title: str | None = None,
    width: float = 7.5,
) -> Figure:
    """Images in rows.

    Args:
        images: `(N, 1, H, W)`, `(N, H, W)` or `(N, 3, H, W)`: uint8 in 0 .. 255, or floating point in 0 .. 1 or
            (when something is negative) in -0.5 .. 0.5.
        labels: `(N,)` integers; each image gets a frame in the colour of its class.
        columns: images a row.
        titles: N captions.
        masks: `(N, H, W)` bool; outlined.
        title: above all.
        width: of a full row, inches.

    Returns:
        The figure.

    Raises:
        ValueError: for images of another shape, or captions, labels or masks of another number.

    Taught in notebook 00.
    """
    pictures = _pictures(images)
    columns = min(columns, len(pictures))
    _same_number(pictures, labels=labels, titles=titles, masks=masks)
    caption = _CAPTION if titles is not None else 0.0
    size = min((width - 2 * _MARGIN + _GAP) / columns - _GAP, 1.1)
    top = _MARGIN + (0.26 if title else 0.0)
    rows = -(-len(pictures) // columns)
    figure, ax = blank_figure(
        max(columns * (size + _GAP) - _GAP + 2 * _MARGIN, 3.2),
        top + rows * (size + caption + _GAP) + _MARGIN - _GAP,
    )
    colors = None if labels is None else class_colors(int(to_numpy(labels).max()) + 1)
    for i, picture in enumerate(pictures):
        x = _MARGIN + (i % columns) * (size + _GAP)
        y = top + (i // columns) * (size + caption + _GAP) + caption
        _show(ax, picture, x, y, size)
        if titles is not None:
            _caption(ax, titles[i], x, y, size)
        if labels is not None:
            _frame(ax, x, y, size, colors[int(labels[i])], 1.6)
        if masks is not None:
            _outline(ax, to_numpy(masks)[i], x, y, size)
    if title:
        ax.text(_MARGIN, _MARGIN, title, va="top", fontsize=11)
    return figure


@style()
def neighbour_rows(
    query_images,
    neighbour_images,
    hits,
    query_titles: Sequence[str] | None = None,
    neighbour_titles: Sequence[Sequence[str]] | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """One row a query: the query, then its neighbours; hits have a green frame and a tick, misses red and a cross.

    Args:
        query_images: `(Q, ...)`, each image as in `contact_sheet`.
        neighbour_images: `(Q, k, ...)`, nearest first.
        hits: `(Q, k)` bool, whether the neighbour is of the query's class.
        query_titles: Q captions.
        neighbour_titles: Q times k captions.
        title: above all.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that do not fit.

    Taught in notebook 00.
    """
    queries, hits = _pictures(query_images, "query_images"), to_numpy(hits).astype(bool)
    neighbours = to_numpy(neighbour_images)
    if hits.ndim != 2 or neighbours.shape[:2] != hits.shape or len(queries) != len(hits):
        raise ValueError(
            f"neighbour_images, hits: expected ({len(queries)}, k, ...) and ({len(queries)}, k), "
            f"got {neighbours.shape} and {hits.shape}"
        )
    _same_number(queries, query_titles=query_titles, neighbour_titles=neighbour_titles)
    number, k = hits.shape
    neighbours = _pictures(neighbours.reshape(number * k, *neighbours.shape[2:]), "neighbour_images")
    size = min(0.86, (7.5 - 0.3) / (k + 1) - _GAP)
    caption = _CAPTION if query_titles is not None or neighbour_titles is not None else 0.0
    first = _MARGIN + size + 0.3  # where the neighbours begin
    top = _MARGIN + (0.28 if title else 0.0) + 0.24
    figure, ax = blank_figure(
        max(first + k * (size + _GAP) - _GAP + _MARGIN, 3.2),
        top + number * (size + caption + 0.14) + _MARGIN - 0.06,
    )
    if title:
        ax.text(_MARGIN, _MARGIN, title, va="top", fontsize=11)
    ax.text(_MARGIN + size / 2, top - 0.06, "query", ha="center", va="bottom", fontsize=9, color=SOFT)
    for j in range(k):
        name = f"neighbour {j + 1}" if j == 0 and size > 0.8 else str(j + 1)
        ax.text(
            first + j * (size + _GAP) + size / 2,
            top - 0.06,
            name,
            ha="center",
            va="bottom",
            fontsize=9,
            color=SOFT,
        )
    for i in range(number):
        y = top + i * (size + caption + 0.14) + caption
        _show(ax, queries[i], _MARGIN, y, size)
        _frame(ax, _MARGIN, y, size, INK, 2)
        if query_titles is not None:
            _caption(ax, query_titles[i], _MARGIN, y, size)
        for j in range(k):
            x = first + j * (size + _GAP)
            color = HIT if hits[i, j] else MISS
            _show(ax, neighbours[i * k + j], x, y, size)
            _frame(ax, x, y, size, color, 2.4)
            _badge(ax, x + size - 0.1, y + size - 0.1, bool(hits[i, j]))
            if neighbour_titles is not None:
                _caption(ax, neighbour_titles[i][j], x, y, size)
    return figure


@style()
def pooling_overlay(
    images, weights, masks=None, *, titles: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """What a pooling looks at: each image, and below it the weights of its regions, relative to uniform ones.

    A weight of 1 is what average pooling gives to every region. The scale is logarithmic and common to all pictures:
    white is uniform, orange more, violet less.

    Args:
        images: `(B, ...)` as in `contact_sheet`.
        weights: `(B, h, w)`, or a dictionary of them, one row a method. They need not sum to 1.
        masks: `(B, H, W)` bool; outlined.
        titles: B captions.
        title: above all.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that do not fit, or weights that are negative, NaN, or all zero for an image.

    Taught in notebook 02.
    """
    pictures = _pictures(images)
    named = {
        k: to_numpy(v) for k, v in (weights if isinstance(weights, Mapping) else {"weights": weights}).items()
    }
    _same_number(pictures, masks=masks, titles=titles, **named)
    ratios = {}
    for name, w in named.items():
        if w.ndim != 3 or not (np.isfinite(w).all() and (w >= 0).all() and (w.sum(axis=(1, 2)) > 0).all()):
            raise ValueError(
                f"weights: expected (B, h, w), >= 0, finite, not all zero, got {w.shape} for {name}"
            )
        ratio = w / w.mean(axis=(1, 2), keepdims=True)  # 1 = uniform
        ratios[name] = np.log2(ratio.clip(2.0**-_OCTAVES, 2.0**_OCTAVES))

    number, left = len(pictures), _MARGIN + 1.02
    size = min(1.1, (7.6 - left - 0.75) / number - _GAP)
    caption = _CAPTION if titles is not None else 0.0
    top = _MARGIN + (0.28 if title else 0.0) + caption
    height = top + (1 + len(ratios)) * (size + _GAP) + _MARGIN - _GAP
    figure, ax = blank_figure(left + number * (size + _GAP) + 0.75, max(height, 1.9))
    if title:
        ax.text(_MARGIN, _MARGIN, title, va="top", fontsize=11)
    for row, name in enumerate(["image", *ratios]):
        y = top + row * (size + _GAP)
        ax.text(left - 0.1, y + size / 2, name, ha="right", va="center", fontsize=9)
        for i, picture in enumerate(pictures):
            x = left + i * (size + _GAP)
            _show(ax, picture, x, y, size)
            if row == 0 and titles is not None:
                _caption(ax, titles[i], x, y, size)
            if row > 0:
                heat = _show(
                    ax, ratios[name][i], x, y, size, cmap=_HEAT, vmin=-_OCTAVES, vmax=_OCTAVES, alpha=0.6
                )
                heat.set_interpolation("bilinear")
            if masks is not None:
                _outline(ax, to_numpy(masks)[i], x, y, size, "black" if row else ACCENT)
    _scale(figure, heat, left + number * (size + _GAP) + 0.02, top + size + _GAP, size)
    return figure


def _scale(figure: Figure, heat, x: float, y: float, height: float) -> None:
    """A colour bar beside the heat maps, `x` and `y` in inches from the upper left."""
    width, total = figure.get_size_inches()
    cax = figure.add_axes((x / width, 1 - (y + height) / total, 0.11 / width, height / total))
    bar = figure.colorbar(heat, cax=cax, ticks=[-_OCTAVES, -1, 0, 1, _OCTAVES])
    bar.solids.set_alpha(1)
    bar.ax.set_yticklabels([f"≤ 1/{2**_OCTAVES}", "1/2", "1 = GAP", "2", f"≥ {2**_OCTAVES}"], fontsize=8)
    bar.ax.tick_params(length=2, color="#555555", labelcolor=INK)
    bar.outline.set_linewidth(0.6)


def _pictures(images, name: str = "images") -> np.ndarray:  # -> (N, H, W) or (N, H, W, 3) in 0 .. 1
    array = to_numpy(images)
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 4 and array.shape[1] == 3:
        array = np.moveaxis(array, 1, 3)
    if array.ndim not in (3, 4) or 0 in array.shape or (array.ndim == 4 and array.shape[3] != 3):
        shape = tuple(to_numpy(images).shape)
        raise ValueError(f"{name}: expected (N, 1, H, W), (N, H, W) or (N, 3, H, W), N >= 1, got {shape}")
    if np.issubdtype(array.dtype, np.floating):
        array = np.nan_to_num(array.astype(np.float32))
        return (array + 0.5 if array.min() < 0 else array).clip(0, 1)
    return array.astype(np.float32) if array.dtype == bool else array.astype(np.float32) / 255


def _same_number(pictures: np.ndarray, **others) -> None:
    for name, values in others.items():
        if values is not None and len(values) != len(pictures):
            raise ValueError(f"{name}: expected {len(pictures)}, one an image, got {len(values)}")


def _show(ax: Axes, picture: np.ndarray, x: float, y: float, size: float, **how):
    """Draw a picture in the square of side `size` whose upper left corner is (x, y), in inches."""
    limits = ax.axis()
    how = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"} | how
    shown = ax.imshow(picture, extent=(x, x + size, y + size, y), aspect="auto", **how)
    ax.axis(limits)
    return shown


def _frame(ax: Axes, x: float, y: float, size: float, color: str, points: float) -> None:
    ax.add_patch(Rectangle((x, y), size, size, fill=False, edgecolor=color, linewidth=points, clip_on=False))


def _badge(ax: Axes, x: float, y: float, good: bool) -> None:
    ax.text(
        x,
        y,
        "✓" if good else "✗",
        ha="center",
        va="center",
        fontsize=8,
        color="white",
        fontweight="bold",
        bbox={
            "boxstyle": "circle,pad=0.12",
            "facecolor": HIT if good else MISS,
            "edgecolor": "white",
            "linewidth": 0.6,
        },
    )


def _caption(ax: Axes, text: str, x: float, y: float, size: float) -> None:
    ax.text(x + size / 2, y - 0.04, str(text), ha="center", va="bottom", fontsize=9)


def _outline(ax: Axes, mask: np.ndarray, x: float, y: float, size: float, color: str = ACCENT) -> None:
    mask = np.pad(np.asarray(mask, dtype=float), 1)  # a letter that touches the border is closed there
    if mask.any():
        rows, columns = ((np.arange(n) - 0.5) / (n - 2) * size for n in mask.shape)
        limits = ax.axis()
        ax.contour(x + columns, y + rows, mask, levels=[0.5], colors=[color], linewidths=1.2)
        ax.axis(limits)
