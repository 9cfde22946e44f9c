"""What a method gains over training without a source, at each size of the network that learns."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dmlnb.course.plots.palette import method_color, method_marker
from dmlnb.course.results import interval
from dmlnb.explore.figures import SOFT, new_figure, style
from dmlnb.explore.names import name_legend, plain

Gains = Mapping[str, Sequence[float]]  # size -> one difference a seed


@style()
def draw_sizes(
    worlds: Mapping[str, Mapping[str, Gains]],
    sizes: Sequence[str],
    ylabel: str,
    *,
    apart: Sequence[str] = (),
    other: bool = False,
) -> Figure:
    """Paired differences at several sizes, in several worlds: mean over seeds with its 95 % interval, beside zero.

    A line joins two sizes that stand beside each other in `sizes` and were both measured. It joins nothing else.

    Args:
        worlds: for each world, such as `"letters"` and `"photographs"`, the methods, and for each of them
            `{size: differences}`. What was not measured is absent.
        sizes: names of the sizes from left to right.
        ylabel: what was subtracted from what, with its unit.
        apart: sizes of another kind, that no line joins.
        other: take names that the palette does not know.

    Returns:
        The figure, one panel a world, each on its own scale.

    Raises:
        ValueError: for no world, a world without methods, a size that is not in `sizes`, fewer than two seeds, or a
            name that the palette does not know.

    Taught in notebook 07.
    """
    if not worlds or not all(any(gains.values()) for gains in worlds.values()):
        raise ValueError("worlds: expected at least one world with one method, got none")
    unknown = {size for gains in worlds.values() for gain in gains.values() for size in gain} - set(sizes)
    if unknown:
        raise ValueError(f"sizes: expected all that were measured, got none of {', '.join(sorted(unknown))}")
    figure, axes = new_figure(3.4 * len(worlds) + 1.7, 3.5, columns=len(worlds), squeeze=False)
    names = list(dict.fromkeys(name for gains in worlds.values() for name, gain in gains.items() if gain))
    handles = {}
    for ax, (world, methods) in zip(axes.flat, worlds.items(), strict=True):
        there = [size for size in sizes if any(size in gain for gain in methods.values())]
        ax.axhline(0, color=SOFT, linewidth=0.9, zorder=1)
        for number, name in enumerate(names):
            if name not in methods:
                continue
            color, nudge = method_color(name, other=other), 0.09 * (number - (len(names) - 1) / 2)
            x = {size: there.index(size) + nudge for size in methods[name]}
            found = {size: interval(values) for size, values in methods[name].items()}
            for left, right in zip(sizes, sizes[1:], strict=False):
                if left in found and right in found and not {left, right} & set(apart):
                    means = [found[left][0], found[right][0]]
                    ax.plot([x[left], x[right]], means, color=color, linewidth=1.0, alpha=0.6, zorder=2)
            for size, (mean, half) in found.items():
                ax.plot([x[size]] * 2, [mean - half, mean + half], color=color, linewidth=1.6, zorder=3)
                handles[name] = ax.plot(
                    x[size],
                    mean,
                    method_marker(name),
                    color=color,
                    markersize=6,
                    markeredgecolor="white",
                    markeredgewidth=0.5,
                    zorder=4,
                )[0]
        ax.set_xticks(np.arange(len(there)), [plain(size) for size in there])
        ax.set(title=plain(world), xlim=(-0.6, len(there) - 0.4))
    axes.flat[0].set_ylabel(ylabel)
    name_legend(
        axes.flat[-1], [handles[n] for n in names], names, loc="center left", bbox_to_anchor=(1.01, 0.5)
    )
    return figure
