"""Methods side by side: what each reaches, and what it gains over another, a dot a seed."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dmlnb.course.plots.curves import percent_axis
from dmlnb.course.plots.palette import method_color, method_marker
from dmlnb.course.results import interval
from dmlnb.explore.figures import FAINT, SOFT, new_figure, style, to_numpy
from dmlnb.explore.names import plain


@style()
def method_bars(
    values: Mapping[str, np.ndarray],
    ylabel: str,
    *,
    percent: bool = False,
    other: bool = False,
    title: str | None = None,
) -> Figure:
    """Methods side by side: a dot a seed, the mean, and the 95 % interval of the mean. No bar, so no false zero.

    Args:
        values: for each method `(seeds,)`, drawn from top to bottom.
        ylabel: what is measured; it stands at the axis of values, which is horizontal.
        percent: show shares 0 .. 1 as percent.
        other: take names that the palette does not know.
        title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: for no method, values that are not a non-empty vector, or a name that the palette does not know.
    """
    table = {name: np.atleast_1d(to_numpy(v).astype(float)) for name, v in values.items()}
    if not table or any(v.ndim != 1 or len(v) == 0 for v in table.values()):
        raise ValueError("values: expected at least one method, each a vector of one number a seed")
    figure, ax = new_figure(6.4, 0.95 + 0.42 * len(table))
    scale = 100 if percent else 1
    for row, (name, v) in enumerate(table.items()):
        color, mean = method_color(name, other=other), v.mean()
        nudge = 0.09 * (np.arange(len(v)) % 3 - 1)  # dots of one value stay visible
        ax.scatter(v, row + nudge, s=16, color=color, alpha=0.45, linewidth=0, zorder=2)
        half = interval(v)[1] if len(v) > 1 else 0.0
        ax.plot(
            [mean - half, mean + half],
            [row, row],
            color=color,
            linewidth=2.4,
            solid_capstyle="butt",
            zorder=3,
        )
        ax.plot(
            mean,
            row,
            marker=method_marker(name),
            markersize=8,
            color=color,
            markeredgecolor="white",
            zorder=4,
        )
        digits = 1 if percent else 3
        spread = f" ± {scale * half:.{digits}f}" if len(v) > 1 else ""
        text = f"{scale * mean:.{digits}f}{spread}"
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    ax.set(yticks=range(len(table)), yticklabels=[plain(name) for name in table], xlabel=ylabel)
    ax.set_title(plain(title or ""))
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if percent:
        ax.xaxis.set_major_formatter(percent_axis())
    return figure


@style()
def draw_differences(
    values: Mapping[str, np.ndarray], xlabel: str, *, other: bool = False, title: str = ""
) -> Figure:
    """Paired differences beside zero: a dot a seed, the mean and its 95 % interval.

    Args:
        values: for each method `(seeds,)` differences, drawn from top to bottom.
        xlabel: what was subtracted from what, with its unit.
        other: take names that the palette does not know.
        title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: for no method, fewer than two seeds, or a name that the palette does not know.
    """
    if not values:
        raise ValueError("values: expected at least one method, got none")
    figure, ax = new_figure(6.4, 0.95 + 0.4 * len(values))
    _difference_rows(ax, values, other)
    ax.set(yticks=range(len(values)), yticklabels=[plain(name) for name in values], xlabel=xlabel)
    ax.set_title(plain(title))
    return figure


@style()
def draw_worlds(
    worlds: Mapping[str, Mapping[str, np.ndarray]], xlabel: str, *, other: bool = False
) -> Figure:
    """Paired differences in several worlds side by side, on one scale: the answer to one question in one figure.

    Args:
        worlds: for each world, such as `"letters"` and `"photographs"`, the values of `draw_differences`. A method
            that was not run in one of them has an empty row there.
        xlabel: what was subtracted from what, with its unit.
        other: take names that the palette does not know.

    Returns:
        The figure.

    Raises:
        ValueError: for no world, no method, fewer than two seeds, or a name that the palette does not know.

    Taught in notebooks 00 and 02.
    """
    names = list(dict.fromkeys(name for values in worlds.values() for name in values))
    if not names:
        raise ValueError("worlds: expected at least one world with one method, got none")
    figure, axes = new_figure(
        7.5, 1.15 + 0.4 * len(names), columns=len(worlds), sharex=True, sharey=True, squeeze=False
    )
    for ax, (world, values) in zip(axes.flat, worlds.items(), strict=True):
        rows = {name: values.get(name) for name in names}
        _difference_rows(ax, rows, other)
        ax.set_title(plain(world))
    axes.flat[0].set(yticks=range(len(names)), yticklabels=[plain(name) for name in names])
    figure.supxlabel(xlabel, fontsize=10)
    return figure


def _difference_rows(ax, values: Mapping[str, np.ndarray | None], other: bool) -> None:
    """A row a method: a dot a seed, the mean, its interval and both as numbers; nothing where there are no values."""
    ax.axvline(0, color=SOFT, linewidth=0.9)
    for row, (name, differences) in enumerate(values.items()):
        color = method_color(name, other=other)
        if differences is None:
            continue
        mean, half = interval(differences)
        ax.scatter(differences, [row] * len(differences), s=16, color=color, alpha=0.45, linewidth=0)
        ax.plot([mean - half, mean + half], [row, row], color=color, linewidth=2.4, solid_capstyle="butt")
        ax.plot(mean, row, "o", markersize=7, color=color, markeredgecolor="white", zorder=4)
        ax.text(
            1.02,
            row,
            f"{mean:+.1f} ± {half:.1f}",
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=9,
        )
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
