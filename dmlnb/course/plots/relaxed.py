"""Pictures of the relaxed contrastive loss: its labels, and the energy of a pair."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure

from dmlnb.course.toys.pairs import pair_energy, pair_slope
from dmlnb.explore.figures import SOFT, new_figure, style
from dmlnb.explore.names import plain
from dmlnb.losses.relaxed import relaxed_labels


@style()
def draw_label_maps(
    source, labels, sigmas: Sequence[float] = (0.1, 0.5, 1.0, 4.0), *, names: Sequence[str] | None = None
) -> Figure:
    """Class labels and relaxed labels of a batch as heat maps; the batch is sorted by class.

    Args:
        source: `(n, d_s)`.
        labels: `(n,)` integers.
        sigmas: one map each.
        names: of the classes in the order of their numbers; they stand at the blocks of the class labels.

    Returns:
        The figure.

    Raises:
        ValueError: for labels that do not fit.

    Taught in notebook 07.
    """
    source, labels = torch.as_tensor(source), torch.as_tensor(labels)
    if labels.shape != source.shape[:1]:
        raise ValueError(f"labels: expected shape ({len(source)},), got {tuple(labels.shape)}")
    classes, counts = labels.unique(return_counts=True)
    if names is not None and len(names) != len(classes):
        raise ValueError(f"names: expected one for each of {len(classes)} classes, got {len(names)}")
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
    if names is not None:
        middle = (counts.cumsum(0) - (counts + 1) / 2).tolist()  # of each block
        names = [plain(name) for name in names]
        axes[0, 0].set(xticks=middle, yticks=middle, xticklabels=names, yticklabels=names)
        axes[0, 0].tick_params(length=0)
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
        color, rest = colormaps["viridis"](0.9 * number / max(len(labels) - 1, 1)), delta * (1 - w)
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
