"""Pictures for embedding transfer with relaxed labels."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

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
from dmlnb.losses.relaxed import relative_distances, relaxed_contrastive_loss, relaxed_labels

POINTS, STEPS = 24, 60


def toy_source(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Four classes on a circle, two of them neighbours: source embeddings `(24, 2)` of length 1 and labels `(24,)`."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(4).repeat_interleave(POINTS // 4)
    middle = torch.tensor([0.25, 0.95, 2.6, 4.3])[labels]  # classes 0 and 1 resemble each other
    angle = middle + 0.16 * torch.randn(POINTS, generator=generator)
    return torch.stack([angle.cos(), angle.sin()], dim=1), labels


@lru_cache(maxsize=64)
def toy_transfer(sigma: float = 1.0, delta: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Free points in the plane that follow the relaxed contrastive loss from a random start.

    Args:
        sigma, delta: of the loss.
        seed: of source and start.

    Returns:
        Positions `(61, 24, 2)`, scaled to mean distance 1, and the loss `(61,)` of each step.

    Taught in notebook 07.
    """
    source, _ = toy_source(seed)
    labels = relaxed_labels(source, sigma=sigma)
    points = torch.randn(POINTS, 2, generator=torch.Generator().manual_seed(seed + 1)).requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.08)
    path, losses = [], []
    for _ in range(STEPS + 1):
        loss = relaxed_contrastive_loss(points, labels, delta=delta)
        path.append(points.detach().clone())
        losses.append(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    stacked = torch.stack(path)
    stacked = stacked - stacked.mean(dim=1, keepdim=True)
    return stacked / torch.cdist(stacked, stacked).mean(dim=(1, 2))[:, None, None], torch.stack(losses)


@style()
def draw_label_maps(source, labels, sigmas: Sequence[float] = (0.1, 0.5, 1.0, 4.0)) -> Figure:
    """Class labels and relaxed labels of a batch as heat maps; the batch is sorted by class.

    Args:
        source: `(n, d_s)`.
        labels: `(n,)` integers.
        sigmas: one map each.

    Returns:
        The figure.

    Raises:
        ValueError: for labels that do not fit.

    Taught in notebook 07.
    """
    source, labels = torch.as_tensor(source), torch.as_tensor(labels)
    if labels.shape != source.shape[:1]:
        raise ValueError(f"labels: expected shape ({len(source)},), got {tuple(labels.shape)}")
    order = labels.argsort(stable=True)
    source, labels = source[order], labels[order]
    maps = {"class labels": (labels[:, None] == labels).float()}
    maps |= {f"relaxed, σ = {sigma:g}": relaxed_labels(source, sigma=sigma) for sigma in sigmas}
    figure, axes = new_figure(1.75 * len(maps) + 0.7, 2.3, columns=len(maps), squeeze=False)
    for ax, (name, table) in zip(axes[0], maps.items(), strict=True):
        picture = ax.imshow(table.numpy(), vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
        ax.set(xticks=[], yticks=[], title=name)
        ax.title.set_fontsize(9.5)
    axes[0, 0].set(ylabel="row i", xlabel="row j")
    figure.colorbar(picture, ax=list(axes[0]), label="label w", shrink=0.75)
    return figure


@style()
def draw_pair_energy(labels: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0), delta: float = 1.0) -> Figure:
    """Energy of one pair and its slope against the relative distance, a curve a label; dots mark where it rests.

    Args:
        labels: values of w in 0 .. 1.
        delta: margin > 0.

    Returns:
        The figure.

    Raises:
        ValueError: for a margin that is not positive.

    Taught in notebook 07.
    """
    if not delta > 0:
        raise ValueError(f"delta: expected a number > 0, got {delta}")
    r = np.linspace(0, 2 * delta, 201)
    figure, (left, right) = new_figure(7.6, 3.0, columns=2)
    for number, w in enumerate(labels):
        color, rest = _shade(number, len(labels)), delta * (1 - w)
        left.plot(r, pair_energy(r, w, delta), color=color, label=f"w = {w:g}")
        right.plot(r, pair_slope(r, w, delta), color=color)
        left.plot(rest, pair_energy(rest, w, delta), "o", color=color, markersize=6)
        right.plot(rest, 0, "o", color=color, markersize=6)
    for ax in (left, right):
        ax.axvline(delta, color=SOFT, linewidth=0.9, linestyle="--")
        ax.set_xlabel("relative distance r")
    right.axhline(0, color=SOFT, linewidth=0.8)
    left.set(title="energy of a pair", ylabel="w r² + (1 − w)(δ − r)₊²")
    right.set(title="slope: above 0 it is pulled", ylabel="derivative in r")
    left.legend(title="label")
    return figure


def pair_energy(r, w, delta: float = 1.0):
    """$w r^2 + (1 - w)(\\delta - r)_+^2$ of arrays or numbers."""
    return w * np.square(r) + (1 - w) * np.square(np.maximum(delta - r, 0))


def pair_slope(r, w, delta: float = 1.0):
    """Derivative of `pair_energy` in r: $2 w r - 2 (1 - w)(\\delta - r)_+$."""
    return 2 * w * np.asarray(r) - 2 * (1 - w) * np.maximum(delta - np.asarray(r), 0)


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
    arrows = force * min(
        6.0, 0.7 / float(force.norm(dim=1).max())
    )  # long ones are shortened, all by one factor
    middle.quiver(*path[step].T, *arrows.T, angles="xy", scale_units="xy", scale=1, color=SOFT, width=0.006)
    left.set_title("source: on a circle")
    middle.set_title(f"target after {step} steps, with forces")
    right.plot(losses, color=SOFT)
    right.plot(step, losses[step], "o", color=ACCENT)
    right.set(title=f"loss {losses[step]:.2f}", xlabel="step", ylim=(0, None))
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
def draw_configurations(configurations: Mapping[str, Tensor], labels) -> Figure:
    """Points in the plane, one panel a configuration, each with the circle that fits it best.

    Args:
        configurations: name -> `(n, 2)`.
        labels: `(n,)` integers, for the colours.

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
        _points(ax, (points - centre) / radius, labels, 1.9)
        ax.set_title(f"{name}: {100 * float(off):.0f} % off", fontsize=10)
    return figure


def fit_circle(points: Tensor) -> tuple[Tensor, Tensor]:
    """Centre `(2,)` and radius of the circle with the least $\\sum (|p|^2 - 2 \\langle p, c \\rangle - k)^2$."""
    design = torch.cat([2 * points, torch.ones(len(points), 1, dtype=points.dtype)], dim=1)
    *centre, constant = torch.linalg.lstsq(design, points.square().sum(dim=1, keepdim=True)).solution[:, 0]
    centre = torch.stack(centre)
    return centre, (constant + centre.square().sum()).sqrt()


def forces(points: Tensor, source: Tensor, sigma: float, delta: float) -> Tensor:
    """Minus the gradient of the relaxed contrastive loss at free points `(n, d)`."""
    points = points.clone().requires_grad_()
    loss = relaxed_contrastive_loss(points, relaxed_labels(source, sigma=sigma), delta=delta)
    return -torch.autograd.grad(loss, points)[0]


def _points(ax: Axes, points: Tensor, classes: Tensor, reach: float) -> None:
    number = int(classes.max()) + 1
    for c, (color, marker) in enumerate(zip(class_colors(number), class_markers(number), strict=True)):
        ax.scatter(*points[classes == c].T, s=26, color=color, marker=marker, linewidth=0, zorder=2)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")


def _shade(number: int, of: int) -> tuple:
    from matplotlib import colormaps

    return colormaps["viridis"](0.9 * number / max(of - 1, 1))
