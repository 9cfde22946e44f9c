import json
import math

import pytest
import torch

from studies import birds_transfer as study

SCORES = {f"{split}_{metric}" for split in ("test", "validation") for metric in ("map_at_r", "recall_at_1")}


@pytest.fixture
def world(few_birds):
    """The study on a few made-up maps, after a search that chose the middle try of every arm."""
    folder = few_birds(study)
    for name, arms in (("birds_transfer_source", [study.SOURCE]), ("birds_transfer_search", study.ARMS)):
        rows = [{"method": study.tries(arm)[4], "validation_map_at_r": 0.5} for arm in arms]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    study.training_rows.cache_clear()
    study.get_source.cache_clear()
    yield
    study.training_rows.cache_clear()
    study.get_source.cache_clear()


def at_8(methods):
    return [method for method in methods if method.startswith(("8-d: ", "small: from", "source: "))]


@pytest.mark.parametrize("method", at_8([study.SOURCE, *study.ARMS, *study.AXES, *study.DOUBLED]))
def test_two_steps(world, method):
    row = study.run(method, 0)
    learned = set() if "source" in method or "axes" in method else {"rate", "own"}
    assert row.keys() == SCORES | {"step"} | learned
    assert all(math.isfinite(value) for value in row.values())
    assert row["step"] in range(4 if "doubled" in method else 2)


def test_every_arm_makes_as_many_tries_and_a_search_reads_no_test_species(world):
    assert {len(study.tries(arm)) for arm in (study.SOURCE, *study.ARMS)} == {9}
    for arm in (study.SOURCE, "64-d: PKT"):
        assert study.search(study.tries(arm)[0], 100).keys() == {"validation_map_at_r", "step"}


def test_a_batch_holds_each_photograph_and_its_mirror_image(world):
    rows, species = study.training_rows()
    half = len(rows) // 2
    assert torch.equal(rows[half:], study.mirrored_train()) and torch.equal(species[half:], species[:half])


def test_no_size_has_a_lower_rank_than_it_says():
    """A linear map from a narrow layer to many dimensions fills only as many of them as the layer is wide."""
    ranks = {size: min(sizes) for size, sizes in study.SIZES.items()}
    assert ranks == {"128-d": 128, "64-d": 64, "32-d": 32, "16-d": 16, "8-d": 8, "small": 32}


def test_all_axes_keep_all_inner_products_and_few_keep_the_most(world):
    net, _ = study.get_source(0)
    rows = study.training_rows()[0]
    unit = torch.nn.functional.normalize(net(rows), dim=1)
    every = study.PrincipalAxes(net, study.DIM)(rows)
    assert torch.allclose(every @ every.T, unit @ unit.T, atol=1e-5)
    few = study.PrincipalAxes(net, 3)(rows)
    values = torch.linalg.svdvals(unit).square()
    assert torch.isclose(few.square().sum(), values[:3].sum(), rtol=1e-4)


def test_sigma_is_the_own_setting_of_the_relaxed_loss_and_decay_that_of_all_others():
    assert {study.tries(arm)[0].split(" | ")[1] for arm in study.ARMS if "relaxed" not in arm} == {
        "[0.0003, 0.0001]"
    }
    assert study.tries("8-d: relaxed contrastive")[2].endswith("[0.0003, 3.0]")
