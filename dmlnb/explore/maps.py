"""Maps of embeddings: many dimensions on two, and the picture of it."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from dmlnb._inputs import require_embeddings
from dmlnb.explore.figures import (
    FAINT,
    class_colors,
    class_markers,
    new_figure,
    square_limits,
    style,
    to_numpy,
)
from dmlnb.retrieval import nearest

MOST_POINTS, MOST_CLASSES = 5000, 8


def project(embeddings, method: str = "pca", seed: int = 0, *, neighbours: int = 15) -> np.ndarray:
    """Embeddings on a plane.

    PCA shows the two directions of largest variance: instant, linear, distances shrink but are never torn. UMAP lays
    out the graph of nearest neighbours (found exactly, by cosine, with FAISS): neighbourhoods can be trusted,
    distances between groups and sizes of groups cannot.

    Args:
        embeddings: `(N, d)`, a tensor or an array.
        method: `"pca"` or `"umap"`.
        seed: of UMAP's layout; equal seeds give equal maps.
        neighbours: of each point in UMAP, itself included, 2 .. N.

    Returns:
        `(N, 2)` float array.

    Raises:
        ValueError: for bad embeddings, an unknown method, more than 5,000 points for UMAP (choose a part of them), or
            neighbours out of range.

    Source: [mcinnes2018umap]. Taught in notebook 08.
    """
    rows = torch.as_tensor(to_numpy(embeddings))
    require_embeddings(rows)
    if method == "pca":
        centred = rows.double() - rows.double().mean(dim=0)
        _, _, axes = torch.linalg.svd(centred, full_matrices=False)  # (min(N, d), d)
        axes = axes[:2] * torch.sign(
            axes[:2].gather(1, axes[:2].abs().argmax(dim=1, keepdim=True))
        )  # a fixed sign
        points = torch.zeros(len(rows), 2, dtype=torch.double)
        points[:, : len(axes)] = centred @ axes.T
        return points.numpy()
    if method != "umap":
        raise ValueError(f"method: expected 'pca' or 'umap', got {method!r}")
    if len(rows) > MOST_POINTS:
        raise ValueError(
            f"embeddings: expected at most {MOST_POINTS} points for UMAP, got {len(rows)}; pass a part of them"
        )
    if not 2 <= neighbours <= len(rows) - 1:
        raise ValueError(f"neighbours: expected 2 .. {len(rows) - 1}, got {neighbours}")
    found, similarity = nearest(rows, k=neighbours - 1)
    itself = torch.arange(len(rows))[:, None]
    found = torch.cat(
        [itself, found], dim=1
    ).numpy()  # (N, neighbours); UMAP counts each point as its own first
    distance = torch.cat([torch.zeros(len(rows), 1), (1 - similarity).clamp(min=0)], dim=1).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # tensorflow is absent, one thread because of the seed, no new points later
        import umap  # slow to import: only where it is used

        layout = umap.UMAP(
            n_neighbors=neighbours,
            precomputed_knn=(found, distance),
            metric="cosine",
            random_state=seed,
            n_jobs=1,
        )
        return layout.fit_transform(rows.float().numpy()).astype(float)


@style()
def embedding_map(
    points,
    labels,
    class_names: Sequence[str] | None = None,
    highlight: Sequence[int] | None = None,
    *,
    title: str | None = None,
    axis_names: tuple[str, str] = ("component 1", "component 2"),
) -> Figure:
    """Points in the colours and markers of their classes; classes that are not highlighted are grey.

    Args:
        points: `(N, 2)`, from `project`.
        labels: `(N,)` integers.
        class_names: a name a class.
        highlight: classes to colour, at most 8; None takes all if there are at most 8, else the first 8.
        title: of the figure.
        axis_names: of the axes.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that do not fit, or more than 8 highlighted classes.

    Taught in notebook 00.
    """
    points, labels = to_numpy(points), to_numpy(labels)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != (len(points),):
        raise ValueError(f"points, labels: expected (N, 2) and (N,), got {points.shape} and {labels.shape}")
    present = np.unique(labels).tolist()
    shown = present[:MOST_CLASSES] if highlight is None else [int(c) for c in highlight]
    if len(shown) > MOST_CLASSES:
        raise ValueError(f"highlight: expected at most {MOST_CLASSES} classes, got {len(shown)}")
    figure, ax = new_figure(5.8, 4.3)
    others = ~np.isin(labels, shown)
    ax.scatter(*points[others].T, s=13 if len(points) <= 1500 else 6, color=FAINT, linewidth=0, zorder=1)
    colors = class_colors(max([*present, *shown], default=0) + 1)
    marks = class_markers(len(colors))
    for c in shown:
        name = class_names[c] if class_names is not None else f"class {c}"
        where = points[labels == c]
        ax.scatter(
            *where.T,
            s=26,
            color=colors[c],
            marker=marks[c],
            linewidth=0.3,
            edgecolor="white",
            label=name,
            zorder=2,
        )
    if others.any():
        ax.scatter([], [], s=13, color=FAINT, label=f"{len(set(present) - set(shown))} other classes")
    ax.set(xticks=[], yticks=[], xlabel=axis_names[0], ylabel=axis_names[1], title=title or "")
    square_limits(ax, points)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.3)
    return figure
