"""Curves: a training run, and a metric against something, with its spread over seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dmlnb.course.plots.palette import method_color, method_marker
from dmlnb.course.results import interval
from dmlnb.explore.figures import FAINT, INK, SOFT, new_figure, style, to_numpy
from dmlnb.explore.names import name_legend, plain

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
        ax, handles = panels.pop(0), []
        for name in metrics:
            color = method_color(name, other=True)
            handles += ax.plot(*_column(history, name), "o-", markersize=4, color=color)
        ax.set(xlabel="step", ylabel="share", title="validation classes")
        ax.yaxis.set_major_formatter(percent_axis())
        name_legend(ax, handles, map(_words, metrics))
    if with_rate:
        ax = panels.pop(0)
        ax.plot(*_column(history, "lr"), color=SOFT)
        ax.set(xlabel="step", ylabel="learning rate", title="schedule", ylim=(0, None))
        ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        ax.yaxis.get_offset_text().set_fontsize(8)
    for ax in axes[0]:
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if title:
        figure.suptitle(plain(title), x=0.01, ha="left", fontsize=11)
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
    other: bool = False,
    title: str | None = None,
) -> Figure:
    """A metric against a quantity: mean over seeds, 95 % interval of the mean (t distribution), a dot a seed.

    Args:
        x: `(p,)` values of the quantity.
        values: for each method `(seeds, p)`; with one seed there is no interval.
        xlabel, ylabel: of the axes.
        percent: show shares 0 .. 1 as percent.
        log_x: logarithmic base 2, for x > 0.
        other: take names that the palette does not know.
        title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: for no method, values of another shape, or a name that the palette does not know.

    Taught in notebook 07.
    """
    x = to_numpy(x).astype(float)
    table = {name: np.atleast_2d(to_numpy(v).astype(float)) for name, v in values.items()}
    if not table:
        raise ValueError("values: expected at least one method, got none")
    for name, v in table.items():
        if v.ndim != 2 or v.shape[1] != len(x):
            raise ValueError(f"values: expected (seeds, {len(x)}) for {name}, got {v.shape}")
    figure, ax = new_figure(6.4, 3.4)
    handles = []
    for name, v in table.items():
        color, mean = method_color(name, other=other), v.mean(axis=0)
        handles += ax.plot(x, mean, marker=method_marker(name), markersize=5, color=color, zorder=3)
        if len(v) > 1:
            half = np.array([interval(column)[1] for column in v.T])
            ax.fill_between(x, mean - half, mean + half, color=color, alpha=0.18, linewidth=0, zorder=1)
            ax.scatter(np.tile(x, len(v)), v.ravel(), s=8, color=color, alpha=0.45, linewidth=0, zorder=2)
    if log_x:
        _powers_of_two(ax, x)
    if percent:
        ax.yaxis.set_major_formatter(percent_axis())
    ax.set(xlabel=xlabel, ylabel=ylabel, title=plain(title or ""))
    name_legend(ax, handles, table, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def percent_axis() -> FuncFormatter:
    """Shares 0 .. 1 written as percent."""
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
