"""Maps of embeddings: many dimensions on two, and the picture of it."""

import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

import numpy as np
import torch
from matplotlib.figure import Figure

from dmlnb._inputs import require_embeddings
from dmlnb.explore.figures import (
    FAINT,
    class_color,
    class_marker,
    new_figure,
    square_limits,
    style,
    to_numpy,
)
from dmlnb.explore.names import name_legend, names_of, plain, whole_numbers
from dmlnb.retrieval import nearest

FEWEST_POINTS, MOST_POINTS = 4, 50_000  # of UMAP
MOST_CLASSES = 8


def project(embeddings, method: str = "pca", seed: int = 0, *, neighbours: int = 15) -> np.ndarray:
    """Embeddings on a plane.

    PCA shows the two directions of largest variance: instant, linear, distances shrink but are never torn. UMAP lays
    out the graph of nearest neighbours (found exactly, by cosine, with FAISS): neighbourhoods can be trusted,
    distances between groups and sizes of groups cannot.

    Args:
        embeddings: `(N, d)`, a tensor or an array.
        method: `"pca"` or `"umap"`.
        seed: of UMAP's layout; equal seeds give equal maps.
        neighbours: of each point in UMAP, itself included, 2 .. N - 1.

    Returns:
        `(N, 2)` float array.

    Raises:
        ValueError: for bad embeddings, an unknown method, fewer than 4 or more than 50,000 points for UMAP (choose a
            part of them), or neighbours out of range.

    Source: [mcinnes2018umap]. Taught in notebook 08.
    """
    rows = torch.as_tensor(to_numpy(embeddings))
    require_embeddings(rows)
    if method == "pca":
        centred = rows.double() - rows.double().mean(dim=0)
        axes = _principal_axes(centred)
        largest = axes[:2].gather(1, axes[:2].abs().argmax(dim=1, keepdim=True))
        axes = axes[:2] * torch.sign(largest)  # a fixed sign
        points = torch.zeros(len(rows), 2, dtype=torch.double)
        points[:, : len(axes)] = centred @ axes.T
        return points.numpy()
    if method != "umap":
        raise ValueError(f"method: expected 'pca' or 'umap', got {method!r}")
    if len(rows) > MOST_POINTS:
        raise ValueError(
            f"embeddings: expected at most {MOST_POINTS} points for UMAP, got {len(rows)}; pass a part of them"
        )
    if len(rows) < FEWEST_POINTS:
        raise ValueError(
            f"embeddings: expected at least {FEWEST_POINTS} points for UMAP, got {len(rows)}; PCA takes any number"
        )
    if not 2 <= neighbours <= len(rows) - 1:
        raise ValueError(f"neighbours: expected 2 .. {len(rows) - 1}, got {neighbours}")
    return umap_layout(rows, seed, neighbours)


def _principal_axes(centred: torch.Tensor) -> torch.Tensor:
    """Directions of the largest variance first, (., d); by whichever side of the table is the smaller one."""
    if len(centred) > centred.shape[1]:
        scaled = centred / (centred.abs().max() or 1.0)  # squares neither overflow nor vanish
        return torch.linalg.eigh(scaled.T @ scaled).eigenvectors.T.flip(0)
    return torch.linalg.svd(centred, full_matrices=False)[2]


def umap_layout(
    rows: torch.Tensor, seed: int, neighbours: int, tell: Callable[[float], object] | None = None
) -> np.ndarray:
    """UMAP of rows `(N, d)` that were checked, as in `project`; `tell` hears the share of the epochs done, 0 .. 1."""
    found, similarity = nearest(rows, k=neighbours - 1)
    itself = torch.arange(len(rows))[:, None]  # UMAP counts each point as its own first neighbour
    found = torch.cat([itself, found], dim=1).numpy()  # (N, neighbours)
    distance = torch.cat([torch.zeros(len(rows), 1), (1 - similarity).clamp(min=0)], dim=1).numpy()
    bar = {"disable": False, "file": _Shares(tell), "bar_format": "{n} {total}"} if tell else None
    with (
        warnings.catch_warnings()
    ):  # tensorflow is absent, one thread because of the seed, no new points later
        warnings.simplefilter("ignore")
        import umap  # slow to import: only where it is used

        _keep_compiled(umap.umap_, umap.layouts, umap.utils)
        layout = umap.UMAP(
            n_neighbors=neighbours,
            precomputed_knn=(found, distance),
            metric="cosine",
            random_state=seed,
            n_jobs=1,
            tqdm_kwds=bar,
        )
        return layout.fit_transform(rows.float().numpy()).astype(float)


def _keep_compiled(*modules: ModuleType) -> None:
    """Let numba keep what it compiles of these modules: five seconds of every process that did not compile it first."""
    for module in modules:
        for function in vars(module).values():
            if hasattr(function, "enable_caching"):
                with contextlib.suppress(RuntimeError):  # no folder that can be written
                    function.enable_caching()


class _Shares:
    """A file that a progress bar writes "12 200" to."""

    def __init__(self, tell: Callable[[float], object]):
        self.tell = tell

    def write(self, text: str) -> None:
        parts = text.split()
        if len(parts) == 2 and all(part.isdigit() for part in parts):
            self.tell(int(parts[0]) / int(parts[1]))

    def flush(self) -> None:
        pass


@style()
def embedding_map(
    points,
    labels,
    class_names: Sequence[str] | Mapping[int, str] | None = None,
    highlight: Sequence[int] | None = None,
    *,
    title: str | None = None,
    axis_names: tuple[str, str] = ("component 1", "component 2"),
) -> Figure:
    """Points in the colours and markers of their classes; classes that are not highlighted are grey.

    Args:
        points: `(N, 2)`, from `project`.
        labels: `(N,)` integers >= 0.
        class_names: a name a class, in the order of the labels or `{label: name}`.
        highlight: classes to colour, at most 8; None takes all if there are at most 8, else the first 8.
        title: of the figure.
        axis_names: of the axes.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that do not fit, NaN, a class without a name, or more than 8 highlighted classes.

    Taught in notebook 00.
    """
    points, labels = to_numpy(points), to_numpy(labels)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != (len(points),):
        raise ValueError(f"points, labels: expected (N, 2) and (N,), got {points.shape} and {labels.shape}")
    if not np.isfinite(points).all():
        raise ValueError("points: expected finite numbers, got NaN or infinity")
    labels = whole_numbers(labels)
    present = np.unique(labels).tolist()
    shown = present[:MOST_CLASSES] if highlight is None else whole_numbers(highlight, "highlight").tolist()
    if len(shown) > MOST_CLASSES:
        raise ValueError(f"highlight: expected at most {MOST_CLASSES} classes, got {len(shown)}")
    names = {c: f"class {c}" for c in shown} if class_names is None else names_of(class_names, shown)
    figure, ax = new_figure(5.8, 4.3)
    others = ~np.isin(labels, shown)
    ax.scatter(*points[others].T, s=13 if len(points) <= 1500 else 6, color=FAINT, linewidth=0, zorder=1)
    look = {"s": 44 if len(points) <= 200 else 26, "linewidth": 0.3, "edgecolor": "white", "zorder": 2}
    handles = [
        ax.scatter(*points[labels == c].T, color=class_color(c), marker=class_marker(c), **look)
        for c in shown
    ]
    words = [names[c] for c in shown]
    if others.any():
        handles.append(ax.scatter([], [], s=13, color=FAINT))
        words.append(f"{len(set(present) - set(shown))} other classes")
    ax.set(xticks=[], yticks=[], xlabel=axis_names[0], ylabel=axis_names[1], title=plain(title or ""))
    if len(points):
        square_limits(ax, points)
    name_legend(ax, handles, words, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.3)
    return figure
