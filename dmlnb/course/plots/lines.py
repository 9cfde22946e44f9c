"""Plain lines and dots: a function of one variable, and errors against the bound that should hold them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dmlnb.course.plots.palette import METHOD_COLORS
from dmlnb.explore.figures import MISS, class_colors, new_figure, style
from dmlnb.explore.names import name_legend


@style()
def draw_curve(x, y, xlabel: str, ylabel: str, *, log_x: bool = False, log_y: bool = False) -> Figure:
    """One or several curves.

    Args:
        x: `(P,)`.
        y: `(P,)`, or `{name: (P,)}`.
        xlabel, ylabel: with units.
        log_x, log_y: logarithmic axes.

    Returns:
        The figure.

    Raises:
        ValueError: if a curve has another length than x.

    Taught in notebook 00.
    """
    named = y if isinstance(y, Mapping) else {"": y}
    figure, axis = new_figure(5.5, 2.9)
    handles = []
    for position, (name, values) in enumerate(named.items()):
        if len(values) != len(x):
            raise ValueError(f"y: expected {len(x)} values as in x, got {len(values)}")
        color = METHOD_COLORS.get(name) or class_colors(position + 1)[-1]
        handles += axis.plot(np.asarray(x), np.asarray(values), color=color, label=name)
    axis.set(
        xlabel=xlabel, ylabel=ylabel, xscale="log" if log_x else "linear", yscale="log" if log_y else "linear"
    )
    if isinstance(y, Mapping):
        name_legend(axis, handles, named)
    return figure


@style()
def draw_bound(bounds, errors, xlabel: str, ylabel: str) -> Figure:
    """Errors against their bound on logarithmic axes: the bound holds where dots are below the diagonal.

    Args:
        bounds, errors: `(P,)`, not negative; zeros are left out.
        xlabel, ylabel: with units.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no positive pair, or the lengths differ.

    Taught in notebook 01.
    """
    bounds, errors = np.asarray(bounds, dtype=float), np.asarray(errors, dtype=float)
    if bounds.shape != errors.shape or not ((bounds > 0) & (errors > 0)).any():
        raise ValueError(
            f"bounds, errors: expected equal lengths and a positive pair, got {bounds.shape}, {errors.shape}"
        )
    shown = (bounds > 0) & (errors > 0)
    ends = np.array([bounds[shown].min() / 2, bounds[shown].max() * 2])
    figure, axis = new_figure(5.0, 3.6)
    axis.fill_between(ends, ends, [ends[1]] * 2, color=MISS, alpha=0.1, linewidth=0)
    axis.plot(ends, ends, color=MISS)
    axis.plot(bounds[shown], errors[shown], ".", color="#0072B2", alpha=0.5, markersize=4)
    axis.text(ends[0] * 1.2, ends[1] / 2, "forbidden by the bound", color=MISS, fontsize=9)
    axis.set(
        xscale="log",
        yscale="log",
        xlabel=xlabel,
        ylabel=ylabel,
        xlim=ends,
        ylim=(errors[shown].min() / 2, ends[1]),
    )
    for side in (axis.xaxis, axis.yaxis):
        _few_ticks(side)
    return figure


def _few_ticks(side: Axis) -> None:
    """Label the powers of ten of a logarithmic axis; on one of few of them 2 and 5 too, in plain numbers."""
    low, high = side.get_view_interval()
    if high / low < 1000:
        side.set_major_locator(LogLocator(subs=(1, 2, 5)))
        side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    side.set_minor_formatter(NullFormatter())
