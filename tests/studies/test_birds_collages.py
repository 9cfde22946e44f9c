import json

import pytest
import torch

from dmlnb.course import results
from studies import birds, birds_collages


@pytest.fixture
def few(few_birds, monkeypatch):
    few_birds(birds)
    monkeypatch.setattr(birds_collages, "NUISANCE", 3)
    birds_collages.world.cache_clear()
    yield few_birds(birds_collages)
    birds_collages.world.cache_clear()


def test_two_steps(few, check_row):
    arms = [*birds_collages.ARMS, birds_collages.CEILING]
    rows = [{"method": birds_collages.tries(arm)[4], "validation_map_at_r": 0.5} for arm in arms]
    (few / "birds_collages_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for method in (*arms, birds_collages.DOUBLED):
        row = birds_collages.run(method, 0)
        check_row("birds_collages", method, row | {"own": 0})
        assert 0 <= row["share"] <= 1
        if method.startswith("GAP") and method != birds_collages.CEILING:
            assert row["share"] == pytest.approx(0.25)


def test_every_arm_makes_as_many_tries():
    assert {len(birds_collages.tries(arm)) for arm in (*birds_collages.ARMS, birds_collages.CEILING)} == {12}


def test_a_collage_shows_the_four_maps_in_their_quarters():
    maps, rows = torch.randn(9, 5, 2, 3), torch.randint(9, (7, 4))
    quarter = torch.randint(4, (7,))
    whole = birds_collages.Collages(maps, rows, quarter)
    index = torch.tensor([3, 0, 3])
    assert whole.shape == (7, 5, 4, 6) and whole[index].shape == (3, 5, 4, 6)
    for shown, t in zip(whole[index], index.tolist(), strict=True):
        for q in range(4):
            top, left = q // 2, q % 2
            piece = shown[:, 2 * top : 2 * top + 2, 3 * left : 3 * left + 3]
            assert torch.equal(piece, maps[rows[t, q]])
    alone = birds_collages.Collages(maps, rows, quarter, alone=True)
    assert torch.equal(alone[index][1], maps[rows[0, quarter[0]]])


def test_the_share_is_the_weight_inside_the_quarter():
    weights = torch.rand(6, 4, 6).double()
    weights /= weights.sum(dim=(1, 2), keepdim=True)
    quarter = torch.tensor([0, 1, 2, 3, 1, 2])
    found = birds_collages.share(weights, quarter)
    for value, w, q in zip(found, weights, quarter.tolist(), strict=True):
        by_hand = sum(
            w[i, j] for i in range(4) for j in range(6) if (i >= 2) == (q >= 2) and (j >= 3) == (q % 2 == 1)
        )
        assert value == pytest.approx(float(by_hand))


def test_what_counts_is_labelled_and_nuisance_never_counts_nor_appears_twice(few):
    maps, labels = birds.birds()
    collages, targets = birds_collages.world()
    assert int(targets["train"].max()) == 6 and len(targets["train"]) == 8 * 28
    seen = {}
    for split, drawn in collages.items():
        rows, quarter = drawn.rows, drawn.quarter
        own = int((labels[split] < 7).sum()) if split == "train" else len(labels[split])
        counts = rows < own
        assert (counts.sum(dim=1) == 1).all() and (counts.int().argmax(dim=1) == quarter).all()
        target = rows[counts]
        assert torch.equal(labels[split][target], targets[split])
        seen[split] = {tuple(row.tolist()) for row in drawn.maps[own:].flatten(1)}
    assert len(set.union(*seen.values())) == sum(map(len, seen.values())) == 12  # three species of four


def test_all_arms_see_the_same_collages(few):
    fine, coarse = birds_collages.world(), birds_collages.world(averaged=True)
    for split in fine[0]:
        assert torch.equal(fine[0][split].rows, coarse[0][split].rows)
        assert torch.equal(fine[1][split], coarse[1][split])
        index = torch.arange(4)
        assert torch.allclose(
            fine[0][split][index].mean(dim=(2, 3)), coarse[0][split][index].mean(dim=(2, 3)), atol=1e-6
        )


def test_the_gain_over_the_stored_baseline_outlives_its_doubled_budget():
    study = results.load("birds_collages")
    for metric in ("test_recall_at_1", "test_map_at_r"):
        gains = results.differences(study, "GSP, 64-d, after", birds_collages.DOUBLED, metric)
        mean, half = results.interval(gains)
        assert mean > half
