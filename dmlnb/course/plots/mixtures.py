"""Retrieval by prototypes in place of GAP: how many does it take?"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dmlnb.course.plots.curves import percent_axis
from dmlnb.course.plots.palette import method_color, method_marker
from dmlnb.course.results import interval
from dmlnb.explore.figures import new_figure, style
from dmlnb.explore.names import name_legend, plain

Curve = Mapping[int, Sequence[float]]


@style()
def draw_mixtures(
    worlds: Mapping[str, Mapping[str, Curve]], gap: Mapping[str, float], ylabel: str, *, other: bool = False
) -> Figure:
    """A metric against the number of prototypes that stand for each image, in each world, beside GAP itself.

    A curve is the mean over seeds with its 95 % interval; the dashed line is what GAP reaches without any prototype.

    Args:
        worlds: for each world, such as `"letters"` and `"photographs"`, the curves by name: `{m: values}`, for each
            number of prototypes one value a seed, a share 0 .. 1. A curve may have one number of prototypes only.
        gap: for each world the value of GAP.
        ylabel: what is measured.
        other: take names that the palette does not know.

    Returns:
        The figure, one panel a world, each on its own scale from zero.

    Raises:
        ValueError: for no world, no curve, a curve without values, a world without its value of GAP, or a name that
            the palette does not know.

    Taught in notebook 01.
    """
    if (
        not worlds
        or not all(worlds.values())
        or not all(c for curves in worlds.values() for c in curves.values())
    ):
        raise ValueError("worlds: expected at least one world, each with at least one curve, not empty")
    if missing := [world for world in worlds if world not in gap]:
        raise ValueError(f"gap: expected a value for each world, got none for {', '.join(missing)}")
    figure, axes = new_figure(3.1 * len(worlds) + 1.9, 3.2, columns=len(worlds), squeeze=False)
    handles = {}
    for ax, (world, curves) in zip(axes.flat, worlds.items(), strict=True):
        top = gap[world]
        for name, curve in curves.items():
            numbers, color = sorted(curve), method_color(name, other=other)
            found = [np.atleast_1d(np.asarray(curve[m], dtype=float)) for m in numbers]
            means = np.array([values.mean() for values in found])
            half = np.array([interval(v)[1] if len(v) > 1 else 0.0 for v in found])
            handles[name] = ax.plot(
                numbers, means, marker=method_marker(name), markersize=6, color=color, zorder=3
            )[0]
            ax.errorbar(numbers, means, half, fmt="none", ecolor=color, elinewidth=1.2, capsize=2, zorder=2)
            top = max(top, (means + half).max())
        level = ax.axhline(gap[world], color=method_color("GAP"), linestyle=(0, (4, 3)))
        every = sorted({m for curve in curves.values() for m in curve})
        ax.set_xscale("log", base=2)
        ax.set_xticks(every, [str(m) for m in every])
        ax.set_xticks([], minor=True)
        ax.set(xlabel="number of prototypes m", title=plain(world), ylim=(0, 1.08 * top))
        ax.yaxis.set_major_formatter(percent_axis())
    axes.flat[0].set_ylabel(ylabel)
    names, marks = ["GAP", *handles], [level, *handles.values()]
    name_legend(axes.flat[-1], marks, names, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure
