"""Curves and comparisons: a training run, a metric against something, and methods side by side, with their spread."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dmlnb.course.plots.palette import method_color, method_marker
from dmlnb.course.results import interval
from dmlnb.explore.figures import FAINT, INK, SOFT, new_figure, style, to_numpy

_NOT_METRICS = ("step", "loss", "lr", "images_per_second")


@style()
def training_curve(history: Sequence[Mapping] | Mapping, *, title: str | None = None) -> Figure:
    """The loss of each step with its running mean, validation metrics, and the learning rate.

    Args:
        history: what `dmlnb.training.train` returns: a list of dictionaries with `step` and `loss`, perhaps `lr`, and
            perhaps metrics at some of the steps; or a dictionary of lists of one length (None or NaN where absent).
        title: of the figure.

    Returns:
        The figure; one panel a quantity that is there.

    Raises:
        ValueError: for an empty history, or one without `step` or `loss`.

    Taught in notebook 00.
    """
    if isinstance(history, Mapping):
        history = [dict(zip(history, row, strict=True)) for row in zip(*history.values(), strict=True)]
    if not history or not {"step", "loss"} <= set(history[0]):
        raise ValueError("history: expected a list of dictionaries with 'step' and 'loss', not empty")
    metrics = list(dict.fromkeys(k for entry in history for k in entry if k not in _NOT_METRICS))
    with_rate = "lr" in history[0]
    ratios = [3] + [3] * bool(metrics) + [2] * with_rate
    figure, axes = new_figure(
        0.6 + 0.9 * sum(ratios), 2.9, columns=len(ratios), squeeze=False, width_ratios=ratios
    )
    panels = list(axes[0])

    ax = panels.pop(0)
    steps, loss = _column(history, "loss")
    ax.plot(steps, loss, color=FAINT, linewidth=0.8, label="each step")
    ax.plot(steps, _running_mean(loss, max(1, len(loss) // 25)), color=INK, label="running mean")
    ax.set(xlabel="step", title="training loss", ylabel="loss")
    ax.legend()
    if metrics:
        ax = panels.pop(0)
        for name in metrics:
            ax.plot(*_column(history, name), "o-", markersize=4, color=method_color(name), label=_words(name))
        ax.set(xlabel="step", ylabel="share", title="validation classes")
        ax.yaxis.set_major_formatter(_percent())
        ax.legend()
    if with_rate:
        ax = panels.pop(0)
        ax.plot(*_column(history, "lr"), color=SOFT)
        ax.set(xlabel="step", ylabel="learning rate", title="schedule", ylim=(0, None))
        ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        ax.yaxis.get_offset_text().set_fontsize(8)
    for ax in axes[0]:
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


@style()
def metric_curves(
    x: Sequence[float],
    values: Mapping[str, np.ndarray],
    xlabel: str,
    ylabel: str,
    *,
    percent: bool = False,
    log_x: bool = False,
    title: str | None = None,
) -> Figure:
    """A metric against a quantity: mean over seeds, 95 % interval of the mean (t distribution), a dot a seed.

    Args:
        x: `(p,)` values of the quantity.
        values: for each method `(seeds, p)`; with one seed there is no interval.
        xlabel, ylabel: of the axes.
        percent: show shares 0 .. 1 as percent.
        log_x: logarithmic base 2, for x > 0.
        title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: for no method, or values of another shape.

    Taught in notebook 09.
    """
    x = to_numpy(x).astype(float)
    table = {name: np.atleast_2d(to_numpy(v).astype(float)) for name, v in values.items()}
    if not table:
        raise ValueError("values: expected at least one method, got none")
    for name, v in table.items():
        if v.ndim != 2 or v.shape[1] != len(x):
            raise ValueError(f"values: expected (seeds, {len(x)}) for {name}, got {v.shape}")
    figure, ax = new_figure(6.4, 3.4)
    for name, v in table.items():
        color, mean = method_color(name), v.mean(axis=0)
        ax.plot(x, mean, marker=method_marker(name), markersize=5, color=color, label=name, zorder=3)
        if len(v) > 1:
            half = np.array([interval(column)[1] for column in v.T])
            ax.fill_between(x, mean - half, mean + half, color=color, alpha=0.18, linewidth=0, zorder=1)
            ax.scatter(np.tile(x, len(v)), v.ravel(), s=8, color=color, alpha=0.45, linewidth=0, zorder=2)
    if log_x:
        _powers_of_two(ax, x)
    if percent:
        ax.yaxis.set_major_formatter(_percent())
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title or "")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


@style()
def method_bars(
    values: Mapping[str, np.ndarray], ylabel: str, *, percent: bool = False, title: str | None = None
) -> Figure:
    """Methods side by side: a dot a seed, the mean, and the 95 % interval of the mean. No bar, so no false zero.

    Args:
        values: for each method `(seeds,)`, drawn from top to bottom.
        ylabel: what is measured; it stands at the axis of values, which is horizontal.
        percent: show shares 0 .. 1 as percent.
        title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: for no method, or values that are not a non-empty vector.

    Taught in notebook 00.
    """
    table = {name: np.atleast_1d(to_numpy(v).astype(float)) for name, v in values.items()}
    if not table or any(v.ndim != 1 or len(v) == 0 for v in table.values()):
        raise ValueError("values: expected at least one method, each a vector of one number a seed")
    figure, ax = new_figure(6.4, 0.95 + 0.42 * len(table))
    scale = 100 if percent else 1
    for row, (name, v) in enumerate(table.items()):
        color, mean = method_color(name), v.mean()
        nudge = 0.09 * (np.arange(len(v)) % 3 - 1)  # dots of one value stay visible
        ax.scatter(v, row + nudge, s=16, color=color, alpha=0.45, linewidth=0, zorder=2)
        half = interval(v)[1] if len(v) > 1 else 0.0
        ax.plot(
            [mean - half, mean + half],
            [row, row],
            color=color,
            linewidth=2.4,
            solid_capstyle="butt",
            zorder=3,
        )
        ax.plot(
            mean,
            row,
            marker=method_marker(name),
            markersize=8,
            color=color,
            markeredgecolor="white",
            zorder=4,
        )
        digits = 1 if percent else 3
        spread = f" ± {scale * half:.{digits}f}" if len(v) > 1 else ""
        text = f"{scale * mean:.{digits}f}{spread}"
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    ax.set(yticks=range(len(table)), yticklabels=list(table), xlabel=ylabel, title=title or "")
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if percent:
        ax.xaxis.set_major_formatter(_percent())
    return figure


@style()
def draw_reconstruction_curve(
    ks: Sequence[int],
    errors: Mapping[str, np.ndarray],
    *,
    radii: Mapping[str, np.ndarray] | None = None,
    ylabel: str = "‖GAP − combination of prototypes‖",
) -> Figure:
    """How well a combination of prototypes gives GAP back, against the number of prototypes.

    Args:
        ks: `(p,)` numbers of prototypes.
        errors: for each split, `(p,)` or `(seeds, p)`.
        radii: for each split, the cover radius `(p,)` or `(seeds, p)`, dashed: the bound of the error.
        ylabel: of the axis.

    Returns:
        The figure.

    Raises:
        ValueError: as `metric_curves`, or for radii of a split without errors.

    Taught in notebook 01.
    """
    figure = metric_curves(ks, errors, "number of prototypes", ylabel, log_x=True)
    ax = figure.axes[0]
    for name, radius in (radii or {}).items():
        if name not in errors:
            raise ValueError(f"radii: expected splits of errors ({', '.join(errors)}), got {name!r}")
        mean = np.atleast_2d(to_numpy(radius)).mean(axis=0)
        ax.plot(ks, mean, "--", color=method_color(name), linewidth=1.2, label=f"{name}: cover radius δ")
    ax.set_ylim(bottom=0)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _percent() -> FuncFormatter:
    return FuncFormatter(lambda share, _: f"{100 * share:.4g} %")


def _powers_of_two(ax: Axes, x: np.ndarray) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xticks(x, [f"{v:g}" for v in x])
    ax.set_xticks([], minor=True)


def _column(history: Sequence[Mapping], name: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps at which a quantity is there, and its values."""
    pairs = [(e["step"], e[name]) for e in history if e.get(name) is not None]
    steps, values = np.array(pairs, dtype=float).reshape(-1, 2).T
    there = ~np.isnan(values)
    return steps[there], values[there]


def _running_mean(values: np.ndarray, reach: int) -> np.ndarray:
    """The mean over at most `reach` values on either side."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - reach, 0)
    high = np.minimum(np.arange(len(values)) + reach + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def _words(name: str) -> str:
    known = {"map_at_r": "MAP@R", "precision_at_r": "P@R", "recall_at_1": "R@1"}
    return known.get(name, name.replace("_", " "))
