import json

import pytest
import torch

from dmlnb.course import results
from studies import birds, birds_widths, photographs


@pytest.fixture
def few(few_birds):
    few_birds(birds)
    return few_birds(birds_widths)


def test_two_steps(few, check_row):
    rows = [{"method": birds.tries(arm)[4], "validation_map_at_r": 0.5} for arm in birds_widths.READ]
    (few / "birds_widths_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for method in (*birds_widths.READ, birds_widths.DOUBLED):
        check_row("birds_widths", method, birds_widths.run(method, 0) | {"own": 0})


def test_every_arm_makes_as_many_tries(few):
    assert {len(birds.tries(arm)) for arm in birds_widths.ARMS} == {9}
    row = birds_widths.search(birds.tries(birds_widths.ARMS[0])[0], 100)
    assert set(row) == {"validation_map_at_r", "step"} and row["step"] in (0, 1)


def test_gap_on_averages_is_the_head_of_the_study_before(few):
    maps = birds.head("GAP, 4-d, after", 1e-3, 1e-4, 0)[0]
    means = birds.head("GAP, 4-d, after", 1e-3, 1e-4, 0, world=photographs.averaged, steps=2)[0]
    assert torch.allclose(maps.linear.weight, means.linear.weight, atol=1e-5)


def test_heads_are_as_wide_as_they_are_called(few):
    assert birds_widths.head("GSP, 128-d, after", 1e-3, (0.3, 5.0), 0)[0].linear.weight.shape == (128, 6)
    assert birds_widths.head("attention, 320-d, after", 1e-3, 5.0, 0)[0].linear.weight.shape == (320, 6)


def test_the_stored_baseline_has_converged():
    study = results.load("birds_widths")
    for metric in ("test_recall_at_1", "test_map_at_r"):
        mean, half = results.interval(
            results.differences(study, birds_widths.DOUBLED, "GAP, 320-d, after", metric)
        )
        assert abs(mean) <= half
