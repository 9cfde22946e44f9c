"""What a condition does to each of several methods: a row a method, a dot a level, a column of panels a factor."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dmlnb.course.results import interval
from dmlnb.explore.figures import FAINT, new_figure, style
from dmlnb.explore.names import name_legend, plain

LEVEL_LOOKS = (("#9ECAE9", "o"), ("#4C78A8", "D"), ("#1B2A49", "s"))  # light to dark
_APART = 0.24  # of a row, from one level to the next: levels that agree do not hide each other


@style()
def draw_levels(
    worlds: Mapping[str, Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]], xlabel: str
) -> Figure:
    """Methods under the levels of several factors: the mean over seeds, and its 95 % interval.

    Args:
        worlds: `{world: {factor: {level: {method: (seeds,) values}}}}`; a row of panels a world, a column a factor;
            at most three levels of a factor, in the order of the world that has most. A method that was not run at a
            level has no dot there.
        xlabel: what is measured, with its unit.

    Returns:
        The figure.

    Raises:
        ValueError: for no world, no factor or method, more than three levels, or fewer than two seeds.

    """
    factors = list(dict.fromkeys(factor for panels in worlds.values() for factor in panels))
    fullest = lambda factor: sorted(
        (panels.get(factor, {}) for panels in worlds.values()), key=len, reverse=True
    )
    table = {
        factor: list(dict.fromkeys(level for levels in fullest(factor) for level in levels))
        for factor in factors
    }
    methods = list(
        dict.fromkeys(
            m for panels in worlds.values() for f in panels.values() for level in f.values() for m in level
        )
    )
    if not methods or any(len(levels) > len(LEVEL_LOOKS) for levels in table.values()):
        raise ValueError(f"worlds: expected methods, and at most three levels of a factor, got {table}")
    figure, axes = new_figure(
        7.6,
        (0.75 + 0.26 * len(methods)) * len(worlds) + 0.75,
        rows=len(worlds),
        columns=len(factors),
        sharey=True,
        sharex="row",
        squeeze=False,
    )
    for row, (world, panels) in zip(axes, worlds.items(), strict=True):
        for ax, factor in zip(row, factors, strict=True):
            _panel(ax, methods, table[factor], panels.get(factor, {}))
        row[0].set_ylabel(plain(world))
    for ax, factor in zip(axes[0], factors, strict=True):
        ax.set_title(plain(factor), fontsize=10, pad=22)
        handles = [
            Line2D([], [], linestyle="", color=color, marker=marker, markersize=6)
            for color, marker in LEVEL_LOOKS[: len(table[factor])]
        ]
        look = {"loc": "lower left", "bbox_to_anchor": (-0.06, 0.985), "ncol": 3, "columnspacing": 0.7}
        name_legend(ax, handles, table[factor], **look, handletextpad=0.0, fontsize=8.5)
    figure.supxlabel(xlabel, fontsize=10)
    return figure


def _panel(ax, methods: list[str], levels: list[str], values: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    for place, method in enumerate(methods):
        means = []
        for number, ((color, marker), level) in enumerate(zip(LEVEL_LOOKS, levels, strict=False)):
            if method not in values.get(level, {}):
                continue
            mean, half = interval(values[level][method])
            y = place + _APART * (number - (len(levels) - 1) / 2)
            means.append((mean, y))
            ax.plot([mean - half, mean + half], [y, y], color=color, linewidth=2, solid_capstyle="butt")
            ax.plot(
                mean, y, marker, color=color, markersize=5.5, markeredgecolor="white", markeredgewidth=0.5
            )
        if means:
            ax.plot(*zip(*means, strict=True), color=FAINT, linewidth=1, zorder=0)
    ax.set(yticks=range(len(methods)), yticklabels=[plain(name) for name in methods])
    ax.set_ylim(len(methods) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)
