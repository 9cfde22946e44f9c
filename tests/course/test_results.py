from pathlib import Path

import numpy as np
import pytest

from dmlnb.course import results


def study(**runs):
    return {
        "runs": {
            name: [{"seed": s, "score": v} for s, v in enumerate(values)] for name, values in runs.items()
        }
    }


def test_interval_is_the_t_interval():
    mean, half = results.interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert mean == 3.0
    assert half == pytest.approx(2.776445 * np.sqrt(2.5 / 5), rel=1e-6)  # t(0.975, 4) from a printed table
    with pytest.raises(ValueError, match="values"):
        results.interval([1.0])


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(2000):
        mean, half = results.interval(rng.normal(size=5))
        covered.append(abs(mean) <= half)
    assert 0.93 < np.mean(covered) < 0.97


def test_table_shows_means_and_paired_differences():
    text = results.table(study(a=[0.5, 0.6], b=[0.6, 0.7]), ("score",), baseline="a")
    assert "55.0 ±" in text and "65.0 ±" in text
    assert "+10.0 ± 0.0" in text  # paired: the difference has no spread although both methods have


def test_table_refuses_unpaired_seeds():
    broken = study(a=[0.5, 0.6], b=[0.6, 0.7])
    broken["runs"]["b"][1]["seed"] = 7
    with pytest.raises(ValueError, match="other seeds"):
        results.table(broken, ("score",), baseline="a")


def test_an_unknown_study_is_named():
    with pytest.raises(FileNotFoundError, match="no study 'absent'"):
        results.load("absent")


FEWER = {  # a picture of one network each; and studies that say how few seeds they have
    "queries": 1,
    "birds_weights": 1,
    "birds_settings": 1,
    "birds_cross_batch_folds": 1,
    "birds_cross_batch_rates": 1,
}
STORED = sorted(file.stem for file in Path(results.__file__).parent.glob("*.json"))


@pytest.mark.parametrize("name", [name for name in STORED if not name.endswith("_search")])
def test_stored_studies_say_how_they_were_made(name):
    stored = results.load(name)
    assert stored["command"].startswith("python -m studies.")
    assert stored["date"] and stored["device"] and stored["versions"]["torch"]
    seeds = {method: [run["seed"] for run in runs] for method, runs in stored["runs"].items()}
    most = max(seeds.values(), key=len)
    assert all(len(s) >= FEWER.get(name, 5) and s == most[: len(s)] for s in seeds.values())


def test_differences_are_paired_and_in_percent():
    found = results.differences(study(a=[0.5, 0.6], b=[0.6, 0.65]), "b", "a", "score")
    assert np.allclose(found, [10.0, 5.0])
    with pytest.raises(ValueError, match="no runs of 'c'; there are a, b"):
        results.differences(study(a=[0.5, 0.6], b=[0.6, 0.65]), "c", "a", "score")
    broken = study(a=[0.5, 0.6], b=[0.6, 0.7])
    broken["runs"]["b"][1]["seed"] = 7
    with pytest.raises(ValueError, match="other seeds"):
        results.differences(broken, "b", "a", "score")


def test_a_method_with_fewer_seeds_is_compared_on_these():
    some = study(a=[0.5, 0.6, 0.9], b=[0.6])
    for pair, sign in (("ba", 1), ("ab", -1)):
        assert np.allclose(results.differences(some, *pair, "score"), [sign * 10.0])
    reordered = study(a=[0.5, 0.6], b=[0.6, 0.65])
    reordered["runs"]["b"].reverse()
    assert np.allclose(results.differences(reordered, "b", "a", "score"), [5.0, 10.0])


def test_a_grid_has_methods_down_and_worlds_across():
    runs = [{"seed": 0, "map": 0.1}, {"seed": 1, "map": 0.3}]
    other = [{"seed": 0, "test_map": 0.5}, {"seed": 1, "test_map": 0.5}]
    text = results.grid({"a": {"GAP": runs, "GSP": None}, "a longer name": {"GSP": other}}, "map")
    assert text.split("\n") == [
        "                  a   a longer name",
        "GAP    20.0 ± 127.1",  # the t interval of two values .2 apart: 12.706 x .1
        "GSP                      50.0 ± 0.0",
    ]
    with pytest.raises(ValueError, match="metric: GAP in a was not measured by 'recall'"):
        results.grid({"a": {"GAP": runs}}, "recall")
    with pytest.raises(ValueError, match="worlds: expected at least one"):
        results.grid({}, "map")
