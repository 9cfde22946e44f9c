"""Pictures of projections on discs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from dmlnb.course.toys.discs import DISCS, disc_projections, disc_violation
from dmlnb.explore.figures import ACCENT, INK, MISS, SOFT, class_colors, new_figure, style


@style()
def draw_disc_projections(strengths: Sequence[float] = (0.0, 0.5, 4.0), steps: int = 60) -> Figure:
    """The paths of alternating projections on three discs, one panel a strength, and the violation by step.

    Args:
        strengths: λ, one a panel.
        steps: projections.

    Returns:
        The figure.

    Raises:
        ValueError: for a negative strength, or no strength or step.

    Taught in notebook 04.
    """
    if not strengths or steps < 1:
        raise ValueError("strengths, steps: expected at least one each")
    figure, axes = new_figure(2.35 * (len(strengths) + 1) + 0.6, 2.9, columns=len(strengths) + 1)
    colors = class_colors(len(strengths))
    for ax, strength, color in zip(axes, strengths, colors, strict=False):
        path = disc_projections(strength, steps)
        for x, y, radius in DISCS:
            ax.add_patch(Circle((x, y), radius, facecolor=ACCENT, alpha=0.16))
            ax.add_patch(Circle((x, y), radius, fill=False, edgecolor=SOFT, linewidth=0.7))
        ax.plot(*path.T, color=color, linewidth=1, marker="o", markersize=2.6)
        ax.plot(*path[0], "X", color=INK, markersize=7)
        ax.plot(*path[-1], "o", color=MISS, markersize=5)
        ax.set(title=f"λ = {strength:g}", xlim=(-1.1, 2.9), ylim=(-1.9, 2.5), xticks=[], yticks=[])
        ax.set_aspect("equal")
        violation = np.maximum(disc_violation(path), 1e-9)
        axes[-1].plot(violation, color=color)
        axes[-1].text(1.04 * steps, violation[-1], f"λ = {strength:g}", va="center", fontsize=9)
    axes[-1].set(yscale="log", xlabel="projection", ylabel="constraint violation", ylim=(3e-10, 5))
    axes[-1].set(xlim=(-0.03 * steps, 1.5 * steps), xticks=[0, steps // 2, steps])
    return figure
