"""Pictures of prototypes that are fitted batch after batch, in a world of three prototypes on a plane."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from dmlnb.course.plots.palette import method_color
from dmlnb.course.toys.recursion import NOISE, recursion_world
from dmlnb.explore.figures import FAINT, INK, SOFT, class_colors, new_figure, style
from dmlnb.prototypes.recursive import VARIANTS, LinearFit, recursive_fit

_LIMITS = (-1.7, 1.7)


@style()
def draw_recursion_steps(
    variants: Sequence[str] = VARIANTS,
    steps: Sequence[int] = (1, 2, 4, 10),
    *,
    ridge: float = 0.3,
    forgetting: float = 0.7,
    drift: float = 0.0,
    seed: int = 0,
) -> Figure:
    """Small multiples: a row a variant, a column a number of batches seen.

    Squares are the true prototypes, discs their fits, circles their uncertainty, dots the images of the last batch.

    Args:
        variants: rows, names of `recursive_fit`.
        steps: columns, numbers of batches.
        ridge: ε > 0.
        forgetting: β of `"forgetting"`.
        drift, seed: of `recursion_world`.

    Returns:
        The figure.

    Raises:
        ValueError: as `recursive_fit` and `recursion_world`.

    Taught in notebook 03.
    """
    batches, true = recursion_world(max(steps), drift, seed)
    figure, axes = new_figure(
        1.75 * len(steps) + 0.4,
        1.75 * len(variants) + 0.3,
        rows=len(variants),
        columns=len(steps),
        squeeze=False,
    )
    for row, variant in zip(axes, variants, strict=True):
        fits = recursive_fit(batches, ridge, variant, forgetting=forgetting)
        for ax, step in zip(row, steps, strict=True):
            _draw_plane(ax, batches, true, fits, step)
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel(variant)
    for ax, step in zip(axes[0], steps, strict=True):
        ax.set_title(f"{step} batch" + "es" * (step > 1), fontsize=10)
    return figure


@style()
def draw_recursion(
    variant: str = "full",
    batches: int = 6,
    ridge: float = 0.3,
    forgetting: float = 0.7,
    drift: float = 0.0,
    seed: int = 0,
) -> Figure:
    """One variant after some batches, with the way it came; beside it the error of all variants.

    Args:
        variant: `"memoryless"`, `"proximal"`, `"full"` or `"forgetting"`.
        batches: how many were seen, 1 .. 24.
        ridge: ε > 0.
        forgetting: β in (0, 1], of `"forgetting"`.
        drift: radians that the true prototypes turn from batch to batch.
        seed: of the world.

    Returns:
        The figure.

    Raises:
        ValueError: for arguments out of range.

    Taught in notebook 03.
    """
    if not 1 <= batches <= 24:
        raise ValueError(f"batches: expected 1 .. 24, got {batches}")
    if variant not in VARIANTS:
        raise ValueError(f"variant: expected one of {', '.join(VARIANTS)}, got {variant!r}")
    world, true = recursion_world(24, drift, seed)
    figure, (plane, curve) = new_figure(
        7.4, 3.7, columns=2, width_ratios=(1, 1.15), margins=(0.7, 0.15, 0.35, 0.55)
    )
    figure.subplots_adjust(wspace=0.32)
    steps = range(1, batches + 1)
    for name in VARIANTS:
        fits = recursive_fit(world[:batches], ridge, name, forgetting=forgetting)
        error = [
            float((fit.prototypes - now).norm(dim=1).mean()) for fit, now in zip(fits, true, strict=False)
        ]
        chosen = name == variant
        curve.plot(
            steps,
            error,
            ".-" if chosen else "-",
            color=method_color(name),
            linewidth=2.4 if chosen else 1.0,
            alpha=1 if chosen else 0.55,
            label=name,
            zorder=3 if chosen else 2,
        )
        if chosen:
            _draw_path(plane, fits)
            _draw_plane(plane, world, true, fits, batches)
    plane.set(xlabel="feature 1", ylabel="feature 2", title=variant)
    curve.set(xlabel="batches seen", ylabel="mean distance, fit to truth", ylim=(0, 1.6), xlim=(0.5, 24.5))
    curve.legend(ncols=2, loc="upper right")
    return figure


def _draw_path(ax: Axes, fits: Sequence[LinearFit]) -> None:
    way = torch.stack([fit.prototypes for fit in fits])  # (k, 3, 2)
    for color, path in zip(class_colors(3), way.unbind(dim=1), strict=True):
        ax.plot(*path.T, color=color, linewidth=1.0, alpha=0.7, zorder=2)


def _draw_plane(ax: Axes, batches, true: Tensor, fits: Sequence[LinearFit], step: int) -> None:
    """The state after `step` batches: truth, last images, fits with circles of one standard deviation."""
    fit, now, (_, seen) = fits[step - 1], true[step - 1], batches[step - 1]
    ax.plot(*torch.cat([now, now[:1]]).T, color=FAINT, linewidth=0.8, zorder=1)
    ax.scatter(*seen.T, s=12, color=SOFT, linewidth=0, zorder=3)
    radii = NOISE * fit.covariance.diagonal().sqrt()
    for color, corner, point, radius in zip(
        class_colors(3), now.tolist(), fit.prototypes.tolist(), radii.tolist(), strict=True
    ):
        ax.scatter(*corner, s=70, facecolor="none", edgecolor=color, marker="s", linewidth=1.5, zorder=3)
        ax.add_patch(Circle(point, min(radius, 10.0), color=color, alpha=0.18, linewidth=0, zorder=1))
        ax.scatter(*point, s=34, color=color, edgecolor="white", linewidth=0.6, zorder=4)
    ax.scatter(0, 0, s=14, color=INK, marker="+", linewidth=0.8, zorder=2)
    ax.set(xlim=_LIMITS, ylim=_LIMITS, aspect="equal")
