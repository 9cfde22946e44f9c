"""Pictures of prototypes that are fitted batch after batch, in a world of three prototypes on a plane."""

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from dmlnb.explore.figures import FAINT, INK, SOFT, class_colors, new_figure, style
from dmlnb.prototypes.recursive import VARIANTS, LinearFit, recursive_fit

NOISE = 0.15  # standard deviation of an observed vector, per coordinate
PER_BATCH = 4
_LIMITS = (-1.7, 1.7)
_COLORS = {"memoryless": "#7A7A7A", "proximal": "#56B4E9", "full": "#882255", "forgetting": "#D55E00"}


def recursion_world(
    num_batches: int = 12, drift: float = 0.0, seed: int = 0
) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Batches of four images that mix three prototypes; the prototypes may move while one looks.

    Args:
        num_batches: K.
        drift: how far the prototypes turn round the origin from one batch to the next, radians.
        seed: of histograms and noise.

    Returns:
        K pairs of attributes `(4, 3)`, which sum to 1, and noisy vectors `(4, 2)`; and the true prototypes `(K, 3, 2)`
        at the time of each batch. Float64.

    Raises:
        ValueError: for num_batches < 1.

    Taught in notebook 03.
    """
    if num_batches < 1:
        raise ValueError(f"num_batches: expected a number >= 1, got {num_batches}")
    generator = torch.Generator().manual_seed(seed)
    corner = torch.tensor([90.0, 210.0, 330.0]).double().deg2rad() + 0.2
    angle = corner + drift * torch.arange(num_batches)[:, None]  # (K, 3)
    true = 1.2 * torch.stack([angle.cos(), angle.sin()], dim=2)  # (K, 3, 2)
    batches = []
    for prototypes in true:
        share = -torch.log(
            torch.rand(PER_BATCH, 3, generator=generator).double()
        )  # exponential: Dirichlet(1)
        attributes = share / share.sum(dim=1, keepdim=True)
        noise = NOISE * torch.randn(PER_BATCH, 2, generator=generator).double()
        batches.append((attributes, attributes @ prototypes + noise))
    return batches, true


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
            color=_COLORS[name],
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


@style()
def draw_histogram_patches(image, histogram, patches, *, shown: int = 5) -> Figure:
    """An image, its histogram, and what its strongest prototypes stand for: their nearest patches.

    Args:
        image: `(S, S)` or `(1, S, S)`.
        histogram: `(m,)` shares.
        patches: `(m, k, P, P)`, for each prototype the patches that fit it best.
        shown: prototypes to show, the strongest first.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that do not fit.

    Taught in notebook 03.
    """
    image, histogram, patches = (torch.as_tensor(v).detach().float() for v in (image, histogram, patches))
    if histogram.ndim != 1 or patches.ndim != 4 or len(patches) != len(histogram):
        raise ValueError(
            f"histogram, patches: expected (m,) and (m, k, P, P), got {tuple(histogram.shape)}, {tuple(patches.shape)}"
        )
    strongest = histogram.argsort(descending=True)[:shown].tolist()
    figure, (picture, bars, strip) = new_figure(
        8.4, 2.6, columns=3, width_ratios=(1, 1.5, 1.5), margins=(0.1, 0.1, 0.35, 0.5)
    )
    figure.subplots_adjust(wspace=0.22)
    picture.imshow(image.squeeze().numpy(), cmap="gray")
    picture.set(xticks=[], yticks=[], title="image")
    picture.spines[:].set_visible(False)

    colors = [FAINT] * len(histogram)
    for color, i in zip(class_colors(len(strongest)), strongest, strict=True):
        colors[i] = color
    bars.bar(range(len(histogram)), histogram.tolist(), color=colors, width=0.9)
    bars.axhline(1 / len(histogram), color=SOFT, linewidth=0.8, linestyle=":")
    bars.set(xlabel="prototype", title="histogram z", xlim=(-0.7, len(histogram) - 0.3))
    bars.set_ylim(0, max(0.1, math.ceil(10 * float(histogram.max())) / 10))

    count, side = patches.shape[1:3]
    gap = max(1, side // 6)
    canvas = torch.full((len(strongest) * (side + gap) - gap, count * (side + gap) - gap), torch.nan)
    for row, i in enumerate(strongest):
        for column, patch in enumerate(patches[i]):
            low, high = patch.min(), patch.max()
            top, left = row * (side + gap), column * (side + gap)
            canvas[top : top + side, left : left + side] = (patch - low) / (high - low).clamp(min=1e-6)
    strip.imshow(canvas.numpy(), cmap="gray")
    for row, color in enumerate(class_colors(len(strongest))):
        middle = row * (side + gap) + side / 2
        strip.plot(
            [-1.6 * gap] * 2, [middle - side / 2, middle + side / 2], color=color, linewidth=3, clip_on=False
        )
    strip.set(xticks=[], yticks=[], title="nearest patches")
    strip.spines[:].set_visible(False)
    return figure
