import json

import torch

from studies import birds


def test_two_steps(few_birds, check_row):
    file = few_birds(birds)
    rows = [{"method": birds.tries(arm)[4], "validation_map_at_r": 0.5} for arm in birds.ARMS]
    (file / "birds_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for method in (*birds.CONTROLS, *birds.ARMS, *birds.DOUBLED):
        row = birds.run(method, 0)
        check_row(
            "birds",
            method,
            {k: v for k, v in row.items() if k != "own"} | {"own": 0} if "own" in row else row,
        )


def test_every_arm_makes_as_many_tries(few_birds):
    few_birds(birds)
    assert {len(birds.tries(arm)) for arm in birds.ARMS} == {9}
    row = birds.search(birds.tries(birds.ARMS[0])[0], 100)
    assert set(row) == {"validation_map_at_r", "step"} and row["step"] in (0, 1)


def test_another_seed_is_another_head(few_birds):
    few_birds(birds)
    first, second = (birds.head("GAP, 64-d, after", 1e-3, 1e-4, seed)[0] for seed in (0, 1))
    assert not torch.equal(first.linear.weight, second.linear.weight)
