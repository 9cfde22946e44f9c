import json

import torch

from studies import birds, birds_hidden


def test_two_steps(few_birds, check_row):
    few_birds(birds)
    folder = few_birds(birds_hidden)
    rows = [{"method": birds.tries(arm)[4], "validation_map_at_r": 0.5} for arm in birds_hidden.ARMS]
    (folder / "birds_hidden_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for method in (*birds_hidden.ARMS, birds_hidden.DOUBLED):
        check_row("birds_hidden", method, birds_hidden.run(method, 0) | {"own": 0})


def test_every_arm_makes_as_many_tries(few_birds):
    few_birds(birds)
    few_birds(birds_hidden)
    assert {len(birds.tries(arm)) for arm in birds_hidden.ARMS} == {9}
    row = birds_hidden.search(birds.tries(birds_hidden.ARMS[1])[0], 100)
    assert set(row) == {"validation_map_at_r", "step"}


def test_the_layer_works_on_each_region_alone():
    layer = birds_hidden.Hidden(6).eval()
    maps = torch.randn(2, 6, 3, 3)
    alone = layer(maps[:, :, 1:2, 2:3])
    assert torch.allclose(layer(maps)[:, :, 1:2, 2:3], alone, atol=1e-6) and (alone >= 0).all()
