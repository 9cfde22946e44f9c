"""A number of the ledger: a paired difference in a stored study, its interval, and the verdict that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dmlnb.course import results

BETTER, LEVEL, WORSE, OPEN = "holds here", "no difference seen", "worse here", "inconclusive"
VERDICTS = ("holds exactly", "holds as a bound", BETTER, LEVEL, WORSE, OPEN)
STATED = ("holds exactly", "holds as a bound", OPEN)  # all others must follow from a study
DAGGER = "†"  # no longer run of the baseline is stored

load = lru_cache(results.load)


def _reading(mean: float, half: float) -> str:
    """What an interval says by itself."""
    return BETTER if mean > half else WORSE if mean < -half else LEVEL


def _quote(numbers: str, effects: Sequence["Effect"]) -> str:
    """The numbers, how many seeds, and a dagger if convergence is not shown."""
    seeds = min(len(effect.differences()) for effect in effects)
    return f"{numbers} ({seeds})" + DAGGER * any(effect.converged is None for effect in effects)


def _cell(of: str, quoted: str) -> str:
    return f"{of}: {quoted}" if of else quoted


@dataclass(frozen=True)
class Effect:
    """A method minus a baseline, seed by seed, in points of a metric; above 0 the method is better.

    Args:
        study: name of the stored study.
        method, baseline: names of its runs.
        metric: key of the runs, a share 0 .. 1.
        of: what the points are of, and where, if not MAP@R on unseen classes.
        against: the baseline's metric, if it is another one.
        less: less of the metric is better, so the difference is turned round.
        baseline_study: where the baseline's runs are, if in another study.
        longer: ending of the names of runs with a larger budget.
        longer_study: where those are, if in another study (then under the same names).
        trained: False where nothing is trained, and nothing has to converge.
        missing: what is known to be missing from the comparison; it is inconclusive then.

    Raises:
        FileNotFoundError, ValueError: when its numbers are asked for, for unknown studies and runs (see
            `dmlnb.course.results`).
    """

    study: str
    method: str
    baseline: str
    metric: str = "test_map_at_r"
    of: str = ""
    against: str = ""
    less: bool = False
    baseline_study: str = ""
    longer: str = ", doubled budget"
    longer_study: str = ""
    trained: bool = True
    missing: str = ""

    def differences(self) -> np.ndarray:
        """`(seeds,)` in points."""
        return self._differences(self._runs(self.study, self.method), self._baseline_runs())

    def interval(self) -> tuple[float, float]:
        """Mean, and half of the 95 % interval."""
        return results.interval(self.differences())

    def moved(self) -> tuple[float, float] | None:
        """What a larger budget adds to the baseline: mean and half of the interval; None if no such run is stored."""
        runs = self._longer_runs(self.baseline)
        return (
            None if runs is None else results.interval(self._differences(runs, self._baseline_runs(), True))
        )

    @property
    def converged(self) -> bool | None:
        """Whether a larger budget moves the baseline by less than its interval; None if no such run is stored."""
        if not self.trained:
            return True
        moved = self.moved()
        return None if moved is None else abs(moved[0]) <= moved[1]

    @property
    def verdict(self) -> str:
        """What the interval says, if the baseline has converged, or if a larger budget says the same.

        Where the method was not run longer, a gain must hold even against the baseline that was.
        """
        found = _reading(*self.interval())
        if self.missing:
            return OPEN
        if self.converged is not False:
            return found
        method = self._longer_runs(self.method)
        if method is None and found == BETTER:
            method = self._runs(self.study, self.method)
        if method is None:
            return OPEN
        later = self._differences(method, self._longer_runs(self.baseline))
        return found if _reading(*results.interval(later)) == found else OPEN

    def __str__(self) -> str:
        """What it is of, and what `quoted` gives: a cell of the ledger."""
        return _cell(self.of, self.quoted())

    def quoted(self) -> str:
        """Difference, interval and number of seeds, with a dagger if convergence is not shown."""
        return _quote(self.number(), [self])

    def number(self) -> str:
        """Difference and interval alone."""
        return "{:+.1f} ± {:.1f}".format(*self.interval())

    def _runs(self, study: str, name: str) -> list[dict]:
        runs = load(study)["runs"]
        if name not in runs:
            raise ValueError(f"{study}: no runs of {name!r}; there are {', '.join(runs)}")
        return runs[name]

    def _baseline_runs(self) -> list[dict]:
        return self._runs(self.baseline_study or self.study, self.baseline)

    def _longer_runs(self, name: str) -> list[dict] | None:
        name = name if self.longer_study else name + self.longer
        runs = load(self.longer_study or self.study)["runs"].get(name)
        return runs if runs and (self.against or self.metric) in runs[0] else None

    def _differences(self, runs: list[dict], others: list[dict], same: bool = False) -> np.ndarray:
        against = self.against or self.metric
        metric = against if same else self.metric
        found = [100 * (a[metric] - b[against]) for a, b in results.paired(runs, others)]
        return -np.array(found) if self.less else np.array(found)


@dataclass(frozen=True)
class Range:
    """Several effects of one kind that all end alike; the ledger shows the smallest and the largest.

    Args:
        effects: at least two.
        of: what they are, such as "four sizes".
    """

    effects: Sequence[Effect]
    of: str

    @property
    def verdict(self) -> str:
        """That of all of them.

        Raises:
            ValueError: if they differ; they need rows of their own then.
        """
        found = {effect.verdict for effect in self.effects}
        if len(found) > 1:
            raise ValueError(f"{self.of}: verdicts differ, expected one: {', '.join(sorted(found))}")
        return found.pop()

    def interval(self) -> tuple[float, float]:
        """Mean of the means, and the widest half of an interval."""
        found = [effect.interval() for effect in self.effects]
        return float(np.mean([mean for mean, _ in found])), max(half for _, half in found)

    def __str__(self) -> str:
        """What they are, and what `quoted` gives: a cell of the ledger."""
        return _cell(self.of, self.quoted())

    def quoted(self) -> str:
        """The smallest and the largest, with the number of seeds, and a dagger if convergence is not shown."""
        ordered = sorted(self.effects, key=lambda effect: effect.interval()[0])
        return _quote(f"{ordered[0].number()} to {ordered[-1].number()}", self.effects)


Cell = str | Effect | Range


@dataclass(frozen=True)
class Row:
    """One line of the ledger.

    Args:
        part: the regime that it speaks of; empty for the claim as a whole.
        at: how the heading begins under which the tagged cell stands; the last tagged cell's if empty.
        paper: the paper's effect.
        letters, photographs: ours, a text or what a study says.
        why: why the two may differ, and what else one should know; `{0}`, `{1}`, ... stand for `also`.
        also: effects that `why` quotes.
        verdict: of a claim that no study judges.
        notebook: number of the notebook, if not that of the claim.
    """

    part: str = ""
    at: str = ""
    paper: str = "–"
    letters: Cell = "–"
    photographs: Cell = "–"
    why: str = "–"
    also: Sequence[Effect | Range] = ()
    verdict: str = ""
    notebook: str = ""

    def measured(self) -> dict[str, Effect | Range]:
        """What studies say, by world."""
        worlds = {"letters": self.letters, "photographs": self.photographs}
        return {world: cell for world, cell in worlds.items() if not isinstance(cell, str)}

    def judged(self) -> dict[str, str]:
        """The verdict by world, computed; or the stated one, of neither world.

        Raises:
            ValueError: for a stated verdict that must be computed, for two of them, or none.
        """
        found = {world: cell.verdict for world, cell in self.measured().items()}
        if self.verdict and (found or self.verdict not in STATED):
            raise ValueError(f"verdict: {self.verdict!r} must follow from a study, and only from it")
        if not found and not self.verdict:
            raise ValueError("verdict: no study and no verdict")
        return found or {"": self.verdict}

    def verdict_text(self) -> str:
        """The verdict as it stands in the ledger; *no difference seen* with the half width of its interval."""
        words: dict[str, list[str]] = {}
        for world, verdict in self.judged().items():
            words.setdefault(verdict, []).append(world)
        texts = []
        for verdict, worlds in words.items():
            halves = [f"± {self.measured()[world].interval()[1]:.1f}" for world in worlds if verdict == LEVEL]
            text = f"*{verdict}*" + (f", {' and '.join(halves)}" if halves else "")
            texts.append(text if len(words) == 1 else f"{text} ({' and '.join(worlds)})")
        return " · ".join(texts)

    def why_text(self) -> str:
        """The sentence with its numbers; what is missing from an inconclusive comparison stands before it."""
        own = [] if self.why == "–" else [self.why.format(*(cell.quoted() for cell in self.also))]
        return "; ".join([*self._missing(), *own]) or "–"

    def _missing(self) -> list[str]:
        """What an inconclusive comparison lacks, by world."""
        found = []
        for world, cell in self.measured().items():
            for effect in getattr(cell, "effects", [cell])[:1]:
                if effect.verdict == OPEN:
                    added = "{:+.1f} ± {:.1f}".format(*effect.moved()) if not effect.missing else ""
                    lacks = effect.missing or f"a converged baseline (a larger budget adds {added})"
                    found.append(f"missing on {world}: {lacks}")
        return found


@dataclass(frozen=True)
class Claim:
    """What a paper claims, and one row for each regime in which it was judged.

    Args:
        name: id, the tag of its cells without `claim-`.
        words: the claim, in our words.
        notebook: number of the notebook that tests it; empty if none does.
        rows: at least one.
    """

    name: str
    words: str
    notebook: str
    rows: Sequence[Row]
