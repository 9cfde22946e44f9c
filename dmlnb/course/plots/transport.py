"""Pictures for "pooling by optimal transport"."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from dmlnb.course.toys.tokens import transport_tokens
from dmlnb.explore.figures import ACCENT, FAINT, INK, MISS, SOFT, class_colors, new_figure, style, to_numpy
from dmlnb.explore.pictures import as_bytes
from dmlnb.geometry import pairwise_distances
from dmlnb.pooling.transport import TransportPlan, partial_transport

_LINE = 60.0  # points of line width for the mass 1


@style()
def draw_transport(tokens: Tensor, prototypes: Tensor, mass: float = 0.3, sharpness: float = 5.0) -> Figure:
    """The transport problem: what each region ships to the prototypes, and what it leaves in the residual bin.

    Left: the width of a line is the mass that flows; grey lines end in the bin. The cross is the average of the
    regions, the diamond the average weighted by what was shipped. Right: the gates, largest first; their mean is the
    mass.

    Args:
        tokens: `(n, 2)`.
        prototypes: `(m, 2)`; costs are plain distances.
        mass: in (0, 1].
        sharpness: γ >= 0.

    Returns:
        The figure.

    Raises:
        ValueError: for another shape, or a mass or sharpness out of range.
    """
    tokens, prototypes = torch.as_tensor(tokens).double(), torch.as_tensor(prototypes).double()
    if tokens.ndim != 2 or prototypes.ndim != 2 or tokens.shape[1:] != (2,) or prototypes.shape[1:] != (2,):
        got = f"{tuple(tokens.shape)} and {tuple(prototypes.shape)}"
        raise ValueError(f"tokens, prototypes: expected (n, 2) and (m, 2), got {got}")
    result = partial_transport(pairwise_distances(prototypes, tokens)[None], mass, sharpness)
    plan, residual, gates = result.plan[0], result.residual[0], result.gates[0]  # (m, n), (n,), (n,)

    figure, (ax, bars) = new_figure(
        7.4, 3.9, columns=2, width_ratios=(1.9, 1), margins=(0.15, 0.15, 0.55, 0.75)
    )
    colors = class_colors(len(prototypes))
    everything = torch.cat([tokens, prototypes]).numpy()
    (left, low), (right, high) = everything.min(axis=0), everything.max(axis=0)
    width, height = max(right - left, 1e-9), max(high - low, 1e-9)
    bin_x = right + 0.16 * width
    ax.set(xlim=(left - 0.06 * width, bin_x + 0.17 * width), ylim=(low - 0.08 * height, high + 0.08 * height))

    points = tokens.numpy()
    bin_y = np.interp(points[:, 1].argsort().argsort(), [0, max(len(points) - 1, 1)], [low, high])
    _flows(ax, points, np.stack([np.full(len(points), bin_x), bin_y], axis=1), residual, FAINT)
    box = FancyBboxPatch((bin_x, low), 0.1 * width, height, boxstyle=f"round,pad={0.02 * width}")
    box.set(facecolor="#EFEFEF", edgecolor=SOFT, linewidth=0.8)
    ax.add_patch(box)
    left_over = f"residual bin: {float(residual.sum()):.2f}"
    ax.text(
        bin_x + 0.05 * width, (low + high) / 2, left_over, rotation=90, ha="center", va="center", fontsize=9
    )
    for i, color in enumerate(colors):
        ends = np.broadcast_to(prototypes[i].numpy(), points.shape)
        _flows(ax, points, ends, plan[i], color, alpha=0.65)
    shade = [str(0.85 * (1 - g)) for g in gates.clamp(0, 1).tolist()]  # dark: shipped
    ax.scatter(*points.T, s=26, c=shade, edgecolor=INK, linewidth=0.7, zorder=4)
    ax.scatter(*prototypes.T, s=120, c=colors, marker="s", edgecolor="white", linewidth=1.2, zorder=5)
    average, pooled = tokens.mean(dim=0), result.weights[0] @ tokens
    ax.scatter(*average, s=85, color=INK, marker="X", edgecolor="white", linewidth=0.9, zorder=6, label="GAP")
    ax.scatter(*pooled, s=75, color=MISS, marker="D", edgecolor="white", linewidth=0.9, zorder=7, label="GSP")
    ax.scatter([], [], s=26, color=INK, label="region")
    ax.scatter([], [], s=80, color=SOFT, marker="s", label="prototype")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    figure.suptitle(f"mass μ = {mass:g}, sharpness γ = {sharpness:g}", x=0.02, ha="left", fontsize=11)
    figure.legend(
        *ax.get_legend_handles_labels(),
        loc="lower left",
        bbox_to_anchor=(0.02, 0),
        ncols=4,
        handletextpad=0.2,
    )
    _gate_bars(bars, gates, mass)
    figure.subplots_adjust(wspace=0.28, right=0.97)
    return figure


def draw_transport_demo(mass: float = 0.3, sharpness: float = 5.0, seed: int = 0) -> Figure:
    """`draw_transport` on made-up tokens: some near three prototypes, more of them anywhere.

    Args:
        mass: in (0, 1].
        sharpness: γ >= 0.
        seed: of the tokens.

    Returns:
        The figure.

    Raises:
        ValueError: for a mass or sharpness out of range.

    Taught in notebook 02.
    """
    return draw_transport(*transport_tokens(seed), mass, sharpness)


@style()
def draw_pooling_plan(image, plan: TransportPlan, *, mask=None) -> Figure:
    """One image under a transport plan: the weights of its regions, the gates, and the plan itself.

    Args:
        image: `(S, S)` or `(1, S, S)` grey levels, uint8 or 0 .. 1.
        plan: of one image, `partial_transport(cost (1, m, n), mass, sharpness)` with n a square number.
        mask: `(S, S)` bool, outlined.

    Returns:
        The figure.

    Raises:
        ValueError: if the plan is of several images or of a map that is not square.

    Taught in notebook 02.
    """
    picture = as_bytes(torch.as_tensor(image)[None])[0]
    weights, gates, flow = to_numpy(plan.weights), to_numpy(plan.gates)[0], to_numpy(plan.plan)[0]
    side = round(weights.shape[-1] ** 0.5)
    if len(weights) != 1 or side * side != weights.shape[-1] or picture.ndim != 2:
        raise ValueError(f"plan: expected one image and a square map, got weights {weights.shape}")
    height, width = picture.shape
    ratio = (weights[0] * weights.shape[-1]).reshape(side, side)  # 1 = uniform

    figure, (photo, heat, bars, matrix) = new_figure(
        9.2, 2.9, columns=4, width_ratios=(1, 1, 1.25, 1.35), margins=(0.1, 0.1, 0.5, 0.6)
    )
    for ax, title in ((photo, "image"), (heat, "weights, 1 = GAP")):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
        ax.set(xticks=[], yticks=[], title=title)
        if mask is not None:
            outline = np.pad(to_numpy(mask).astype(float), 1)
            rows, columns = (np.arange(n) - 0.5 for n in outline.shape)
            ax.contour(columns, rows, outline, levels=[0.5], colors=[ACCENT], linewidths=1.2)
            ax.set(xlim=(0, width), ylim=(height, 0))
    shown = heat.imshow(
        np.log2(ratio.clip(0.5, 2)), cmap="PuOr_r", vmin=-1, vmax=1, alpha=0.65, extent=(0, width, height, 0)
    )
    _gate_bars(bars, torch.from_numpy(gates), float(gates.mean()))
    order = flow.sum(axis=1).argsort()[::-1][:16]  # the prototypes that get most
    matrix.imshow(flow[order][:, gates.argsort()[::-1]], aspect="auto", cmap="magma_r", vmin=0)
    matrix.set(
        xlabel="region, largest gate first",
        ylabel="prototype, fullest first",
        title="plan (darker: more mass)",
    )
    matrix.set(xticks=[], yticks=[])
    figure.subplots_adjust(wspace=0.32, right=0.98)
    place = heat.get_position()
    cax = figure.add_axes((place.x0, place.y0 - 0.075, place.width, 0.04))
    scale = figure.colorbar(shown, cax=cax, orientation="horizontal", ticks=[-1, 0, 1])
    scale.ax.set_xticklabels(["≤ ½", "1", "≥ 2"], fontsize=8)
    return figure


def _gate_bars(ax: Axes, gates: Tensor, mass: float) -> None:
    ordered = gates.sort(descending=True).values.tolist()
    ax.bar(range(len(ordered)), ordered, width=0.85, color=MISS, linewidth=0)
    ax.axhline(mass, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.annotate(
        "mean = μ", (len(ordered) - 0.5, mass), (0, 3), textcoords="offset points", ha="right", fontsize=8
    )
    ax.set(ylim=(0, 1.04), xlim=(-0.8, len(ordered) - 0.2), xticks=[], title="gates, largest first")
    ax.set_xlabel(f"{len(ordered)} regions")


def _flows(ax: Axes, starts, ends, masses, color: str, alpha: float = 1.0) -> None:
    masses = to_numpy(masses)
    seen = masses * _LINE > 0.08
    segments = np.stack([starts[seen], ends[seen]], axis=1)  # (s, 2 ends, 2)
    lines = LineCollection(
        segments, linewidths=_LINE * masses[seen], colors=color, alpha=alpha, capstyle="round"
    )
    ax.add_collection(lines, autolim=False)
