"""Pictures for "GAP is a convex combination of prototypes"."""

import math

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from torch import Tensor

from dmlnb.course.toys.tokens import demo_tokens
from dmlnb.explore.figures import FAINT, INK, MISS, SOFT, class_colors, new_figure, square_limits, style
from dmlnb.geometry import cover_radius, greedy_k_center
from dmlnb.pooling.histogram import soft_assignment


@style()
def draw_histogram_assignment(
    regions: Tensor, prototypes: Tensor, sharpness: float = math.inf, cost: str = "euclidean"
) -> Figure:
    """Regions, the prototypes they are assigned to, GAP, and the convex combination that stands for it.

    Left: each line is mass that goes from a region to a prototype. The circles have the cover radius δ. The red segment
    joins GAP and Σ z_i ν_i. Right: the histogram z.

    Args:
        regions: `(n, 2)` local features of one image.
        prototypes: `(m, 2)`.
        sharpness: γ >= 0 of the assignment; infinity gives each region to its best prototype.
        cost: `"euclidean"` (nearest prototype) or `"inner"` (largest inner product).

    Returns:
        The figure.

    Raises:
        ValueError: for another shape, a negative sharpness or an unknown cost.
    """
    regions, prototypes = torch.as_tensor(regions).float(), torch.as_tensor(prototypes).float()
    if regions.ndim != 2 or prototypes.ndim != 2 or regions.shape[1:] != (2,) or prototypes.shape[1:] != (2,):
        raise ValueError(
            f"regions, prototypes: expected (n, 2) and (m, 2), got {tuple(regions.shape)} and {tuple(prototypes.shape)}"
        )
    share = _assignment(regions, prototypes, sharpness, cost)  # (n, m)
    histogram = share.mean(dim=0)  # (m,)
    gap, combination = regions.mean(dim=0), histogram @ prototypes  # (2,)
    error, radius = float((gap - combination).norm()), float(cover_radius(regions, prototypes))

    figure, (ax, bars) = new_figure(7.0, 4.2, columns=2, width_ratios=(1.4, 1), margins=(0.6, 0.1, 0.6, 0.9))
    colors = class_colors(len(prototypes))
    _mass_lines(ax, regions, prototypes, share, colors)
    for v, color in zip(prototypes.tolist(), colors, strict=True):
        ax.add_patch(
            Circle(v, radius, fill=False, edgecolor=color, linewidth=0.9, linestyle=(0, (4, 3)), alpha=0.8)
        )
    ax.scatter(*regions.T, s=14, color=SOFT, linewidth=0, zorder=3, label="region")
    ax.scatter(*prototypes.T, s=90, c=colors, marker="s", edgecolor="white", linewidth=1.2, zorder=4)
    ax.plot(*torch.stack([gap, combination]).T, color=MISS, linewidth=2.4, zorder=5)
    ax.annotate(f"{error:.2f}", gap, (8, 8), textcoords="offset points", fontsize=9, color=MISS, zorder=8,
                fontweight="bold", path_effects=[withStroke(linewidth=2.5, foreground="white")])  # fmt: skip
    ax.scatter(*gap, s=85, color=INK, marker="X", edgecolor="white", linewidth=0.9, zorder=7, label="GAP")
    ax.scatter(
        *combination,
        s=70,
        color=MISS,
        marker="D",
        edgecolor="white",
        linewidth=0.9,
        zorder=6,
        label="mixture Σ zᵢ νᵢ",
    )
    ax.scatter([], [], s=60, color=SOFT, marker="s", label="prototype νᵢ")
    ax.plot([], [], color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)), label="radius δ")
    square_limits(ax, torch.cat([regions, prototypes]).numpy(), 0.1)  # circles may leave the picture
    ax.grid(color=FAINT, linewidth=0.4)
    ax.set_axisbelow(True)
    ax.set(xlabel="feature 1", ylabel="feature 2")
    figure.suptitle(_verdict(error, radius, sharpness, cost), x=0.02, ha="left", fontsize=11)
    figure.legend(
        *ax.get_legend_handles_labels(),
        loc="lower left",
        bbox_to_anchor=(0.02, 0.015),
        ncols=5,
        handletextpad=0.2,
        columnspacing=1.4,
    )

    names = [str(i + 1) for i in range(len(prototypes))]
    bars.bar(names, histogram.tolist(), color=colors, width=0.72)
    top = 1.0 if histogram.max() > 0.5 else 0.5
    bars.set(xlabel="prototype", ylabel="share of the regions, zᵢ", title="histogram z", ylim=(0, top))
    bars.set_xlim(-0.6, max(len(names), 4) - 0.4)  # one bar does not fill the picture
    bars.tick_params(axis="x", length=0)
    if len(names) > 12:
        bars.set_xticks([0, len(names) - 1])
    if len(names) <= 12:
        for v, name in zip(prototypes.tolist(), names, strict=True):
            ax.annotate(
                name, v, ha="center", va="center", fontsize=7, color="white", fontweight="bold", zorder=4.5
            )
    return figure


def draw_prototype_demo(num_prototypes: int = 4, sharpness: float = math.inf, seed: int = 0) -> Figure:
    """`draw_histogram_assignment` on made-up regions, with prototypes chosen among them farthest-first.

    Args:
        num_prototypes: 1 .. 48.
        sharpness: γ >= 0, perhaps infinite.
        seed: of the regions.

    Returns:
        The figure.

    Raises:
        ValueError: for a number out of range.

    Taught in notebook 01.
    """
    regions = demo_tokens(seed)
    if not 1 <= num_prototypes <= len(regions):
        raise ValueError(f"num_prototypes: expected 1 .. {len(regions)}, got {num_prototypes}")
    chosen = greedy_k_center(regions[None], regions[None, :0], num_prototypes)[0]  # (m,)
    return draw_histogram_assignment(regions, regions[chosen], sharpness)


def _assignment(regions: Tensor, prototypes: Tensor, sharpness: float, cost: str) -> Tensor:  # -> (n, m)
    if sharpness != math.inf:
        return soft_assignment(regions[None], prototypes, sharpness, cost=cost)[0]
    scores = soft_assignment(regions[None].double(), prototypes.double(), 1.0, cost=cost)[0]
    return torch.nn.functional.one_hot(scores.argmax(dim=1), len(prototypes)).float()


def _verdict(error: float, radius: float, sharpness: float, cost: str) -> str:
    if sharpness == math.inf and cost == "euclidean":
        return f"error {error:.3f} ≤ cover radius δ = {radius:.3f}"
    return (
        f"error {error:.3f}, cover radius δ = {radius:.3f} (it bounds the error of nearest assignment only)"
    )


def _mass_lines(ax: Axes, regions: Tensor, prototypes: Tensor, share: Tensor, colors: list[str]) -> None:
    from matplotlib.collections import LineCollection

    for i, color in enumerate(colors):
        strong = share[:, i] > 0.02
        ends = torch.stack(
            [regions[strong], prototypes[i].expand(int(strong.sum()), 2)], dim=1
        )  # (s, 2 ends, 2)
        lines = LineCollection(
            ends.numpy(), linewidths=(2.0 * share[strong, i]).numpy(), colors=color, alpha=0.7
        )
        ax.add_collection(lines, autolim=False)
