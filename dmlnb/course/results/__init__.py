"""Stored studies: experiments of many seeds that are too long for a notebook, each with the command that made it.

A study is a JSON file beside this one: `{"command", "date", "device", "versions", "settings", "runs"}`, where
`runs[method]` is a list of one dictionary per seed. Notebooks load it and draw it; they never retype its numbers.
"""

import json
from collections.abc import Mapping
from importlib import resources

import numpy as np


def load(name: str) -> dict:
    """A stored study by name.

    Args:
        name: file name without `.json`.

    Returns:
        The study as a dictionary.

    Raises:
        FileNotFoundError: if there is no such study; names those that exist.

    Taught in notebook 00.
    """
    folder = resources.files(__package__)
    file = folder / f"{name}.json"
    if not file.is_file():
        known = sorted(f.name.removesuffix(".json") for f in folder.iterdir() if f.name.endswith(".json"))
        raise FileNotFoundError(f"name: no study {name!r}; there are {', '.join(known) or 'none'}")
    return json.loads(file.read_text(encoding="utf-8"))


def interval(values, confidence: float = 0.95) -> tuple[float, float]:
    """Mean of the values and the half width of its t interval.

    $$ \\bar v \\pm t_{n-1} \\, \\frac{s}{\\sqrt n} $$

    Args:
        values: `(n,)` numbers, one per seed, n >= 2.
        confidence: coverage of the interval.

    Returns:
        (mean, half width).

    Raises:
        ValueError: with fewer than two values.

    Taught in notebook 00.
    """
    from scipy.stats import t

    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"values: expected at least two numbers, got shape {values.shape}")
    half = t.ppf(0.5 + confidence / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def paired(runs: list[dict], reference: list[dict]) -> list[tuple[dict, dict]]:
    """The runs of two methods with the same seed; where one has fewer seeds, all of its own.

    Args:
        runs, reference: one dictionary per seed.

    Raises:
        ValueError: if the seeds of neither are all among those of the other.
    """
    known = {run["seed"]: run for run in reference}
    pairs = [(run, known[run["seed"]]) for run in runs if run["seed"] in known]
    if len(pairs) < min(len(runs), len(reference)):
        raise ValueError("runs: expected the seeds of one among those of the other, got other seeds")
    return pairs


def differences(study: dict, method: str, baseline: str, metric: str) -> np.ndarray:
    """A method minus a baseline, seed by seed, in percent.

    Args:
        study: as `load` returns it.
        method, baseline: names of its runs.
        metric: key of the runs, a share 0 .. 1.

    Returns:
        `(seeds,)` differences; if one has fewer seeds, of these.

    Raises:
        ValueError: if the two were run with other seeds (`paired`), or a name is not that of a run.

    Taught in notebooks 00 and 02.
    """
    for name in (method, baseline):
        if name not in study["runs"]:
            raise ValueError(f"no runs of {name!r}; there are {', '.join(study['runs'])}")
    pairs = paired(study["runs"][method], study["runs"][baseline])
    return np.array([100 * (a[metric] - b[metric]) for a, b in pairs])


def table(study: dict, metrics: tuple[str, ...], *, baseline: str | None = None) -> str:
    """Mean ± half of the 95 % interval of each metric for each method, in percent, as aligned text.

    Args:
        study: as `load` returns it.
        metrics: keys of the runs.
        baseline: when given, a second block shows the paired difference to this method, seed by seed.

    Returns:
        Text of one line per method.

    Raises:
        ValueError: if the baseline's seeds are not those of another method.
    """
    lines = [f"{'':<24}{'seeds':>6}" + "".join(f"{m:>22}" for m in metrics)]
    for method, runs in study["runs"].items():
        cells = ("{:.1f} ± {:.1f}".format(*interval([100 * r[m] for r in runs])) for m in metrics)
        lines.append(f"{method:<24}{len(runs):>6}" + "".join(f"{c:>22}" for c in cells))
    if baseline is not None:
        lines.append(f"paired difference to {baseline}:")
        for method, runs in study["runs"].items():
            if method == baseline:
                continue
            pairs = (differences(study, method, baseline, m) for m in metrics)
            cells = ("{:+.1f} ± {:.1f}".format(*interval(p)) for p in pairs)
            lines.append(f"{method:<24}{len(runs):>6}" + "".join(f"{c:>22}" for c in cells))
    return "\n".join(lines)


def grid(worlds: Mapping[str, Mapping[str, list[dict] | None]], metric: str) -> str:
    """One metric of several methods in several worlds: mean ± half of the 95 % interval, in percent, as aligned text.

    Args:
        worlds: for each column the runs of each method, which are the rows; None or nothing where a method was not run.
        metric: key of the runs, a share 0 .. 1; runs without it have `test_<metric>`.

    Returns:
        A line of column names and a line per method, blank where there are no runs.

    Raises:
        ValueError: for no world, or runs without the metric.

    Taught in notebook 02.
    """
    if not worlds:
        raise ValueError("worlds: expected at least one, got none")
    methods = list(dict.fromkeys(name for world in worlds.values() for name in world))
    first, widths = max(map(len, methods), default=0) + 2, [max(14, len(world) + 3) for world in worlds]
    lines = [" " * first + "".join(f"{world:>{w}}" for world, w in zip(worlds, widths, strict=True))]
    for method in methods:
        cells = []
        for name, world in worlds.items():
            runs = world.get(method) or []
            keys = [key for key in (metric, f"test_{metric}") if runs and all(key in run for run in runs)]
            if runs and not keys:
                raise ValueError(f"metric: {method} in {name} was not measured by {metric!r}")
            values = [100 * run[keys[0]] for run in runs]
            cells.append("{:.1f} ± {:.1f}".format(*interval(values)) if runs else "")
        lines.append(
            (f"{method:<{first}}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))).rstrip()
        )
    return "\n".join(lines)
