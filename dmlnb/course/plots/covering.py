"""Pictures for chance constraints: proxies with the balls that cover their class."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from dmlnb.explore.figures import (
    FAINT,
    INK,
    class_colors,
    class_markers,
    new_figure,
    square_limits,
    style,
)
from dmlnb.geometry import proxy_cover


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
        3.3 * len(panels) + 0.4, 3.8, columns=len(panels), squeeze=False, margins=(0.6, 0.1, 0.35, 0.5),
        sharex=True, sharey=True,
    )  # fmt: skip
    axes[0, 0].set_ylabel("second coordinate")
    for ax, own, title in zip(axes[0], panels, titles, strict=True):
        radii = cover_panel(ax, points, labels, own)
        ax.set_title(f"{title}{': ' if title else ''}mean cover {float(radii.mean()):.2f}", fontsize=10)
        ax.set_xlabel("first coordinate")
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
