import json
import math

import pytest
import torch

from studies import photographs
from studies import transferred as study

SCORES = {f"{split}_{metric}" for split in ("test", "validation") for metric in ("map_at_r", "recall_at_1")}
WORLD = study.World("few", None, None, dims=(128, 64, 16, 8), steps=2, classes=10)


@pytest.fixture
def world(few_birds):
    """A few made-up maps, after a search that chose the middle try of every arm."""
    folder = few_birds(study)
    world = WORLD._replace(averaged=photographs.averaged, second_view=photographs.mirrored_train)
    for name, arms in (("few_source", [study.SOURCE]), ("few_search", world.arms())):
        rows = [{"method": study.tries(world, arm)[4], "validation_map_at_r": 0.5} for arm in arms]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return world


@pytest.mark.parametrize(
    "method",
    [
        method
        for method in [study.SOURCE, *WORLD.arms(), *WORLD.controls()]
        if method.startswith(("8-d: ", "small: from", "source: "))
    ],
)
def test_two_steps(world, method):
    row = study.run(world, method, 0)
    learned = set() if "source" in method or "axes" in method else {"rate", "own"}
    assert row.keys() == SCORES | {"step"} | learned
    assert all(math.isfinite(value) for value in row.values())
    assert row["step"] in range(4 if "doubled" in method else 2)


def test_every_arm_makes_as_many_tries_and_a_search_reads_no_test_classes(world):
    assert {len(study.tries(world, arm)) for arm in (study.SOURCE, *world.arms())} == {9}
    for arm in (study.SOURCE, "64-d: PKT"):
        found = study.search(world, study.tries(world, arm)[0], 100)
        assert found.keys() == {"validation_map_at_r", "step"}


def test_a_batch_holds_each_image_and_its_second_view(world):
    rows, classes = study.training_rows(world)
    half = len(rows) // 2
    assert torch.equal(rows[half:], world.second_view()) and torch.equal(classes[half:], classes[:half])


def test_no_size_has_a_lower_rank_than_it_says():
    """A linear map from a narrow layer to many dimensions fills only as many of them as the layer is wide."""
    ranks = {size: min(WORLD.shape(size)) for size in WORLD.sizes()}
    assert ranks == {"128-d": 128, "64-d": 64, "16-d": 16, "8-d": 8, "small": 32}


def test_a_size_takes_its_settings_from_the_nearest_search():
    assert [WORLD.tuned_at(size) for size in WORLD.sizes()] == ["128-d", "128-d", "16-d", "16-d", "small"]
    assert {arm.split(": ")[0] for arm in WORLD.searched()} == {"128-d", "16-d", "small"}
    assert len(WORLD.searched()) == 3 * len(study.LEARNED)


def test_all_axes_keep_all_inner_products_and_few_keep_the_most(world):
    net, _ = study.get_source(world, 0)
    rows = study.training_rows(world)[0]
    unit = torch.nn.functional.normalize(net(rows), dim=1)
    every = study.PrincipalAxes(net, 128, rows)(rows)
    assert torch.allclose(every @ every.T, unit @ unit.T, atol=1e-5)
    few = study.PrincipalAxes(net, 3, rows)(rows)
    values = torch.linalg.svdvals(unit).square()
    assert torch.isclose(few.square().sum(), values[:3].sum(), rtol=1e-4)


def test_sigma_is_the_own_setting_of_the_relaxed_loss_and_decay_that_of_all_others():
    first = lambda arm: study.tries(WORLD, arm)[0].split(" | ")[1]
    assert {first(arm) for arm in WORLD.arms() if "relaxed" not in arm} == {"[0.0003, 0.0001]"}
    assert study.tries(WORLD, "8-d: relaxed contrastive")[2].endswith("[0.0003, 3.0]")
