"""How a decision matrix arises: the same regions five times, step by step."""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from dmlnb.explore.figures import INK, class_colors, new_figure, square_limits, style, to_numpy


@style()
def draw_decision_steps(features, z, labels, own, decided, decisions) -> Figure:
    """Regions as they are, after the discriminants, by sub-class with and without the label, and what is counted.

    A class has one hue, its sub-classes a dark and lighter shades of it. Large dots are the means of the sub-classes.

    Args:
        features: `(N, D)`, D >= 2; the first two are drawn.
        z: `(N, r)`, r >= 2; the same in the discriminants, the first two are drawn.
        labels: `(N,)` classes of the images, 0 .. C - 1.
        own: h1 `(N,)`, the sub-class among those of the own class; number `c * K + k`.
        decided: h2 `(N,)`, the nearest sub-class of all.
        decisions: S `(G, G)`, G = C K; rows sum to 1.

    Returns:
        The figure.

    Raises:
        ValueError: if G is not a multiple of the number of classes, or the lengths differ.

    Taught in notebook 06.
    """
    features, z, labels, own, decided, S = map(to_numpy, (features, z, labels, own, decided, decisions))
    if not len(features) == len(z) == len(labels) == len(own) == len(decided):
        raise ValueError(
            f"labels: expected {len(features)} of everything, got {[len(v) for v in (z, labels, own, decided)]}"
        )
    classes, number = int(labels.max()) + 1, len(S)
    if S.shape != (number, number) or number % classes:
        raise ValueError(f"decisions: expected (G, G), G a multiple of {classes}, got {S.shape}")
    per_class = number // classes
    hues = np.array([to_rgb(color) for color in class_colors(classes)])  # (C, 3)
    pale = np.linspace(0, 0.62, per_class)[None, :, None]
    shades = (hues[:, None] * (1 - pale) + pale).reshape(number, 3)  # (G, 3)
    means = np.stack([z[own == g].mean(axis=0) for g in range(number)])
    figure, axes = new_figure(7.5, 5.0, rows=2, columns=3)
    panels = (
        ("1 · regions, two features", features, hues[labels]),
        ("2 · discriminants (LDA)", z, hues[labels]),
        ("3 · h₁: own class only", z, shades[own]),
        ("4 · h₂: label hidden", z, shades[decided]),
    )
    for ax, (title, points, colors) in zip(axes.flat, panels, strict=False):
        ax.scatter(points[:, 0], points[:, 1], s=5, c=colors, linewidth=0)
        square_limits(ax, points[:, :2])
        ax.set(title=title, xticks=[], yticks=[])
    for ax in axes.flat[2:4]:
        ax.scatter(means[:, 0], means[:, 1], s=60, c=shades, edgecolor=INK, linewidth=1, zorder=3)
    table, bars = axes[1, 1], axes[1, 2]
    table.imshow(np.sqrt(S), cmap="magma_r", vmin=0, vmax=1)
    for g in range(number):
        for other in np.flatnonzero(S[g] >= 0.01):
            color = "white" if S[g, other] > 0.3 else INK
            table.text(other, g, f"{S[g, other]:.2f}"[1:] if S[g, other] < 0.995 else "1", fontsize=7,
                       ha="center", va="center", color=color)  # fmt: skip
    table.set(
        title="5 · S: count", xlabel="decided h₂", ylabel="own h₁", xticks=range(number), yticks=range(number)
    )
    entropy = -(S * np.log(np.where(S > 0, S, 1.0))).sum(axis=1)
    for side, row in enumerate((int(entropy.argmin()), int(entropy.argmax()))):
        place = np.arange(number) + 0.4 * side - 0.2
        bars.bar(place, S[row], 0.4, color=shades[row], edgecolor=INK, linewidth=0.6, label=f"row {row}")
    bars.set(
        title="6 · two targets", xlabel="sub-class", ylim=(0, 1.25), xticks=range(number), yticks=(0, 0.5, 1)
    )
    bars.legend(loc="upper right", ncols=2, handlelength=1, columnspacing=0.8)
    return figure
