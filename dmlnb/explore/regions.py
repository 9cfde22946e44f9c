"""Pictures of regions: what a pooling looks at, and which prototype wins where."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure

from dmlnb.explore.canvas import CAPTION, DETAIL, GAP, MARGIN, draw_caption, draw_outline, same_number, show
from dmlnb.explore.figures import ACCENT, INK, blank_figure, class_colors, new_figure, style, to_numpy
from dmlnb.explore.names import plain
from dmlnb.explore.pictures import as_bytes, thumbnails

_OCTAVES = 3  # the scale of weights goes from 1/8 to 8 times the uniform weight
_INNER = {-1: "1/2", 0: "1 = GAP", 1: "2"}  # its ticks between the ends
_HEAT = LinearSegmentedColormap.from_list(
    "less, uniform, more", ["#5E3C99", "#B2ABD2", "#F7F7F7", "#FDB863", "#E66101"]
)


@style()
def pooling_overlay(
    images,
    weights,
    masks=None,
    *,
    range=None,
    titles: Sequence[str] | None = None,
    title: str | None = None,
    size: float = 1.1,
    octaves: float = _OCTAVES,
) -> Figure:
    """What a pooling looks at: each image, and below it the weights of its regions, relative to uniform ones.

    A weight of 1 is what average pooling gives to every region. The scale is logarithmic and common to all pictures:
    white is uniform, orange more, violet less.

    Args:
        images: B of them, as in `contact_sheet`.
        weights: `(B, h, w)`, or a dictionary of them, one row a method. They need not sum to 1.
        masks: `(B, H, W)` bool; outlined.
        range: as in `contact_sheet`.
        titles: B captions.
        title: above all.
        size: inches of a picture's side, where the page is wide enough.
        octaves: the scale goes from 2^-octaves to 2^octaves times the uniform weight.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that do not fit, or weights that are negative, NaN, or all zero for an image.

    Taught in notebook 02.
    """
    pictures = thumbnails(images, DETAIL, range=range)
    named = weights if isinstance(weights, Mapping) else {"weights": weights}
    if not named:
        raise ValueError("weights: expected at least one row, got an empty dictionary")
    ratios = {name: _in_octaves(to_numpy(w), name, octaves) for name, w in named.items()}
    same_number(pictures, masks=masks, titles=titles, **{f"weights[{k!r}]": v for k, v in ratios.items()})

    number, left = len(pictures), MARGIN + 1.02
    size = min(size, (7.6 - left - 0.75) / number - GAP)
    top = MARGIN + (0.28 if title else 0.0) + (CAPTION if titles is not None else 0.0)
    height = top + (1 + len(ratios)) * (size + GAP) + MARGIN - GAP
    figure, ax = blank_figure(left + number * (size + GAP) + 0.75, max(height, 1.9))
    if title:
        ax.text(MARGIN, MARGIN, plain(title), va="top", fontsize=11)
    how = {"cmap": _HEAT, "vmin": -octaves, "vmax": octaves, "alpha": 0.6, "interpolation": "bilinear"}
    for row, name in enumerate(["image", *ratios]):
        y = top + row * (size + GAP)
        ax.text(left - 0.1, y + size / 2, plain(name), ha="right", va="center", fontsize=9)
        for i, picture in enumerate(pictures):
            x = left + i * (size + GAP)
            show(ax, picture, x, y, size)
            if row == 0 and titles is not None:
                draw_caption(ax, titles[i], x, y, size)
            if row > 0:
                heat = show(ax, ratios[name][i], x, y, size, like=picture, **how)
            if masks is not None:
                color = "black" if row else ACCENT
                draw_outline(ax, to_numpy(masks[i]), x, y, size, color, like=picture)
    _scale(figure, heat, left + number * (size + GAP) + 0.02, top + size + GAP, size, octaves)
    return figure


def _in_octaves(weights: np.ndarray, name: str, octaves: float) -> np.ndarray:
    """Weights as powers of two of the uniform weight: 0 is uniform."""
    w = weights
    if w.ndim != 3 or not (np.isfinite(w).all() and (w >= 0).all() and (w.sum(axis=(1, 2)) > 0).all()):
        raise ValueError(f"weights: expected (B, h, w), >= 0, finite, not all zero, got {w.shape} for {name}")
    return np.log2((w / w.mean(axis=(1, 2), keepdims=True)).clip(2.0**-octaves, 2.0**octaves))


def _scale(figure: Figure, heat, x: float, y: float, height: float, octaves: float) -> None:
    """A colour bar beside the heat maps, `x` and `y` in inches from the upper left."""
    width, total = figure.get_size_inches()
    cax = figure.add_axes((x / width, 1 - (y + height) / total, 0.11 / width, height / total))
    names = {tick: name for tick, name in _INNER.items() if abs(tick) < octaves}
    names = {-octaves: f"≤ 1/{2**octaves:g}"} | names | {octaves: f"≥ {2**octaves:g}"}
    bar = figure.colorbar(heat, cax=cax, ticks=list(names))
    bar.solids.set_alpha(1)
    bar.ax.set_yticklabels(list(names.values()), fontsize=8)
    bar.ax.tick_params(length=2, color="#555555", labelcolor=INK)
    bar.outline.set_linewidth(0.6)


@style()
def assignment_maps(
    images, winners, *, num_prototypes: int, range=None, titles: Sequence[str] | None = None
) -> Figure:
    """Images above, and below each its regions coloured by the prototype that wins them.

    Args:
        images: N of them, as in `contact_sheet`.
        winners: `(N, H, W)` indices in 0 .. num_prototypes - 1.
        num_prototypes: m.
        range: as in `contact_sheet`.
        titles: N captions.

    Returns:
        The figure.

    Raises:
        ValueError: if there are not as many maps or captions as images, or a prototype is out of range.

    Taught in notebook 01.
    """
    pictures, winners = as_bytes(images, range=range), to_numpy(winners)
    if winners.ndim != 3 or len(winners) != len(pictures):
        raise ValueError(f"winners: expected ({len(pictures)}, H, W), got {winners.shape}")
    if not (0 <= winners.min() and winners.max() < num_prototypes):
        got = f"{winners.min()} .. {winners.max()}"
        raise ValueError(f"winners: expected prototypes in 0 .. {num_prototypes - 1}, got {got}")
    same_number(pictures, titles=titles)
    height = 2.2 + (CAPTION if titles is not None else 0.0)
    figure, axes = new_figure(
        0.95 * len(pictures) + 0.9, height, rows=2, columns=len(pictures), squeeze=False
    )
    for column, (image, winner) in enumerate(zip(pictures, winners, strict=True)):
        axes[0, column].imshow(image, cmap="gray", vmin=0, vmax=255)
        picture = axes[1, column].imshow(
            winner, cmap=ListedColormap(class_colors(num_prototypes)), vmin=-0.5, vmax=num_prototypes - 0.5
        )
    for axis, name in zip(axes[0], titles or (), strict=False):
        axis.set_title(plain(name), fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    figure.colorbar(
        picture, ax=axes[1, :].tolist(), label="prototype", ticks=np.arange(num_prototypes), shrink=0.9
    )
    return figure
