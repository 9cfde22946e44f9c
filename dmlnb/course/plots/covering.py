"""Pictures for chance constraints: proxies with covering balls, and projections on discs."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from dmlnb.explore.figures import (
    ACCENT,
    FAINT,
    INK,
    MISS,
    SOFT,
    class_colors,
    class_markers,
    new_figure,
    square_limits,
    style,
)
from dmlnb.geometry import greedy_k_center, proxy_cover


@style()
def draw_cover(
    points: Tensor,
    labels: Tensor,
    proxies: Sequence[Tensor] | Tensor,
    *,
    titles: Sequence[str] | None = None,
) -> Figure:
    """Samples of a plane, the proxies of each class, and the smallest equal balls round them that cover the class.

    Args:
        points: `(N, 2)`.
        labels: `(N,)` in 0 .. C - 1.
        proxies: `(C, K, 2)`, or several such, one a panel.
        titles: one a panel; the mean cover is added.

    Returns:
        The figure.

    Raises:
        ValueError: for another shape, or titles that do not match.

    Taught in notebook 04.
    """
    panels = [proxies] if isinstance(proxies, Tensor) else list(proxies)
    titles = [""] * len(panels) if titles is None else list(titles)
    if points.ndim != 2 or points.shape[1] != 2 or len(titles) != len(panels):
        raise ValueError(
            f"points, titles: expected (N, 2) and {len(panels)} titles, got {tuple(points.shape)} and {titles}"
        )
    figure, axes = new_figure(
        3.3 * len(panels) + 0.2, 3.6, columns=len(panels), squeeze=False, margins=(0.3, 0.1, 0.35, 0.3),
        sharex=True, sharey=True,
    )  # fmt: skip
    for ax, own, title in zip(axes[0], panels, titles, strict=True):
        radii = cover_panel(ax, points, labels, own)
        ax.set_title(f"{title}{': ' if title else ''}mean cover {float(radii.mean()):.2f}", fontsize=10)
    square_limits(axes[0, 0], _ball_corners(points, labels, panels), 0.03)
    for ax in axes[0, 1:]:
        ax.set_aspect("equal", adjustable="box")
    return figure


def cover_panel(ax: Axes, points: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
    """Draw the samples, proxies and balls into axes; returns the radii `(C,)`."""
    radii = proxy_cover(points, labels, proxies)
    colors, markers = class_colors(len(proxies)), class_markers(len(proxies))
    for c, (color, marker) in enumerate(zip(colors, markers, strict=True)):
        own = points[labels == c]
        ax.scatter(*own.T.numpy(), s=13, color=color, marker=marker, alpha=0.6, linewidth=0, zorder=2)
        for proxy in proxies[c].tolist():
            ax.add_patch(
                Circle(proxy, float(radii[c]), facecolor=color, edgecolor=color, alpha=0.09, zorder=1)
            )
            ax.add_patch(Circle(proxy, float(radii[c]), fill=False, edgecolor=color, linewidth=0.8, zorder=1))
        ax.scatter(*proxies[c].T.numpy(), s=52, color=color, marker="s", edgecolor=INK, linewidth=1, zorder=3)
    ax.grid(color=FAINT, linewidth=0.4)
    ax.set_axisbelow(True)
    return radii


def _ball_corners(points: Tensor, labels: Tensor, panels: list[Tensor]) -> np.ndarray:
    corners = [points]
    for proxies in panels:
        radii = proxy_cover(points, labels, proxies)[:, None, None]
        corners += [(proxies - radii).flatten(0, 1), (proxies + radii).flatten(0, 1)]
    return torch.cat(corners).numpy()


def cover_points(seed: int = 0, apart: float = 1.5) -> tuple[Tensor, Tensor]:
    """Three bent classes on a plane, `apart` from the middle: `(90, 2)` points and their labels."""
    generator = torch.Generator().manual_seed(seed)
    along = torch.rand(3, 30, generator=generator) * 2.4 - 1.2
    noise = 0.16 * torch.randn(3, 30, 2, generator=generator)
    bend = torch.stack([along, 0.5 * along**2], dim=2)  # (3, 30, 2)
    turn = torch.tensor([0.2, 2.3, 4.4])[:, None]
    x, y = bend.unbind(dim=2)
    points = torch.stack([turn.cos() * x - turn.sin() * y, turn.sin() * x + turn.cos() * y], dim=2) + noise
    centres = apart * torch.tensor([[0.0, 1.0], [-0.95, -0.6], [0.95, -0.6]])
    return (points + centres[:, None]).flatten(0, 1), torch.arange(3).repeat_interleave(30)


def draw_cover_demo(num_proxies: int = 3, pool: int = 12, seed: int = 0) -> Figure:
    """Farthest-first proxies from a random pool, beside as many proxies drawn at random.

    Args:
        num_proxies: a class, K.
        pool: candidates a class, K .. 30.
        seed: of the pool.

    Returns:
        The figure.

    Raises:
        ValueError: if the pool is smaller than K or larger than a class.

    Taught in notebook 04.
    """
    if not 1 <= num_proxies <= pool <= 30:
        raise ValueError(f"num_proxies, pool: expected 1 <= K <= pool <= 30, got {num_proxies} and {pool}")
    points, labels = cover_points()
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.stack([torch.randperm(30, generator=generator)[:pool] for _ in range(3)])  # (C, b)
    candidates = points.view(3, 30, 2).gather(1, shuffled[:, :, None].expand(-1, -1, 2))
    chosen = greedy_k_center(candidates, candidates[:, :0], num_proxies)
    farthest = candidates.gather(1, chosen[:, :, None].expand(-1, -1, 2))
    return draw_cover(
        points, labels, [candidates[:, :num_proxies], farthest], titles=["random", "farthest first"]
    )


# --- projections on discs -----------------------------------------------------------------------------------------

DISCS = ((0.0, 0.0, 1.0), (1.6, 0.1, 1.0), (0.75, 1.35, 1.0))  # x, y, radius; they share a small region


def disc_projections(strength: float, steps: int, start: tuple[float, float] = (2.6, -1.6)) -> np.ndarray:
    """Relaxed projections on the three discs in turn.

    $$ \\theta \\leftarrow \\theta + (\\Pi \\theta - \\theta) / (1 + \\lambda) $$

    Args:
        strength: λ >= 0; 0 projects fully.
        steps: number of projections.
        start: first point.

    Returns:
        `(steps + 1, 2)` points.

    Raises:
        ValueError: for a negative strength.

    Taught in notebook 04.
    """
    if not strength >= 0:
        raise ValueError(f"strength: expected a number >= 0, got {strength}")
    path = [np.array(start, dtype=float)]
    for step in range(steps):
        x, y, radius = DISCS[step % len(DISCS)]
        away = path[-1] - (x, y)
        distance = math.hypot(*away)
        projected = path[-1] if distance <= radius else (x, y) + away * (radius / distance)
        path.append(path[-1] + (projected - path[-1]) / (1 + strength))
    return np.array(path)


def disc_violation(path: np.ndarray) -> np.ndarray:
    """How far each point is outside the worst disc, `(P,)`; 0 where all three constraints hold."""
    outside = [np.hypot(path[:, 0] - x, path[:, 1] - y) - radius for x, y, radius in DISCS]
    return np.clip(np.max(outside, axis=0), 0, None)


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
        axes[-1].plot(np.maximum(disc_violation(path), 1e-9), color=color, label=f"λ = {strength:g}")
    axes[-1].set(yscale="log", xlabel="projection", ylabel="constraint violation", ylim=(5e-10, 5))
    axes[-1].legend()
    return figure


@style()
def draw_differences(values: dict[str, np.ndarray], xlabel: str, *, title: str = "") -> Figure:
    """Paired differences beside zero: a dot a seed, the mean and its 95 % interval.

    Args:
        values: for each method `(seeds,)` differences, drawn from top to bottom.
        xlabel: what was subtracted from what, with its unit.
        title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: for no method, or fewer than two seeds.

    Taught in notebook 04.
    """
    from dmlnb.course.plots.palette import method_color
    from dmlnb.course.results import interval

    if not values:
        raise ValueError("values: expected at least one method, got none")
    figure, ax = new_figure(6.4, 0.95 + 0.4 * len(values))
    ax.axvline(0, color=SOFT, linewidth=0.9)
    for row, (name, differences) in enumerate(values.items()):
        mean, half = interval(differences)
        color = method_color(name)
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
    ax.set(yticks=range(len(values)), yticklabels=list(values), xlabel=xlabel, title=title)
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return figure
