import json

import pytest
import torch

from studies import birds, birds_zero_shot, searched


@pytest.fixture
def few(few_birds):
    few_birds(birds)
    return few_birds(birds_zero_shot)


def tries(arm):
    return searched.tries(arm, birds_zero_shot.RATES, birds_zero_shot.TRIES[arm])


def test_two_steps(few, check_row):
    rows = [{"method": tries(arm)[4], "validation_map_at_r": 0.5} for arm in birds_zero_shot.TRIES]
    (few / "birds_zero_shot_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for method in (*birds_zero_shot.TRIES, birds_zero_shot.DOUBLED):
        check_row("birds_zero_shot", method, birds_zero_shot.run(method, 0) | {"own": 0})


def test_every_arm_makes_as_many_tries():
    assert {len(tries(arm)) for arm in birds_zero_shot.TRIES} == {9}


def test_the_arms_start_alike_and_the_loss_beside_changes_the_head(few):
    without = birds_zero_shot.head("GSP", 1e-3, 1e-4, 0)[0]
    beside = birds_zero_shot.head("GSP, zero-shot loss", 1e-3, (0.1, 0.05), 0)[0]
    none = birds_zero_shot.head("GSP, zero-shot loss", 1e-3, (0.0, 0.05), 0)[0]
    assert not torch.equal(without.pooling.prototypes, beside.pooling.prototypes)
    assert torch.allclose(without.pooling.prototypes, none.pooling.prototypes, atol=1e-6)
