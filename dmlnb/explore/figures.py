"""The look of every figure: one palette, one theme, one way to make a figure.

Figures are made without pyplot, so a notebook shows a figure exactly once: when it is the value of a cell or is passed
to `display`. The theme lives in a context (`style`), never in the reader's settings.
"""

import colorsys
import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 100
INK, SOFT, FAINT = "#222222", "#7A7A7A", "#D9D9D9"  # text and axes, secondary, background marks
HIT, MISS = "#009E73", "#D55E00"
ACCENT = "#E69F00"

_CLASS_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#882255", "#999933")
_CLASS_MARKERS = "os^DvPX*"

_THEME = {
    "font.family": ["DejaVu Sans"],  # it has the Georgian, Armenian and Lao letters
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "legend.frameon": False,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.transparent": False,
    "text.usetex": False,
    "text.parse_math": True,  # names are made plain by `names.plain`
}


@contextmanager
def style() -> Iterator[None]:
    """The theme of the course, as a context or a decorator (`@style()`); the reader's settings come back afterwards."""
    import seaborn

    with matplotlib.rc_context({**seaborn.axes_style("ticks"), **_THEME}):
        yield


def new_figure(
    width: float = 7.0,
    height: float = 3.2,
    *,
    rows: int = 1,
    columns: int = 1,
    margins: tuple[float, float, float, float] | None = None,
    **subplots,
):
    """A white figure that pyplot does not know, with its axes.

    Args:
        width, height: inches.
        rows, columns, subplots: as in `Figure.subplots`.
        margins: left, right, top and bottom of the axes, inches; None finds what the text needs. Fixed margins are
            drawn twice as fast and do not move while a slider moves, so demos use them.

    Returns:
        The figure and its axes: one, or an array of them.
    """
    with style():
        layout = "constrained" if margins is None else None
        figure = Figure(figsize=(width, height), dpi=DPI, layout=layout, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, **subplots)
        if margins is not None:
            left, right, top, bottom = margins
            figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
        for ax in np.atleast_1d(axes).flat:  # ticks are made when drawn: give them their look now
            ax.tick_params(labelsize=9, color="#555555", labelcolor=INK, length=3, width=0.8)
        return figure, axes


def blank_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure for pictures: one invisible axes over all of it, in inches, the origin at the upper left."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    return figure, ax


def png_bytes(figure: Figure, dpi: float | None = None) -> bytes:
    """The figure as a PNG file, opaque, with a palette of 256 colours, photographs dithered: a third of the size."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="png",
        dpi=dpi or figure.dpi,
        facecolor="white",
        transparent=False,
        pil_kwargs={"compress_level": 1},
    )
    picture = Image.open(buffer).convert("RGB")
    small = picture.quantize(256, dither=Image.Dither.NONE)
    if _has_photographs(figure):
        colors, ground = small.getpalette(), 3 * small.getpixel((0, 0))
        small.putpalette([*colors[:ground], 255, 255, 255, *colors[ground + 3 :]])  # the ground stays white
        small = picture.quantize(palette=small, dither=Image.Dither.FLOYDSTEINBERG)
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _has_photographs(figure: Figure) -> bool:
    pictures = (image.get_array() for ax in figure.axes for image in ax.images)
    return any(picture.ndim == 3 and picture.dtype == np.uint8 for picture in pictures)


def square_limits(ax: Axes, points: np.ndarray, margin: float = 0.06) -> None:
    """Equal scales on both axes, in a square that holds the points `(N, 2)`."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = (0.5 + margin) * (float((high - low).max()) or 1.0)
    middle = (low + high) / 2
    ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
    ax.set_aspect("equal", adjustable="box")


def class_color(c: int) -> str:
    """The colour of class c, whatever other classes there are."""
    if c < len(_CLASS_COLORS):
        return _CLASS_COLORS[c]
    i = c - len(_CLASS_COLORS)
    return class_hue(0.11 + 0.381966 * i, (0.36, 0.5, 0.64)[i % 3])


def class_colors(n: int) -> list[str]:
    """The colours of classes 0 .. n - 1. Class i has the same colour for every n."""
    return [class_color(c) for c in range(n)]


def class_marker(c: int) -> str:
    """The marker of class c: one of eight, in turn."""
    return _CLASS_MARKERS[c % len(_CLASS_MARKERS)]


def class_markers(n: int) -> list[str]:
    """The markers of classes 0 .. n - 1."""
    return [class_marker(c) for c in range(n)]


def to_numpy(values) -> np.ndarray:
    """Tensors (on any device, with gradients, half precision) and anything array-like as a NumPy array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return np.asarray(values)


def class_hue(hue: float, lightness: float) -> str:
    """A muted colour of this hue (a share of the circle) and lightness, as #rrggbb."""
    return matplotlib.colors.to_hex(colorsys.hls_to_rgb(hue % 1, lightness, 0.55))
