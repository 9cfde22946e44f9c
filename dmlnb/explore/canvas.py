"""Pictures on a sheet in inches: what contact sheets, rows of neighbours and overlays are laid out with."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dmlnb.explore.figures import ACCENT, HIT, MISS
from dmlnb.explore.names import plain

GAP, CAPTION, MARGIN = 0.08, 0.2, 0.08  # inches
DETAIL = 256  # pixels a side that are kept of images of their own size


def same_number(pictures, **others) -> None:
    """Raise ValueError unless each of the others, given by name, has one entry an image (or is None)."""
    for name, values in others.items():
        if values is not None and len(values) != len(pictures):
            raise ValueError(f"{name}: expected {len(pictures)}, one per image, got {len(values)}")


def show(
    ax: Axes, picture: np.ndarray, x: float, y: float, size: float, *, like: np.ndarray | None = None, **how
):
    """Draw a picture into the square of side `size` whose upper left corner is (x, y), in inches.

    A picture that is not square keeps its proportions, in the middle; `like` takes those of another picture.
    """
    x, y, width, height = _box(picture if like is None else like, x, y, size)
    return stretch(ax, picture, x, y, width, height, **how)


def stretch(ax: Axes, picture: np.ndarray, x: float, y: float, width: float, height: float, **how):
    """Draw a picture over a rectangle."""
    limits = ax.axis()
    how = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "nearest"} | how
    shown = ax.imshow(picture, extent=(x, x + width, y + height, y), aspect="auto", **how)
    ax.axis(limits)
    return shown


def draw_frame(ax: Axes, x: float, y: float, size: float, color: str, points: float) -> None:
    """A square frame round a picture, `points` wide."""
    ax.add_patch(Rectangle((x, y), size, size, fill=False, edgecolor=color, linewidth=points, clip_on=False))


def draw_badge(ax: Axes, x: float, y: float, good: bool) -> None:
    """A tick on green or a cross on red."""
    box = {
        "boxstyle": "circle,pad=0.12",
        "facecolor": HIT if good else MISS,
        "edgecolor": "white",
        "linewidth": 0.6,
    }
    mark = "✓" if good else "✗"
    ax.text(x, y, mark, ha="center", va="center", fontsize=8, color="white", fontweight="bold", bbox=box)


def draw_caption(ax: Axes, text, x: float, y: float, size: float) -> None:
    """A line of text, as it is, above a picture."""
    ax.text(x + size / 2, y - 0.04, plain(text), ha="center", va="bottom", fontsize=9)


def draw_outline(
    ax: Axes, mask, x: float, y: float, size: float, color: str = ACCENT, *, like: np.ndarray | None = None
) -> None:
    """The border of a mask, over the picture that `show` drew there."""
    mask = np.asarray(mask, dtype=float)
    x, y, width, height = _box(mask if like is None else like, x, y, size)
    mask = np.pad(mask, 1)  # a letter that touches the border is closed there
    if mask.any():
        rows, columns = (
            (np.arange(n) - 0.5) / (n - 2) * side for n, side in zip(mask.shape, (height, width), strict=True)
        )
        limits = ax.axis()
        ax.contour(x + columns, y + rows, mask, levels=[0.5], colors=[color], linewidths=1.2)
        ax.axis(limits)


def _box(picture: np.ndarray, x: float, y: float, size: float) -> tuple[float, float, float, float]:
    """Where a picture lies in a square: x, y, width, height."""
    height, width = (size * n / max(picture.shape[:2]) for n in picture.shape[:2])
    return x + (size - width) / 2, y + (size - height) / 2, width, height
