"""Pictures of embedding transfer in the plane: points that follow the relaxed contrastive loss, and where they rest."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dmlnb.course.toys.pairs import pair_energy, pair_slope
from dmlnb.course.toys.transfer import POINTS, STEPS, fit_circle, forces, toy_source, toy_transfer
from dmlnb.explore.figures import (
    ACCENT,
    FAINT,
    HIT,
    INK,
    MISS,
    SOFT,
    class_colors,
    class_markers,
    new_figure,
    style,
)
from dmlnb.explore.names import plain
from dmlnb.losses.relaxed import relative_distances, relaxed_labels


@style()
def draw_transfer_demo(sigma: float = 1.0, delta: float = 1.0, step: int = STEPS, seed: int = 0) -> Figure:
    """Source on a circle, a target of free points after some steps with the forces on it, and its energy.

    Args:
        sigma, delta: of the relaxed contrastive loss, > 0 and >= 0.
        step: 0 .. 60.
        seed: of source and start.

    Returns:
        The figure.

    Raises:
        ValueError: for a step out of range.

    Taught in notebook 07.
    """
    if not 0 <= step <= STEPS:
        raise ValueError(f"step: expected 0 .. {STEPS}, got {step}")
    source, classes = toy_source(seed)
    path, losses = toy_transfer(sigma, delta, seed)
    force = forces(path[step], source, sigma, delta)
    figure, (left, middle, right) = new_figure(
        8.6,
        3.0,
        columns=3,
        width_ratios=(1, 1, 0.9),
        margins=(0.2, 0.15, 0.35, 0.5),
        gridspec_kw={"wspace": 0.3},
    )
    _points(left, source, classes, 1.3)
    _points(middle, path[step], classes, 1.7)
    _arrows(middle, path[step], force, min(6.0, 0.7 / float(force.norm(dim=1).max())))
    left.set_title("source: on a circle")
    middle.set_title(f"target after {step} steps, with forces")
    right.plot(losses, color=SOFT)
    right.plot(step, losses[step], "o", color=ACCENT)
    right.set(title=f"loss {losses[step]:.2f}", xlabel="step", ylim=(0, None))
    return figure


@style()
def draw_transfer_steps(
    sigma: float = 1.0, delta: float = 1.0, steps: Sequence[int] = (0, 10, STEPS), seed: int = 0
) -> Figure:
    """The source of the toy transfer, and the target after some steps with the forces on it, side by side.

    Args:
        sigma, delta, seed: as in `draw_transfer_demo`.
        steps: each 0 .. 60.

    Returns:
        The figure.

    Raises:
        ValueError: for no step, or one out of range.

    Taught in notebook 07.
    """
    if not steps or not all(0 <= step <= STEPS for step in steps):
        raise ValueError(f"steps: expected at least one, each 0 .. {STEPS}, got {steps}")
    source, classes = toy_source(seed)
    path, _ = toy_transfer(sigma, delta, seed)
    pushes = {step: forces(path[step], source, sigma, delta) for step in steps}
    scale = 0.7 / max(float(force.norm(dim=1).max()) for force in pushes.values())  # one for all panels
    figure, axes = new_figure(2.3 * (1 + len(steps)), 2.5, columns=1 + len(steps))
    _points(axes[0], source, classes, 1.3)
    axes[0].set_title("source")
    for ax, step in zip(axes[1:], steps, strict=True):
        _points(ax, path[step], classes, 1.7)
        _arrows(ax, path[step], pushes[step], scale)
        ax.set_title("target, start" if step == 0 else f"after {step} steps")
    return figure


@style()
def draw_pair_demo(
    partner: int = 12, sigma: float = 1.0, delta: float = 1.0, step: int = 10, seed: int = 0
) -> Figure:
    """One pair of the toy transfer: its label, its relative distance, and which way the loss moves it.

    Args:
        partner: row 1 .. 23, paired with row 0.
        sigma, delta, step, seed: as in `draw_transfer_demo`; delta > 0.

    Returns:
        The figure.

    Raises:
        ValueError: for a partner or step out of range.

    Taught in notebook 07.
    """
    if not 1 <= partner < POINTS:
        raise ValueError(f"partner: expected 1 .. {POINTS - 1}, got {partner}")
    if not 0 <= step <= STEPS:
        raise ValueError(f"step: expected 0 .. {STEPS}, got {step}")
    source, classes = toy_source(seed)
    points = toy_transfer(sigma, delta, seed)[0][step]
    w = float(relaxed_labels(source, sigma=sigma)[0, partner])
    r = float(relative_distances(points)[0, partner])
    slope = float(pair_slope(r, w, delta))
    figure, (left, middle, right) = new_figure(
        8.6,
        3.0,
        columns=3,
        width_ratios=(1, 1, 1.1),
        margins=(0.2, 0.15, 0.35, 0.5),
        gridspec_kw={"wspace": 0.25},
    )
    for ax, where, title in (
        (left, source, f"source: label w = {w:.2f}"),
        (middle, points, f"target: r = {r:.2f}"),
    ):
        _points(ax, where, classes, 1.3 if ax is left else 1.7)
        ax.plot(*where[[0, partner]].T, color=INK, linewidth=1.4, zorder=3)
        ax.set_title(title)
    grid = np.linspace(0, max(2 * delta, 1.1 * r), 121)
    rest = delta * (1 - w)
    right.plot(grid, pair_energy(grid, w, delta), color=SOFT)
    right.plot(
        rest, pair_energy(rest, w, delta), "D", color=HIT, markersize=7, label=f"rest δ(1 − w) = {rest:.2f}"
    )
    right.plot(r, pair_energy(r, w, delta), "o", color=MISS, markersize=8, label="this pair")
    word = "at rest" if abs(slope) < 0.005 else "pulled together" if slope > 0 else "pushed apart"
    right.set(title=f"slope {slope:+.2f}: {word}", xlabel="relative distance r", ylim=(-0.05, None))
    right.legend(loc="upper center")
    return figure


@style()
def draw_configurations(
    configurations: Mapping[str, Tensor], labels, *, rays: Collection[str] = ()
) -> Figure:
    """Points in the plane, one panel a configuration, each with the circle that fits it best.

    Args:
        configurations: name -> `(n, 2)`.
        labels: `(n,)` integers, for the colours.
        rays: names of the configurations in which only directions count: their origin is marked by a plus, and a line
            goes from it to each point.

    Returns:
        The figure.

    Raises:
        ValueError: for no configuration, or shapes that do not fit.

    Taught in notebook 07.
    """
    labels = torch.as_tensor(labels)
    if not configurations or any(tuple(p.shape) != (len(labels), 2) for p in configurations.values()):
        raise ValueError(f"configurations: expected at least one, each of shape ({len(labels)}, 2)")
    figure, axes = new_figure(2.6 * len(configurations), 2.9, columns=len(configurations), squeeze=False)
    for ax, (name, points) in zip(axes[0], configurations.items(), strict=True):
        points = torch.as_tensor(points).double()
        centre, radius = fit_circle(points)
        off = ((points - centre).norm(dim=1) - radius).square().mean().sqrt() / radius
        turn = np.linspace(0, 2 * math.pi, 100)
        ax.plot(np.cos(turn), np.sin(turn), color=FAINT, linewidth=1.2, zorder=1)
        if name in rays:
            origin = -centre / radius
            for x, y in (points - centre) / radius:
                ax.plot([origin[0], x], [origin[1], y], color=FAINT, linewidth=0.7, zorder=1)
            ax.plot(*origin, "+", color=INK, markersize=11, markeredgewidth=1.8, zorder=3)
        _points(ax, (points - centre) / radius, labels, 1.9)
        ax.set_title(f"{plain(name)}: {100 * float(off):.0f} % off", fontsize=10)
    return figure


def _arrows(ax: Axes, points: Tensor, force: Tensor, scale: float) -> None:
    ax.quiver(*points.T, *(scale * force).T, angles="xy", scale_units="xy", scale=1, color=SOFT, width=0.006)


def _points(ax: Axes, points: Tensor, classes: Tensor, reach: float) -> None:
    number = int(classes.max()) + 1
    for c, (color, marker) in enumerate(zip(class_colors(number), class_markers(number), strict=True)):
        ax.scatter(*points[classes == c].T, s=26, color=color, marker=marker, linewidth=0, zorder=2)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
