"""Pictures of one query: its ranked neighbours on the circle, and what R@k, P@R and AP@R say about them."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from dmlnb._inputs import require_labels
from dmlnb.explore.figures import FAINT, HIT, INK, MISS, SOFT, class_colors, class_markers, new_figure, style


@style()
def draw_ranking(embeddings: Tensor, labels: Tensor, query: int, k: int = 1) -> Figure:
    """Embeddings on the unit circle, all others ranked by their angle to the query, hits and misses marked.

    Left: the query has a ring, solid lines go to its first k neighbours, and numbers are ranks. Right: the ranking as
    a row a neighbour, the first k above the line. The title has the three measures of this one query; R is the number
    of other embeddings of its class.

    Args:
        embeddings: `(N, 2)`, N >= 2; normalised here.
        labels: `(N,)` integers.
        query: 0 .. N - 1.
        k: of R@k, 1 .. N - 1.

    Returns:
        The figure.

    Raises:
        ValueError: for another shape, or a query or k out of range.

    Taught in notebook 00.
    """
    embeddings, labels = torch.as_tensor(embeddings).float(), torch.as_tensor(labels)
    if embeddings.ndim != 2 or embeddings.shape[1] != 2 or len(embeddings) < 2:
        raise ValueError(f"embeddings: expected (N, 2) with N >= 2, got {tuple(embeddings.shape)}")
    number = len(embeddings)
    require_labels(labels, number)
    if not 0 <= query < number:
        raise ValueError(f"query: expected 0 .. {number - 1}, got {query}")
    if not 1 <= k <= number - 1:
        raise ValueError(f"k: expected 1 .. {number - 1}, got {k}")
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    similarity = unit @ unit[query]  # (N,)
    order = similarity.argsort(descending=True, stable=True)
    order = order[order != query]  # itself is excluded by index
    hits = labels[order] == labels[query]  # (N - 1,)

    figure, (ax, table) = new_figure(
        7.0, 3.8, columns=2, width_ratios=(1.15, 1), margins=(0.6, 0.1, 0.4, 0.55)
    )
    figure.suptitle(_measures(hits, k), x=0.02, ha="left", fontsize=11)
    _circle(ax, unit, labels, query, order, hits, k)
    _table(table, similarity[order], order, hits, k)
    return figure


def draw_retrieval_toy(query: int = 0, k: int = 1, angle: float = 62.0) -> Figure:
    """`draw_ranking` on six embeddings of two classes, one of which can be moved along the circle.

    Args:
        query: 0 .. 5.
        k: 1 .. 5.
        angle: where embedding 2 (of class 0) is, degrees.

    Returns:
        The figure.

    Raises:
        ValueError: for a query or k out of range.

    Taught in notebook 00.
    """
    return draw_ranking(*retrieval_toy(angle), query, k)


def retrieval_toy(angle: float = 62.0) -> tuple[Tensor, Tensor]:
    """Six unit vectors `(6, 2)` of two classes `(6,)`; `angle` is that of number 2, in degrees."""
    radians = torch.deg2rad(torch.tensor([15.0, 34.0, angle, 48.0, 95.0, 130.0]))
    return torch.stack([radians.cos(), radians.sin()], dim=1), torch.tensor([0, 0, 0, 1, 1, 1])


def _measures(hits: Tensor, k: int) -> str:
    r = int(hits.sum())
    if r == 0:
        return "no other embedding has the query's class: such a query is not counted"
    precision = hits.float().cumsum(0) / torch.arange(1, len(hits) + 1)  # (N - 1,) precision at each rank
    average = float((precision * hits)[:r].sum() / r)
    return f"R@{k} = {int(hits[:k].any())}     R = {r}     P@R = {hits[:r].float().mean():.2f}     AP@R = {average:.2f}"


def _circle(ax: Axes, unit: Tensor, labels: Tensor, query: int, order: Tensor, hits: Tensor, k: int) -> None:
    ax.add_patch(Circle((0, 0), 1, fill=False, edgecolor=FAINT, linewidth=1.2))
    for rank, (i, hit) in enumerate(zip(order.tolist(), hits.tolist(), strict=True)):
        inside, color = rank < k, HIT if hit else MISS
        ends = torch.stack([unit[query], unit[i]]).T
        ax.plot(
            *ends, color=color, linewidth=2 if inside else 0.8, linestyle="-" if inside else ":", zorder=2
        )
    colors, marks = class_colors(int(labels.max()) + 1), class_markers(int(labels.max()) + 1)
    ax.scatter(*unit[query], s=300, facecolor="none", edgecolor=INK, linewidth=1.6, zorder=3)
    for c in labels.unique().tolist():
        ax.scatter(
            *unit[labels == c].T,
            s=90,
            color=colors[c],
            marker=marks[c],
            edgecolor="white",
            zorder=4,
            label=f"class {c}",
        )
    ax.scatter([], [], s=120, facecolor="none", edgecolor=INK, linewidth=1.4, label="query")
    for i, (x, y) in enumerate((1.19 * unit).tolist()):
        ax.text(
            x, y, str(i), ha="center", va="center", fontsize=10, fontweight="bold" if i == query else "normal"
        )
    ax.set(
        xlim=(-1.3, 1.3),
        ylim=(-1.3, 1.3),
        xlabel="coordinate 1",
        ylabel="coordinate 2",
        xticks=(-1, 0, 1),
        yticks=(-1, 0, 1),
    )
    ax.set_aspect("equal")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 0.12), handletextpad=0.2)


def _table(ax: Axes, similarity: Tensor, order: Tensor, hits: Tensor, k: int) -> None:
    ax.set_axis_off()
    rows = len(order)
    ax.set(xlim=(0, 1), ylim=(rows + 0.3, -0.9))
    for x, name in zip((0.08, 0.32, 0.62, 0.92), ("rank", "embedding", "similarity", "hit"), strict=True):
        ax.text(x, -0.55, name, ha="center", va="center", fontsize=9, color=SOFT)
    for rank, (i, value, hit) in enumerate(
        zip(order.tolist(), similarity.tolist(), hits.tolist(), strict=True)
    ):
        color, y = HIT if hit else MISS, rank + 0.25
        ax.text(0.08, y, str(rank + 1), ha="center", va="center", color=INK if rank < k else SOFT)
        ax.text(0.32, y, str(i), ha="center", va="center", color=INK if rank < k else SOFT)
        ax.text(
            0.62,
            y,
            f"{value:+.2f}".replace("-", "−"),
            ha="center",
            va="center",
            color=INK if rank < k else SOFT,
        )
        ax.text(
            0.92,
            y,
            "✓" if hit else "✗",
            ha="center",
            va="center",
            color=color,
            fontsize=13,
            fontweight="bold",
        )
    ax.plot([0, 1], [k - 0.25, k - 0.25], color=INK, linewidth=1)
