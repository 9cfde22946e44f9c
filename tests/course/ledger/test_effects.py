"""Numbers and verdicts of the ledger, on studies that are small enough to check by hand."""

import math

import pytest

from dmlnb.course.ledger import VERDICTS, Effect, Range, Row, effects
from dmlnb.course.ledger.effects import BETTER, LEVEL, OPEN, WORSE

T2 = 4.302653  # t(0.975, 2), from a printed table


def runs(*values, metric="test_map_at_r", **more):
    return [{"seed": s, metric: v, **{k: c[s] for k, c in more.items()}} for s, v in enumerate(values)]


BASE = (0.30, 0.32, 0.34)
STUDY = {
    "base": runs(*BASE, error=(0.5, 0.5, 0.5)),
    "base, doubled budget": runs(0.301, 0.319, 0.341),  # moves by less than its interval
    "better": runs(0.33, 0.34, 0.37, error=(0.4, 0.3, 0.2)),  # +3, +2, +3
    "level": runs(0.31, 0.31, 0.34),  # +1, -1, 0
    "worse": runs(0.27, 0.30, 0.31),  # -3, -2, -3
    "slow": runs(*BASE),
    "slow, doubled budget": runs(0.32, 0.34, 0.36 + 1e-6),  # moves by two points
    "better, doubled budget": runs(0.35, 0.36, 0.39),
    "worse, doubled budget": runs(0.35, 0.34, 0.36),
    "lone": runs(*BASE),
    "little": runs(0.31, 0.33, 0.351),
    "weights": runs(0.5, 0.6, 0.7, metric="share", area=(0.2, 0.2, 0.2)),
}
OTHER = {
    "base": runs(0.20, 0.22, 0.25),
    "better": runs(0.21, 0.22, 0.26),
    "odd": [{"seed": 7, "test_map_at_r": 0.1}],
}


@pytest.fixture(autouse=True)
def studies(monkeypatch):
    monkeypatch.setattr(effects, "load", lambda name: {"runs": {"study": STUDY, "other": OTHER}[name]})


def effect(method, baseline="base", **options):
    return Effect("study", method, baseline, **options)


def test_an_effect_is_the_paired_difference_in_points_with_its_t_interval():
    mean, half = effect("better").interval()
    assert mean == pytest.approx(8 / 3)
    assert half == pytest.approx(T2 * math.sqrt(1 / 3) / math.sqrt(3), rel=1e-6)  # variance of 3, 2, 3 is 1/3
    assert str(effect("better", of="bags")) == "bags: +2.7 ± 1.4 (3)"


@pytest.mark.parametrize("method, verdict", [("better", BETTER), ("level", LEVEL), ("worse", WORSE)])
def test_the_verdict_is_where_the_interval_lies(method, verdict):
    assert effect(method).converged is True and effect(method).verdict == verdict


def test_what_is_known_to_be_missing_is_inconclusive():
    assert effect("better", missing="more seeds").verdict == OPEN


def test_a_baseline_that_moves_has_not_converged():
    assert effect("better", "slow").converged is False
    assert effect("better", "slow").moved()[0] == pytest.approx(2, abs=1e-3)


def test_with_a_baseline_that_moves_the_larger_budget_must_say_the_same():
    assert effect("better", "slow").verdict == BETTER  # +3, +2, +3 at the larger budget, too
    assert effect("worse", "slow").verdict == OPEN  # below at first, level in the end
    assert effect("level", "slow").verdict == OPEN  # no longer run of the method: nobody knows
    assert (
        effect("little", "slow").verdict == OPEN
    )  # a point ahead, a point behind the baseline that ran longer
    assert effect("better", "slow", metric="error").converged is None  # the longer runs did not measure it


def test_without_a_longer_run_a_dagger_says_so():
    assert effect("better", "lone").converged is None
    assert str(effect("better", "lone")).endswith("(3)†")
    assert "†" not in str(effect("better", "lone", trained=False))


def test_less_may_be_better():
    assert effect("better", metric="error", less=True).differences() == pytest.approx([10, 20, 30])


def test_two_metrics_of_one_run_are_compared():
    found = effect("weights", "weights", metric="share", against="area").differences()
    assert found == pytest.approx([30, 40, 50])


def test_the_baseline_may_stand_in_another_study():
    assert effect("better", baseline_study="other").differences() == pytest.approx([13, 12, 12])
    longer = Effect("other", "better", "base", longer_study="study")
    assert longer.moved()[0] == pytest.approx((10 + 10 + 9) / 3) and longer.converged is False
    assert longer.verdict == OPEN  # level in one study, ahead in the longer one


def test_a_method_with_fewer_seeds_is_compared_on_these(monkeypatch):
    monkeypatch.setitem(STUDY, "few", STUDY["better"][1:])
    assert effect("few").differences() == pytest.approx([2, 3]) and effect("few").quoted().endswith("(2)")
    monkeypatch.setitem(STUDY, "base, doubled budget", STUDY["base, doubled budget"][:2])
    assert effect("better").moved()[0] == pytest.approx(0)


def test_unknown_runs_and_other_seeds_are_refused():
    with pytest.raises(ValueError, match="no runs of 'absent'"):
        effect("absent").interval()
    with pytest.raises(ValueError, match="other seeds"):
        Effect("other", "odd", "base").interval()


def test_a_range_shows_its_ends_and_must_agree():
    both = Range([effect("better"), effect("better", "lone")], "two")
    assert str(both) == "two: +2.7 ± 1.4 to +2.7 ± 1.4 (3)†" and both.verdict == BETTER
    assert both.interval() == pytest.approx(effect("better").interval())
    with pytest.raises(ValueError, match="verdicts differ"):
        _ = Range([effect("better"), effect("worse")], "two").verdict


def test_the_verdict_of_a_row_names_the_worlds_where_they_differ():
    better, level = effect("better"), effect("level")
    assert Row(letters=better, photographs=better).verdict_text() == "*holds here*"
    assert Row(photographs=level).verdict_text() == "*no difference seen*, ± 2.5"
    assert Row(letters=level, photographs=level).verdict_text() == "*no difference seen*, ± 2.5 and ± 2.5"
    text = Row(letters=level, photographs=better).verdict_text()
    assert text == "*no difference seen*, ± 2.5 (letters) · *holds here* (photographs)"
    assert Row(letters="words", photographs=better).verdict_text() == "*holds here*"


def test_a_measured_verdict_cannot_be_stated():
    assert Row(verdict="holds exactly").verdict_text() == "*holds exactly*"
    for row in (Row(verdict=BETTER), Row(letters=effect("better"), verdict="holds exactly"), Row()):
        with pytest.raises(ValueError, match="verdict"):
            row.judged()


def test_why_names_what_is_missing_and_quotes_numbers():
    assert Row(verdict=OPEN).why_text() == "–"
    assert (
        Row(photographs=effect("better"), why="it gives {0}", also=[effect("level", of="bags")]).why_text()
        == "it gives +0.0 ± 2.5 (3)"
    )
    text = Row(photographs=effect("worse", "slow"), why="a word").why_text()
    assert text == "missing on photographs: a converged baseline (a larger budget adds +2.0 ± 0.0); a word"
    text = Row(letters=effect("worse", missing="seeds"), why="a word").why_text()
    assert text == "missing on letters: seeds; a word"


def test_verdicts_are_six():
    assert len(set(VERDICTS)) == 6
