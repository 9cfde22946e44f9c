"""Small drawn worlds that notebooks (and their sliders) show: a ranking on a circle, features and prototypes."""

import math

import numpy as np
import torch

from dmlnb.geometry import cover_radius, greedy_k_center
from dmlnb.plots.style import HIT, MISS, class_colors, new_figure, style
from dmlnb.pooling import hard_histogram, soft_assignment


def draw_ranking(embeddings, labels, *, query: int = 0):
    """One query of a toy set in the plane, its neighbours in order, and what R@1, P@R and MAP@R make of them.

    Args:
        embeddings: `(N, 2)` unit vectors.
        labels: `(N,)`; the query's class needs a second member.
        query: row of the query.

    Raises:
        ValueError: if the query is out of range or alone in its class.
    """
    embeddings, labels = torch.as_tensor(embeddings).double(), torch.as_tensor(labels)
    if not 0 <= query < len(labels):
        raise ValueError(f"query: expected 0 .. {len(labels) - 1}, got {query}")
    similarity = embeddings @ embeddings[query]
    similarity[query] = -math.inf
    order = similarity.argsort(descending=True, stable=True)[:-1]
    hits = (labels[order] == labels[query]).double()
    relevant = int(hits.sum())
    if relevant == 0:
        raise ValueError(f"query: {query} is alone in its class, so nothing can be found")
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    average = float((hits * precision)[:relevant].sum() / relevant)
    colors = class_colors(int(labels.max()) + 1)
    with style():
        figure, axes = new_figure(7.4, 3.5, columns=2)
        circle, bars = axes
        circle.add_patch(_ring())
        for rank, other in enumerate(order.tolist(), start=1):
            x, y = embeddings[[query, other]].T
            circle.plot(x, y, color=HIT if hits[rank - 1] else MISS, linestyle="-" if hits[rank - 1] else ":", linewidth=1)
            circle.annotate(str(rank), embeddings[other].tolist(), xytext=(embeddings[other] * 1.16).tolist(), ha="center", va="center")
        circle.scatter(*embeddings.T, c=[colors[c] for c in labels], s=70, zorder=3, edgecolor="white")
        circle.scatter(*embeddings[query], s=200, facecolor="none", edgecolor="black", zorder=4, linewidth=1.5)
        circle.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal", title="query ringed; numbers are ranks", xticks=[], yticks=[])
        bars.barh(range(1, len(order) + 1), similarity[order], color=[HIT if h else MISS for h in hits])
        for rank, hit in enumerate(hits.tolist(), start=1):
            bars.text(0.02, rank, "hit" if hit else "miss", va="center", fontsize=8)
        bars.invert_yaxis()
        bars.axvline(0, color="black", linewidth=0.6)
        bars.set(xlim=(-1, 1), xlabel="cosine similarity to the query", ylabel="rank", yticks=range(1, len(order) + 1),
                 title=f"R = {relevant}   R@1 {hits[0]:.0f}   P@R {float(hits[:relevant].mean()):.2f}   MAP@R {average:.2f}")  # fmt: skip
    return figure


def _ring():
    from matplotlib.patches import Circle

    return Circle((0, 0), 1, fill=False, color="#BBBBBB")


def toy_features(seed: int = 0) -> torch.Tensor:
    """Forty features of an invented image, `(40, 2)`: four clusters and some strays."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(4, 2, generator=generator) * 4 - 2
    clusters = centres.repeat_interleave(8, dim=0) + 0.25 * torch.randn(32, 2, generator=generator)
    return torch.cat([clusters, torch.rand(8, 2, generator=generator) * 5 - 2.5])


def _draw_mixture(axis, features, prototypes, sharpness: float) -> tuple[float, float, torch.Tensor]:
    """Features, prototypes, the plan between them, GAP and the mixture; returns error, cover radius, histogram."""
    from matplotlib.patches import Circle

    if math.isinf(sharpness):
        nearest = torch.cdist(features, prototypes).argmin(dim=1)
        plan = torch.nn.functional.one_hot(nearest, len(prototypes)).float()  # (n, m)
        z = hard_histogram(features[None], prototypes, cost="euclidean")[0]
    else:
        plan = soft_assignment(features[None], prototypes, sharpness, cost="euclidean")[0]
        z = plan.mean(dim=0)
    gap, mixture = features.mean(dim=0), z @ prototypes
    radius = cover_radius(features, prototypes).item()
    colors = class_colors(len(prototypes))
    for j, i in (plan > 0.03).nonzero().tolist():
        line = torch.stack([features[j], prototypes[i]]).T
        axis.plot(*line, color=colors[i], alpha=0.55, linewidth=1.6 * plan[j, i].item(), zorder=1)
    for i, prototype in enumerate(prototypes.tolist()):
        axis.add_patch(Circle(prototype, radius, fill=False, color=colors[i], alpha=0.35, linewidth=0.8))
    axis.scatter(*features.T, s=12, color="#444444", zorder=2, label="features")
    axis.scatter(*prototypes.T, s=90, c=colors, marker="s", edgecolor="black", zorder=3, label="prototypes")
    axis.scatter(*gap, s=130, marker="X", color="black", edgecolor="white", zorder=5, label="GAP")
    axis.scatter(*mixture, s=80, marker="D", color="#FFD92F", edgecolor="black", zorder=4, label="mixture")
    axis.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal", xticks=[], yticks=[])
    return (mixture - gap).norm().item(), radius, z


def draw_prototype_demo(num_prototypes: int = 5, sharpness: float = math.inf, seed: int = 0):
    """Forty features in the plane, farthest-first prototypes, the assignment between them and the histogram.

    Args:
        num_prototypes: 1 .. 40.
        sharpness: γ of the soft assignment by distance; infinite for the hard one.
        seed: of the invented image.
    """
    features = toy_features(seed)
    picks = greedy_k_center(features[None], features[None, :0], num_prototypes)[0]
    with style():
        figure, axes = new_figure(7.4, 3.9, columns=2, width_ratios=(3, 2))
        error, radius, z = _draw_mixture(axes[0], features, features[picks], sharpness)
        axes[0].legend(loc="upper left", ncols=2, framealpha=0.9)
        axes[0].set_title(f"error {error:.2f}  ≤  cover radius {radius:.2f}" if math.isinf(sharpness) else f"error {error:.2f}, cover radius {radius:.2f}")
        axes[1].bar(range(1, num_prototypes + 1), z, color=class_colors(num_prototypes), edgecolor="black", linewidth=0.5)
        axes[1].set(xlabel="prototype", ylabel="share of the features", ylim=(0, 1), title="histogram z")
        axes[1].set_xticks(np.unique(np.linspace(1, num_prototypes, min(num_prototypes, 8)).round().astype(int)))
    return figure


def draw_prototype_steps(numbers=(1, 2, 4, 12), seed: int = 0):
    """Small multiples of `draw_prototype_demo` with hard assignment, one panel a number of prototypes."""
    features = toy_features(seed)
    with style():
        figure, axes = new_figure(2.5 * len(numbers), 2.8, columns=len(numbers), squeeze=False)
        for axis, number in zip(axes[0], numbers, strict=True):
            picks = greedy_k_center(features[None], features[None, :0], number)[0]
            error, radius, _ = _draw_mixture(axis, features, features[picks], math.inf)
            axis.set_title(f"m = {number}: error {error:.2f} ≤ {radius:.2f}")
    return figure
