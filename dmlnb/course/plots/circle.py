"""Pictures of six points on a circle: the forces of a loss on them, and where they come to rest."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dmlnb import geometry
from dmlnb.course.toys.circle import (
    CIRCLE_LOSSES,
    LABELS,
    STEPS,
    circle_forces,
    circle_path,
    circle_points,
    circle_proxies,
)
from dmlnb.explore.figures import FAINT, INK, SOFT, class_colors, class_markers, new_figure, style

REACH, TINY = 0.55, 0.02  # length of the longest arrow of a panel; below this a force is none


@style()
def draw_forces(name: str = "contrastive", dial: float | None = None, step: int = 0) -> Figure:
    """Six points on a circle and their proxies, with the forces of a loss on them after some steps along these.

    Args:
        name: of a loss in `dmlnb.course.toys.CIRCLE_LOSSES`.
        dial: the loss's setting as a share of its range, 0 its lowest value and 1 its highest; None for the value that
            the notebook uses.
        step: 0 .. 200.

    Returns:
        The figure.

    Raises:
        ValueError: for a name that is not in the table, or a dial or step out of range.

    Taught in notebook 09.
    """
    figure, ax = new_figure(3.9, 3.7, margins=(0.1, 0.1, 0.45, 0.1))
    setting = _setting(name, dial)
    _panel(ax, name, setting, step)
    loss = CIRCLE_LOSSES[name]
    words = loss.setting.replace("_", " ")
    ax.set_title(
        f"{name}, {words} {loss.value if setting is None else setting:.2f}\nafter {step} steps", fontsize=10
    )
    return figure


@style()
def draw_force_panels(names: Sequence[str] = tuple(CIRCLE_LOSSES), step: int = 0, columns: int = 5) -> Figure:
    """`draw_forces` of several losses side by side, each with the setting that the notebook uses.

    Args:
        names: of losses in `dmlnb.course.toys.CIRCLE_LOSSES`.
        step: 0 .. 200.
        columns: panels in a row.

    Returns:
        The figure.

    Raises:
        ValueError: for no name, one that is not in the table, or a step out of range.

    Taught in notebook 09.
    """
    if not names:
        raise ValueError("names: expected at least one loss, got none")
    rows = -(-len(names) // columns)
    figure, axes = new_figure(1.55 * columns, 1.85 * rows, rows=rows, columns=columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, names, strict=False):
        _setting(name, None)
        _panel(ax, name, None, step)
        ax.set_title(name, fontsize=9, loc="center")
    return figure


@style()
def draw_direction_maps(
    embeddings: Mapping[str, Tensor],
    labels: Tensor,
    columns: int = 5,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """Embeddings in the plane by their directions, one panel a method: a circle, its points spread a little inwards.

    Args:
        embeddings: `(N, 2)` of each method; only directions are drawn.
        labels: `(N,)` integers >= 0.
        columns: panels in a row.
        titles: other titles than the methods' names.

    Returns:
        The figure.

    Raises:
        ValueError: for no method, or embeddings that are not `(N, 2)`.

    Taught in notebook 09.
    """
    shapes = {name: tuple(x.shape) for name, x in embeddings.items()}
    if not shapes or set(shapes.values()) != {(len(labels), 2)}:
        raise ValueError(f"embeddings: expected ({len(labels)}, 2) of at least one method, got {shapes}")
    rows = -(-len(shapes) // columns)
    figure, axes = new_figure(1.55 * columns, 1.75 * rows, rows=rows, columns=columns, squeeze=False)
    classes = int(labels.max()) + 1
    inwards = 1 - 0.06 * (torch.arange(len(labels)) % 4)[:, None]  # points of one direction stay visible
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (name, x) in zip(axes.flat, embeddings.items(), strict=False):
        places = inwards * geometry.normalize(x)
        for c, (color, marker) in enumerate(zip(class_colors(classes), class_markers(classes), strict=True)):
            own = places[labels == c]
            ax.scatter(own[:, 0], own[:, 1], s=18, color=color, marker=marker, alpha=0.75, linewidth=0)
        ax.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))
        ax.set_aspect("equal")
        ax.set_title((titles or {}).get(name, name), fontsize=9, loc="center")
    return figure


def _setting(name: str, dial: float | None) -> float | None:
    if name not in CIRCLE_LOSSES:
        raise ValueError(f"name: expected one of {', '.join(CIRCLE_LOSSES)}, got {name!r}")
    if dial is None:
        return None
    if not 0 <= dial <= 1:
        raise ValueError(f"dial: expected a share in 0 .. 1, got {dial}")
    loss = CIRCLE_LOSSES[name]
    return round(loss.low + dial * (loss.high - loss.low), 3)


def _panel(ax: Axes, name: str, setting: float | None, step: int) -> None:
    """Points of one loss on the circle, proxies outside at their angles; hollow without a force; small dots: start."""
    if not 0 <= step <= STEPS:
        raise ValueError(f"step: expected 0 .. {STEPS}, got {step}")
    start = circle_points()[0]
    path = circle_path(name, setting) if step else ([start], [circle_proxies(name)])
    places = [None if x is None else x[step] for x in path]
    pushes = circle_forces(name, setting, *places)
    colors, markers = class_colors(3), class_markers(3)
    turn = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.cos(turn), np.sin(turn), color=FAINT, linewidth=1.2, zorder=1)
    longest = max(float(push.norm(dim=-1).max()) for push in pushes if push is not None)
    if step:
        for x, c in zip(start.tolist(), LABELS.tolist(), strict=True):
            ax.plot(*(0.85 * np.array(x)), ".", color=colors[c], markersize=4, zorder=2)
    for x, push, c in zip(places[0].tolist(), pushes[0].tolist(), LABELS.tolist(), strict=True):
        felt = _arrow(ax, x, push, longest, INK)
        look = {
            "markerfacecolor": colors[c] if felt else "white",
            "markeredgecolor": colors[c] if not felt else "white",
        }
        ax.plot(*x, markers[c], markersize=8, markeredgewidth=1.3, zorder=4, **look)
    if places[1] is not None:
        for c in range(3):
            for x, push in zip(places[1][c].tolist(), pushes[1][c].tolist(), strict=True):
                outside = [1.3 * number for number in x]
                _arrow(ax, outside, push, longest, SOFT)
                ax.plot(*outside, "*", color=colors[c], markersize=11, markeredgewidth=0, zorder=3)
    ax.set(xlim=(-1.55, 1.55), ylim=(-1.55, 1.55))
    ax.set_aspect("equal")
    ax.set_axis_off()


def _arrow(ax: Axes, place: list[float], push: list[float], longest: float, color: str) -> bool:
    """Draw a force; False if there is none."""
    length = float(np.hypot(*push))
    if length < TINY:
        return False
    tip = np.array(place) + REACH * np.array(push) / max(longest, TINY)
    look = {
        "arrowstyle": "-|>",
        "color": color,
        "shrinkA": 0,
        "shrinkB": 0,
        "linewidth": 1.3,
        "mutation_scale": 9,
    }
    ax.annotate("", tip, place, arrowprops=look, zorder=5)
    return True
