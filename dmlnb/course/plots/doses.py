"""What a dose does: differences to the plain method against the weight of what was added, in one or several worlds."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from dmlnb.course.results import interval
from dmlnb.explore.figures import SOFT, new_figure, style
from dmlnb.explore.names import name_legend, plain

_LOOKS = (("#44AA99", "o", "-"), ("#882255", "s", "--"), ("#997700", "^", ":"), ("#0072B2", "D", "-."))


@style()
def draw_doses(
    worlds: Mapping[str, Mapping[str, Mapping[float, np.ndarray]]], xlabel: str, ylabel: str
) -> Figure:
    """Paired differences against a dose: in each world a panel, for each variant a curve of means with intervals.

    Args:
        worlds: `{world: {variant: {dose: (seeds,) differences}}}`; at most four variants in all.
        xlabel: what the dose is; doses stand at equal distances, as on a list.
        ylabel: what was subtracted from what, with its unit.

    Returns:
        The figure, with 95 % intervals.

    Raises:
        ValueError: for no world, no variant or more than four, or fewer than two seeds.

    Taught in notebook 05.
    """
    variants = list(dict.fromkeys(name for curves in worlds.values() for name in curves))
    if not 1 <= len(variants) <= len(_LOOKS):
        raise ValueError(f"worlds: expected one to {len(_LOOKS)} variants, got {variants}")
    doses = sorted({dose for curves in worlds.values() for points in curves.values() for dose in points})
    figure, axes = new_figure(7.5, 3.1, columns=len(worlds), sharey=True, squeeze=False)
    handles = {}
    for ax, (world, curves) in zip(axes.flat, worlds.items(), strict=True):
        ax.axhline(0, color=SOFT, linewidth=0.9)
        for name, points in curves.items():
            position = variants.index(name)
            color, marker, line = _LOOKS[position]
            x = np.array([doses.index(dose) for dose in sorted(points)])
            x = x + 0.14 * (position - (len(variants) - 1) / 2)  # intervals stand side by side
            means, halves = zip(*(interval(points[dose]) for dose in sorted(points)), strict=True)
            for place, dose in zip(x, sorted(points), strict=True):
                ax.plot([place] * len(points[dose]), points[dose], ".", color=color, alpha=0.35, markersize=5)
            handles[name] = ax.errorbar(
                x, means, halves, color=color, marker=marker, linestyle=line, markersize=6, label=name
            )
        ax.set(xticks=range(len(doses)), xticklabels=[f"{dose:g}" for dose in doses], title=plain(world))
        ax.set_xlim(-0.5, len(doses) - 0.5)
    axes.flat[0].set_ylabel(ylabel)
    figure.supxlabel(xlabel, fontsize=10)
    name_legend(
        axes.flat[-1],
        [handles[name] for name in variants],
        variants,
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
    )
    return figure
